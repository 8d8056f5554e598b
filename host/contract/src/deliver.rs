//! Instances whose reports need not wait until their state is saved: in audits and tests.

use glassbox_sandbox::{Error, Instance, Outcome};

/// Hand events and ticks to an instance, and let what it sends leave at once.
pub trait Deliver {
    /// Deliver an event with its payload (JSON text), as it may enter, and [release](Instance::release) what it sends. The
    /// outcome is none if the component is not shown such events.
    ///
    /// # Errors
    /// When the call fails; nothing that it sent leaves.
    fn on_event(&mut self, name: &str, payload: &str) -> Result<Option<Outcome>, Error>;

    /// Tell the component which reports are due, and [release](Instance::release) what it sends.
    ///
    /// # Errors
    /// As [`Self::on_event`].
    fn on_tick(&mut self) -> Result<Outcome, Error>;
}

impl Deliver for Instance {
    fn on_event(&mut self, name: &str, payload: &str) -> Result<Option<Outcome>, Error> {
        let outcome = match self.hear(name, payload, 0) {
            Ok(Some(shown)) => self.show(name, &shown)?,
            Ok(None) => return Ok(None),
            Err(reason) => Outcome { undelivered: Some(reason), ..Outcome::default() },
        };
        self.release(&outcome);
        Ok(Some(outcome))
    }

    fn on_tick(&mut self) -> Result<Outcome, Error> {
        let due = self.due();
        let outcome = self.tick(&due)?;
        self.release(&outcome);
        Ok(outcome)
    }
}
