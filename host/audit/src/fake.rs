//! Fake capabilities for audits, demonstrations and tests: a clock and a throttle state that are set by hand, and a
//! wrapper that logs every use. Nothing leaves through them.

use glassbox_sandbox::Outgoing;
use glassbox_sandbox::capabilities::{Clock, Hardware, Http, Machine, Throttle};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// One use of a capability, and what it returned.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // named as the capabilities' functions
pub enum Use {
    Queue(Outgoing),
    Now(u64),
    Probe(Box<Machine>),
    Query(Option<u32>),
}

/// The uses of capabilities, in order. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct UseLog(Arc<Mutex<Vec<Use>>>);

impl UseLog {
    /// Take all uses since the last time.
    pub fn take(&self) -> Vec<Use> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Take the requests since the last time; other uses are dropped.
    pub fn take_requests(&self) -> Vec<Outgoing> {
        self.take()
            .into_iter()
            .filter_map(|used| if let Use::Queue(request) = used { Some(request) } else { None })
            .collect()
    }

    fn push(&self, used: Use) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(used);
    }
}

/// Passes every use on to a capability, and logs it with the result. As [`Http`], it takes requests and sends nothing.
#[derive(Clone, Debug)]
pub struct Logged<C>(pub C, pub UseLog);

impl<C: Send> Http for Logged<C> {
    fn room(&self) -> usize {
        usize::MAX
    }
    fn queue(&mut self, requests: Vec<Outgoing>, _: Instant) {
        requests.into_iter().for_each(|request| self.1.push(Use::Queue(request)));
    }
}

impl<C: Clock> Clock for Logged<C> {
    fn now(&self) -> u64 {
        let now = self.0.now();
        self.1.push(Use::Now(now));
        now
    }
}

impl<C: Hardware> Hardware for Logged<C> {
    fn probe(&self) -> Machine {
        let machine = self.0.probe();
        self.1.push(Use::Probe(Box::new(machine.clone())));
        machine
    }
}

impl<C: Throttle> Throttle for Logged<C> {
    fn query(&self) -> Option<u32> {
        let mask = self.0.query();
        self.1.push(Use::Query(mask));
        mask
    }
}

/// A clock that stands still until it is set. Clones share one time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that is at `ns` nanoseconds.
    pub fn new(ns: u64) -> Self {
        Self(Arc::new(AtomicU64::new(ns)))
    }

    /// Set it to `ns` nanoseconds. Components may rely on time not going back, so callers should not set it back.
    pub fn set(&self, ns: u64) {
        self.0.store(ns, Ordering::Release);
    }

    /// The nanoseconds that it is at.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.get()
    }
}

/// A throttle state that is set by hand; none at first. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct ManualThrottle(Arc<Mutex<Option<u32>>>);

impl ManualThrottle {
    /// One that answers this mask.
    pub fn new(mask: Option<u32>) -> Self {
        Self(Arc::new(Mutex::new(mask)))
    }

    /// Answer this from now on: a bit mask as of `vcgencmd get_throttled`, or none.
    pub fn set(&self, mask: Option<u32>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = mask;
    }
}

impl Throttle for ManualThrottle {
    fn query(&self) -> Option<u32> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_time_is_what_was_set_and_clones_share_it() {
        let clock = ManualClock::default();
        let given: Box<dyn Clock> = Box::new(clock.clone());
        assert_eq!(given.now(), 0);
        clock.set(42);
        assert_eq!((given.now(), clock.get()), (42, 42));
        assert_eq!(ManualClock::new(7).now(), 7);
    }

    #[test]
    fn manual_state_is_what_was_set_and_clones_share_it() {
        let throttle = ManualThrottle::default();
        let given: Box<dyn Throttle> = Box::new(throttle.clone());
        assert_eq!(given.query(), None);
        throttle.set(Some(0x50005));
        assert_eq!(given.query(), Some(0x50005));
        assert_eq!(ManualThrottle::new(Some(1)).query(), Some(1));
    }
}
