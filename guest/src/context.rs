//! What every family of events works with: settings, state, the host, and the one way to report.

use crate::capabilities::{Capabilities, Method, Report};
use crate::fields::Fields;
use crate::settings::Switches;
use crate::state::State;
use crate::throttling::Reading;

/// Passed to whatever handles an event or a tick; it lives as long as that call.
pub struct Context<'a> {
    /// Which kinds of report are on.
    pub on: &'a Switches,
    /// What the tracker remembers.
    pub state: &'a mut State,
    /// Everything outside the tracker.
    pub host: &'a dyn Capabilities,
}

impl Context<'_> {
    /// The present moment, in milliseconds of the host's clock.
    pub fn now(&self) -> i64 {
        millis(self.host.now())
    }

    /// Send a report with GET.
    pub fn report(&self, name: &str, fields: &Fields) {
        self.send(Method::Get, name, fields);
    }

    /// Send a report with POST.
    pub fn post(&self, name: &str, fields: &Fields) {
        self.send(Method::Post, name, fields);
    }

    fn send(&self, method: Method, name: &str, fields: &Fields) {
        let user_agent = &self.state.environment.user_agent();
        self.host.send(Report { method, name, fields: &fields.0, user_agent });
    }

    /// Add the three `throttled_` fields to the report of a print or an error, if there is a
    /// throttling issue or was one since boot.
    pub fn add_throttle_fields(&self, fields: &mut Fields) {
        // Where the host cannot ask, as OctoPrint runs on another machine, its last event is all that is known.
        let reading = self.host.throttled().map(Reading::from_mask).or(self.state.throttling);
        if let Some(reading) = reading {
            reading.add_to(fields);
        }
    }
}

/// The host's nanoseconds as milliseconds.
pub fn millis(ns: u64) -> i64 {
    i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX)
}
