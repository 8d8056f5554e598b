//! What the host remembers for a component: what was heard, and what is due. It passes from one instance to the next, and
//! through the host's state file; the component itself keeps only what its manifest lists under `[state]`.

use crate::border::Entered;
use crate::due::{Due, SavedDue};
use crate::heard::{ENVIRONMENT, Heard, HeardEvent, STARTED, STOPPING, SavedEvent, as_map};
use crate::policy::{Growing, Policy};
use crate::version::Release;
use crate::{Settings, python};
use serde::Serialize;
use serde_json::Value;

/// The memory of one tracker of one OctoPrint. Times are milliseconds of the clock that its instances are given, which
/// must be one clock for all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    pub(crate) heard: Heard,
    pub(crate) due: Due,
}

#[derive(Serialize)]
struct SavedMemory<'a> {
    #[serde(serialize_with = "as_map")]
    heard: Vec<(&'a str, SavedEvent<'a>)>,
    due: SavedDue<'a>,
}

impl Memory {
    /// Remember an event that entered, and what is due after it, from when it came. False if there is no room for it.
    pub(crate) fn hear(&mut self, policy: &Policy, event: &str, entered: Entered, now: i64, came: i64) -> bool {
        let is_heard = self.keep(policy, event, entered, now);
        if is_heard {
            self.due.hear(policy, event, came);
        }
        is_heard
    }

    fn keep(&mut self, policy: &Policy, event: &str, entered: Entered, now: i64) -> bool {
        let is_heard = policy.sees.get(event).is_some_and(|seen| self.heard.hear(event, &seen.border, entered, now));
        for Growing { list, key, by } in policy.growing.iter().filter(|growing| is_heard && growing.by.is_of(event)) {
            if let Some(word) = self.heard.value(by).and_then(python::text) {
                self.heard.append(list, key, &word, now);
            }
        }
        is_heard
    }

    /// Remember an event (its payload is JSON text) while no instance runs. What would be hashed is not remembered.
    /// `is_on`: tracking is on, and the instance only fails. Otherwise only control facts are remembered.
    pub fn hear_without_instance(&mut self, policy: &Policy, event: &str, payload: &str, now_ms: i64, is_on: bool) {
        if let Ok(Some(entered)) = policy.enter(event, payload, "")
            && (is_on || policy.is_control(event, None))
        {
            if is_on || event == STARTED {
                self.hear(policy, event, entered, now_ms, now_ms);
            } else {
                // What happens now is not to be reported later.
                self.keep(policy, event, entered, now_ms);
            }
            if !is_on {
                self.keep_control_facts(policy);
            }
        }
        self.handled(event);
    }

    /// A run of OctoPrint goes on (the payload of its start is JSON text). That it began is not reported: it may have been.
    pub fn run_goes_on(&mut self, policy: &Policy, payload: &str, now_ms: i64) {
        if let Ok(Some(entered)) = policy.enter(STARTED, payload, "") {
            self.keep(policy, STARTED, entered, now_ms);
        }
    }

    /// Tracking is off: forget all but control facts, which are what a manifest gives a reason for. Without these, a run of
    /// OctoPrint that had begun by then would be reported by nobody, or otherwise than its version is. What OctoPrint says of
    /// itself when it starts, and not again when tracking is switched on, is kept as well, but not [stored](Self::save).
    pub fn keep_control_facts(&mut self, policy: &Policy) {
        self.heard.retain(|event, key| event == ENVIRONMENT || policy.is_control(event, key));
        self.due.forget_once(policy);
    }

    /// An event was handled, or nobody was there to handle it.
    pub fn handled(&mut self, event: &str) {
        if event == STOPPING {
            self.heard.run_ended();
            self.due.run_ended();
        }
    }

    /// The id has changed: forget what was hashed for another.
    pub fn forget_hashes(&mut self) {
        self.heard.forget_hashes();
    }

    /// OctoPrint's version, as far as reports depend on it.
    pub(crate) fn release(&self, policy: &Policy) -> Release {
        let version = policy.version.as_ref().and_then(|version| python::text(self.heard.value(version)?));
        version.and_then(|version| Release::of(&version)).unwrap_or(Release::UNKNOWN)
    }

    /// Settings are in force, for the first time or others than before. `resumed`: tracking was off until now.
    pub fn settings_in_force(&mut self, policy: &Policy, settings: &Settings, now_ms: i64, resumed: bool) {
        self.due.settings_in_force(policy, settings, &self.heard, now_ms, resumed);
    }

    /// What entered of the last event of this name, by the names and forms of its fields; none if none was heard, or its run
    /// of OctoPrint is over.
    pub fn last(&self, event: &str) -> Option<impl Iterator<Item = (&str, &Value)>> {
        self.heard.get(event).map(HeardEvent::fields)
    }

    /// For writing as JSON, with what reports may be made of later; while tracking is off, with control facts only.
    pub fn save(&self, policy: &Policy, now_ms: i64, is_on: bool) -> impl Serialize {
        let kept = |event: &str, key: Option<&str>| {
            if is_on { key.is_some() || policy.remembers(event) } else { policy.is_control(event, key) }
        };
        SavedMemory { heard: self.heard.save(kept, now_ms), due: self.due.save(now_ms) }
    }

    /// From JSON that was saved `age_ms` milliseconds ago. What cannot be read is not known.
    pub fn restore(saved: &Value, now_ms: i64, age_ms: i64) -> Self {
        let saved_at = now_ms.saturating_sub(age_ms);
        let part = |key| saved.get(key).unwrap_or(&Value::Null);
        Self { heard: Heard::restore(part("heard"), saved_at), due: Due::restore(part("due"), saved_at) }
    }
}
