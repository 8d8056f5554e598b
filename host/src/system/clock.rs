//! Monotonic time: the real one, and one that is set by hand. The wall clock is not here, since no
//! tracker is given one.

use glassbox_sandbox::capabilities::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The system's monotonic clock, counted in nanoseconds from when this was made. Copies count from
/// the same point, so their times can be compared.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock {
    start: Instant,
}

impl MonotonicClock {
    /// A clock that starts at 0 now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> u64 {
        // 64 bits of nanoseconds are 584 years.
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is set, for players, audits and tests. Clones share one time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that shows `ns` nanoseconds.
    #[must_use]
    pub fn new(ns: u64) -> Self {
        Self(Arc::new(AtomicU64::new(ns)))
    }

    /// Show `ns` nanoseconds from now on. A tracker may rely on time not going back while it lives;
    /// keeping to that is the caller's part.
    pub fn set(&self, ns: u64) {
        self.0.store(ns, Ordering::Release);
    }

    /// The nanoseconds that it shows.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn monotonic_time_passes_in_nanoseconds_and_copies_agree() {
        let clock = MonotonicClock::new();
        let copy = clock;
        let before = clock.now();
        std::thread::sleep(Duration::from_millis(5));
        let after = copy.now();
        assert!(after - before >= 5_000_000, "{before} {after}");
        assert!(clock.now() >= after);
    }

    #[test]
    fn manual_time_is_what_was_set_and_clones_share_it() {
        let clock = ManualClock::default();
        let given: Box<dyn Clock> = Box::new(clock.clone());
        assert_eq!(given.now(), 0);
        clock.set(42);
        assert_eq!((given.now(), clock.get()), (42, 42));
        assert_eq!(ManualClock::new(7).now(), 7);
    }
}
