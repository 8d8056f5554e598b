//! Capabilities that deny everything: to start a component for what it says of itself, and where there is nothing to show.

use glassbox_sandbox::capabilities::{Capabilities, Clock, Hardware, Http, Machine, Throttle};
use glassbox_sandbox::{Facts, Outgoing};
use std::time::Instant;

/// Enough to ask for a settings schema, or to check settings.
pub fn deny() -> Capabilities {
    Capabilities {
        http: Box::new(Deny),
        clock: Box::new(Deny),
        hardware: Box::new(Deny),
        throttle: Box::new(Deny),
        salt: String::new(),
    }
}

/// Denies everything: takes no request, its time stands still at 0, and it knows nothing.
#[derive(Clone, Copy, Debug)]
pub struct Deny;

impl Http for Deny {
    fn room(&self) -> usize {
        0
    }
    fn queue(&mut self, _: Vec<Outgoing>, _: Instant) {}
}

impl Clock for Deny {
    fn now(&self) -> u64 {
        0
    }
}

impl Hardware for Deny {
    fn probe(&self) -> Machine {
        Machine::default()
    }
}

impl Throttle for Deny {
    fn query(&self) -> Option<u32> {
        None
    }
}

impl Facts for Deny {
    fn machine(&self) -> Machine {
        self.probe()
    }
    fn throttle(&self) -> Option<u32> {
        self.query()
    }
}
