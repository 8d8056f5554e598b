//! Looks at a Raspberry Pi's throttling, where OctoPrint itself does not report it, and makes the event that OctoPrint's Pi
//! Support would fire. So a tracker needs no timer and no query of its own for it.

use crate::events::event::{ENVIRONMENT, STARTED};
use glassbox_sandbox::capabilities::Throttle;
use glassbox_sandbox::{Memory, Policy, Settings};
use serde_json::json;

/// The event of OctoPrint's Pi Support.
pub const EVENT: &str = "plugin_pi_support_throttle_state";

const SECOND: u64 = 1_000_000_000;

/// How often to look, in nanoseconds, as OctoPrint does: normally, and while there is an issue.
const INTERVAL: u64 = 300 * SECOND;
const INTERVAL_THROTTLED: u64 = 30 * SECOND;

/// Whether a component is shown throttling, with these settings, and a run of OctoPrint goes on that does not look at it
/// itself.
pub fn is_wanted(policy: &Policy, settings: &Settings, memory: &Memory) -> bool {
    let is_running = memory.last(STARTED).is_some();
    let mut known = memory.last(ENVIRONMENT).into_iter().flatten();
    let is_shown = || {
        let number = policy.manifest().sees.iter().position(|sees| sees.event == EVENT);
        number.is_some_and(|number| policy.doors(settings).event(number).is_some())
    };
    is_running && !known.any(|(key, _)| key.split(['.', ' ']).next() == Some("pi_support")) && is_shown()
}

/// The mask that was last heard of; none if there was none.
pub fn mask(memory: &Memory) -> Option<u64> {
    memory.last(EVENT)?.find(|(key, _)| *key == "raw_value")?.1.as_u64()
}

/// Looks at throttling from time to time.
pub struct ThrottleWatch {
    throttle: Box<dyn Throttle>,
    /// When to look next; none while there is no need to.
    next: Option<u64>,
    octoprint_reports: bool,
    /// There is no query here, so there is no point in asking again in this run of OctoPrint.
    unanswered: bool,
}

impl ThrottleWatch {
    /// `octoprint_reports`: it has reported throttling before.
    pub fn new(throttle: Box<dyn Throttle>, octoprint_reports: bool) -> Self {
        Self { throttle, next: None, octoprint_reports, unanswered: false }
    }

    /// Whether OctoPrint has reported throttling.
    pub fn octoprint_reports(&self) -> bool {
        self.octoprint_reports
    }

    /// When to look next, in nanoseconds; none for never.
    pub fn next(&self) -> Option<u64> {
        self.next
    }

    /// An event of OctoPrint's was heard.
    pub fn heard(&mut self, event: &str) {
        match event {
            EVENT => self.octoprint_reports = true,
            STARTED => (self.octoprint_reports, self.unanswered) = (false, false),
            _ => {}
        }
    }

    /// Whether somebody wants to know, as of now. That is asked only where there is something to know, as this is called for
    /// every event.
    pub fn want(&mut self, wanted: impl FnOnce() -> bool, now: u64) {
        if self.octoprint_reports || self.unanswered || !wanted() {
            self.next = None;
        } else {
            self.next.get_or_insert(now);
        }
    }

    /// Look, if it is time to. The event's payload, if the mask is not what is `known`; the first answer counts as a change.
    pub fn look(&mut self, known: Option<u64>, now: u64) -> Option<String> {
        if self.next.is_none_or(|at| at > now) {
            return None;
        }
        let Some(mask) = self.throttle.query() else {
            self.unanswered = known.is_none();
            self.next = (!self.unanswered).then_some(now + INTERVAL);
            return None;
        };
        let is_issue = mask & 0x7 != 0;
        self.next = Some(now + if is_issue { INTERVAL_THROTTLED } else { INTERVAL });
        (known != Some(mask.into())).then(|| event(mask))
    }
}

/// The payload that describes a mask, as OctoPrint's Pi Support writes it.
fn event(mask: u32) -> String {
    let any = |bits: u32| mask & bits != 0;
    json!({
        "raw_value": mask,
        "current_issue": any(0x7),
        "past_issue": any(0x7_0000),
        "current_undervoltage": any(0x1),
        "past_undervoltage": any(0x1_0000),
        "current_overheat": any(0x2),
        "past_overheat": any(0x2_0000),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_sandbox::Manifest;

    #[test]
    fn only_a_run_whose_octoprint_does_not_look_itself_is_watched() {
        let manifest = r#"
            plugin.name = "p"
            capabilities.http = { url = "https://a.example/{id}/", id_setting = "id" }
            [[says]]
            request = "throttled"
            method = "GET"
            switch = "events.throttled"
            on = ["plugin_pi_support_throttle_state"]
            fields = [{ name = "mask", from = "plugin_pi_support_throttle_state.raw_value", pattern = "[0-9]+" }]
            [[sees]]
            event = "plugin_pi_support_throttle_state"
            fields = ["raw_value"]
            [[sees]]
            event = "octoprint_started"
            fields = []
            control = "when it is due"
            [[sees]]
            event = "environment"
            fields = ["os.id", "pi_support.model"]
            control = "which machine"
        "#;
        let policy = Policy::new(Manifest::parse(manifest).unwrap()).unwrap();
        let heard = |events: &[(&str, &str)]| {
            let mut memory = Memory::default();
            events.iter().for_each(|(name, payload)| memory.hear_without_instance(&policy, name, payload, 0, true));
            memory
        };
        let (on, off) = (Settings::default(), Settings::parse(r#"{"events": {"throttled": false}}"#).unwrap());
        let (started, plain) = ((STARTED, "{}"), (ENVIRONMENT, r#"{"os": {"id": "linux"}}"#));
        let looks = (ENVIRONMENT, r#"{"pi_support": {"model": null}}"#);
        assert!(is_wanted(&policy, &on, &heard(&[started, plain])));
        assert!(!is_wanted(&policy, &on, &heard(&[plain])), "no run goes on");
        assert!(!is_wanted(&policy, &on, &heard(&[started, looks])), "OctoPrint looks itself");
        assert!(!is_wanted(&policy, &off, &heard(&[started, plain])), "nothing of it is shown");

        assert_eq!(mask(&heard(&[started])), None);
        assert_eq!(mask(&heard(&[(EVENT, r#"{"raw_value": 327685}"#)])), Some(327_685));
    }
}
