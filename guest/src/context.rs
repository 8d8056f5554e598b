//! What every family of events works with: settings, state, the host, and the one way to report.

use crate::capabilities::{Capabilities, Method, Report};
use crate::fields::Fields;
use crate::settings::{Settings, Switches};
use crate::state::{Reading, State};
use crate::time::{Instant, instant};
use std::cell::OnceCell;

/// Passed to whatever handles an event or a tick; it lives as long as that call.
pub struct Context<'a> {
    /// The settings in force.
    pub settings: &'a Settings,
    /// What the tracker remembers.
    pub state: &'a mut State,
    /// Everything outside the tracker.
    pub host: &'a dyn Capabilities,
    now: OnceCell<Instant>,
    user_agent: &'a str,
}

impl<'a> Context<'a> {
    /// For one call. `user_agent` goes out with every report.
    pub fn new(
        settings: &'a Settings,
        state: &'a mut State,
        host: &'a dyn Capabilities,
        user_agent: &'a str,
    ) -> Context<'a> {
        Context { settings, state, host, now: OnceCell::new(), user_agent }
    }

    /// The present moment. The host is asked once per call, and only if something needs to know:
    /// each question costs as much as reading a small payload.
    pub fn now(&self) -> Instant {
        *self.now.get_or_init(|| instant(self.host.now()))
    }

    /// Whether the user has switched tracking on.
    pub fn is_enabled(&self) -> bool {
        self.settings.enabled == Some(true)
    }

    /// Whether tracking is on, and so is this kind of report.
    pub fn is_on(&self, switch: impl Fn(&Switches) -> bool) -> bool {
        self.is_enabled() && switch(&self.settings.events)
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
        // The one gate: whatever an event does, nothing leaves unless tracking is on.
        if self.is_enabled() {
            self.host.send(Report { method, name, fields: &fields.0, user_agent: self.user_agent });
        }
    }

    /// Add the three `throttled_` fields to the report of a print or an error, if there is a
    /// throttling issue or was one since boot.
    pub fn add_throttle_fields(&mut self, fields: &mut Fields) {
        let reading = match self.host.throttled() {
            Some(mask) => {
                let reading = Reading::from_mask(mask);
                self.state.note_throttle(reading);
                reading
            }
            // OctoPrint runs on another machine: its last event is all that is known.
            None => match self.state.throttle.last {
                Some(last) if self.state.throttle.from_octoprint => last,
                _ => return,
            },
        };
        if reading.now || reading.past {
            fields.0.append(&mut reading.short_fields().0);
        }
    }
}
