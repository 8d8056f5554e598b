//! The four capabilities that a component can use, as traits. The real ones are the host's (`host/src/system/`,
//! `host/src/delivery/`); one that denies everything is in `host/contract/src/deny.rs`, and fakes for audits and tests are in
//! `host/audit/src/fake.rs`.

use crate::manifest::HardwareField;
use crate::{Blocked, Outgoing, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Instant;

/// Where requests that passed the gate go.
pub trait Http: Send {
    /// How many more requests it can take now. Beyond that, the component is told that the queue is full.
    fn room(&self) -> usize;
    /// Take requests, in order, none of which may leave before a certain moment. Called after a call has succeeded; must
    /// not wait for the network.
    fn queue(&mut self, requests: Vec<Outgoing>, not_before: Instant);
    /// The component has asked to send this. Only for recordings: nothing depends on it.
    fn asked(&self, _: &Request) {}
    /// What became of it: nothing if the request was taken, else why it was not. Only for recordings.
    fn answered(&self, _: Option<&Blocked>) {}
}

/// Monotonic time.
pub trait Clock: Send {
    /// Nanoseconds since a fixed point of the implementation's choice; never less than before.
    fn now(&self) -> u64;
}

/// The hardware probe.
pub trait Hardware: Send {
    /// What is known of the machine.
    fn probe(&self) -> Machine;
    /// What of it the component is told. Only for recordings: nothing depends on it.
    fn told(&self, _: &Machine) {}
}

/// The throttle query.
pub trait Throttle: Send {
    /// The bit mask of `vcgencmd get_throttled`, or none where there is no such query.
    fn query(&self) -> Option<u32>;
}

/// What is known of the machine, in the contract's units; a field that is none is not known.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case")]
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

impl Machine {
    /// Only these fields of it; the others are blank.
    pub(crate) fn only(&self, fields: &[HardwareField]) -> Self {
        let listed = fields.iter().map(|field| (field.name(), self.get(*field)));
        serde_json::from_value(listed.collect()).unwrap_or_default()
    }

    /// A field as a JSON value; null if it is not known.
    pub(crate) fn get(&self, field: HardwareField) -> Value {
        serde_json::to_value(self).ok().and_then(|mut all| Some(all.get_mut(field.name())?.take())).unwrap_or_default()
    }
}

/// All capabilities of one instance, and what the border needs for it.
pub struct Capabilities {
    /// Where its requests go.
    pub http: Box<dyn Http>,
    /// Its monotonic clock.
    pub clock: Box<dyn Clock>,
    /// The hardware probe.
    pub hardware: Box<dyn Hardware>,
    /// The Raspberry Pi's throttle state.
    pub throttle: Box<dyn Throttle>,
    /// What texts that may not enter are hashed with. No component can ask for it. While it is empty, those texts do not
    /// enter at all.
    pub salt: String,
}
