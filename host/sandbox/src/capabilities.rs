//! The five capabilities as traits, with an implementation that denies everything. The real ones,
//! and one that records what passes, are the host's (`host/src/system/`).

use crate::{Blocked, Outgoing, Request};

/// Where requests that passed the gate go.
pub trait Http: Send {
    /// How many more requests are taken now.
    fn room(&self) -> usize;
    /// Take requests, in order. Must not wait for the network.
    fn queue(&mut self, requests: Vec<Outgoing>);
    /// A component asks for this: for whoever keeps a record, nothing comes of it.
    fn asked(&self, _: &Request) {}
    /// What it was answered: nothing, or why it was refused, and the contract's word for that.
    fn answered(&self, _: Option<(&Blocked, &str)>) {}
}

/// Monotonic time.
pub trait Clock: Send {
    /// Nanoseconds since any fixed point.
    fn now(&self) -> u64;
}

/// The hardware probe.
pub trait Hardware: Send {
    /// What is known of the machine.
    fn probe(&self) -> Machine;
}

/// The throttle query.
pub trait Throttle: Send {
    /// The bit mask, or none where there is no such query.
    fn query(&self) -> Option<u32>;
}

/// Random bytes.
pub trait Random: Send {
    /// Fill the buffer; false if there are none to be had.
    fn fill(&mut self, buffer: &mut [u8]) -> bool;
}

/// The machine, with the contract's units.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // named as the fields of the contract's `hardware.machine`
pub struct Machine {
    pub os: Option<String>,
    pub platform: Option<String>,
    pub bits: Option<u32>,
    pub cores: Option<u32>,
    pub frequency_mhz: Option<f64>,
    pub memory_bytes: Option<u64>,
    pub pi_model: Option<String>,
    pub octopi_version: Option<String>,
    pub octopiuptodate_build: Option<String>,
}

/// All that an instance is given.
pub struct Capabilities {
    /// Requests out.
    pub http: Box<dyn Http>,
    /// Time.
    pub clock: Box<dyn Clock>,
    /// The machine.
    pub hardware: Box<dyn Hardware>,
    /// The Pi.
    pub throttle: Box<dyn Throttle>,
    /// Random bytes.
    pub random: Box<dyn Random>,
}

impl Capabilities {
    /// Nothing at all: enough to ask for a schema and to check settings.
    #[must_use]
    pub fn deny() -> Self {
        Self {
            http: Box::new(Deny),
            clock: Box::new(Deny),
            hardware: Box::new(Deny),
            throttle: Box::new(Deny),
            random: Box::new(Deny),
        }
    }
}

/// Denies: no request is taken, time stands still, nothing is known, nothing is random.
#[derive(Clone, Copy, Debug)]
pub struct Deny;

impl Http for Deny {
    fn room(&self) -> usize {
        0
    }
    fn queue(&mut self, _: Vec<Outgoing>) {}
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

impl Random for Deny {
    fn fill(&mut self, _: &mut [u8]) -> bool {
        false
    }
}
