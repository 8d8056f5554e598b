//! One call of a plugin, and what came of it.

use crate::record::RecordedInstance;
use glassbox_sandbox::{Blocked, Error, Outcome, Outgoing};
use std::time::Instant;

/// What came of one event or tick.
#[derive(Debug, Default)]
pub struct Step {
    /// Requests that passed the gate and were queued to be sent.
    pub sent: Vec<Outgoing>,
    /// Requests that did not pass the gate.
    pub blocked: Vec<Blocked>,
    /// Reports that were due and that it did not send.
    pub unsent: Vec<String>,
    /// Whether its call took so long that what it sent leaves late.
    pub slow: bool,
    /// Messages for the log, in the host's words.
    pub notes: Vec<String>,
    /// What the component itself says. It may hold anything that it was shown, so it is for who asks to see it.
    pub said: Vec<String>,
    /// What happened to the plugin itself.
    pub lifecycle: Vec<LifecycleEvent>,
    /// Whether there is a new state to store. One that belongs to sent requests is stored already.
    pub saved: bool,
}

impl Step {
    /// Add what a call did.
    pub(super) fn add(&mut self, outcome: Outcome) {
        self.sent.extend(outcome.sent);
        self.blocked.extend(outcome.blocked);
        self.unsent.extend(outcome.unsent);
        self.slow |= outcome.slow;
        self.said.extend(outcome.message);
        self.notes.extend(outcome.undelivered);
    }
}

/// What happened to a plugin because a call failed; the first text is the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// It was restarted, or will be after a pause.
    Failed(String),
    /// The version with this digest was on probation, and the version before it was put back.
    RolledBack(String, String),
    /// It has failed too often, and is not restarted.
    Quarantined(String),
}

/// A call that can be repeated with another version.
#[derive(Clone, Copy)]
pub(super) enum Call<'a> {
    /// Its name and payload, and when it came, if it may have waited.
    Event(&'a str, &'a str, Option<Instant>),
    Tick,
}

impl Call<'_> {
    pub(super) fn make(self, instance: &mut RecordedInstance) -> Result<Option<Outcome>, Error> {
        match self {
            Self::Event(name, payload, came) => instance.dispatch(name, payload, waited_ms(came)),
            Self::Tick => instance.dispatch_tick().map(Some),
        }
    }
}

/// How long an event has waited, in milliseconds.
pub(super) fn waited_ms(came: Option<Instant>) -> u64 {
    came.map_or(0, |came| u64::try_from(came.elapsed().as_millis()).unwrap_or(u64::MAX))
}
