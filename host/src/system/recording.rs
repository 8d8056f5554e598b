//! Capabilities that record what passes, for audits and tests. The requests end here: nothing leaves.

use glassbox_sandbox::Outgoing;
use glassbox_sandbox::capabilities::{Clock, Hardware, Http, Machine, Random, Throttle};
use std::sync::{Arc, Mutex, PoisonError};

/// One use of a capability, and what it gave.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // named as the capabilities' functions
pub enum Use {
    Queue(Outgoing),
    Now(u64),
    Probe(Box<Machine>),
    Query(Option<u32>),
    Fill(Vec<u8>),
}

/// What was used, in order; clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Record(Arc<Mutex<Vec<Use>>>);

impl Record {
    /// Everything since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<Use> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The requests since the last time; other uses are forgotten.
    #[must_use]
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

/// Passes every use on and records it. As [`Http`] it is the end of the line: nothing leaves.
#[derive(Clone, Debug)]
pub struct Recording<C>(pub C, pub Record);

impl<C: Send> Http for Recording<C> {
    fn room(&self) -> usize {
        usize::MAX
    }
    fn queue(&mut self, requests: Vec<Outgoing>) {
        requests.into_iter().for_each(|request| self.1.push(Use::Queue(request)));
    }
}

impl<C: Clock> Clock for Recording<C> {
    fn now(&self) -> u64 {
        let now = self.0.now();
        self.1.push(Use::Now(now));
        now
    }
}

impl<C: Hardware> Hardware for Recording<C> {
    fn probe(&self) -> Machine {
        let machine = self.0.probe();
        self.1.push(Use::Probe(Box::new(machine.clone())));
        machine
    }
}

impl<C: Throttle> Throttle for Recording<C> {
    fn query(&self) -> Option<u32> {
        let mask = self.0.query();
        self.1.push(Use::Query(mask));
        mask
    }
}

impl<C: Random> Random for Recording<C> {
    fn fill(&mut self, buffer: &mut [u8]) -> bool {
        let filled = self.0.fill(buffer);
        self.1.push(Use::Fill(if filled { buffer.to_vec() } else { Vec::new() }));
        filled
    }
}
