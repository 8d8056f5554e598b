//! What a component is shown of an event, now and again later, and what the host itself remembers of it.

use super::{PayloadError, Policy};
use crate::border::Entered;
use crate::heard::{ENVIRONMENT, STARTED, STOPPING};
use crate::manifest::Says;
use crate::memory::Memory;
use crate::pins::{Source, THROTTLE_EVENT};
use crate::rules::RequestRules;
use crate::ties::Doors;
use crate::{Settings, limits};
use serde_json::Value;
use std::collections::HashSet;

impl Policy {
    /// Of a payload (JSON text), what enters; none if the component does not see the event. `salt` is what texts are hashed
    /// with; while it is empty, they enter as null.
    ///
    /// # Errors
    /// When the payload is not JSON or is nested too deeply, or what is left has more than [`limits::PAYLOAD`] bytes.
    pub fn enter(&self, event: &str, payload: &str, salt: &str) -> Result<Option<Entered>, PayloadError> {
        let Some((_, border)) = self.sees.get(event) else { return Ok(None) };
        let payload: Value = serde_json::from_str(payload)?;
        let entered = border.enter(&payload, salt);
        if entered.bytes() > limits::PAYLOAD {
            return Err(PayloadError::TooLarge(entered.bytes()));
        }
        Ok(Some(entered))
    }

    /// What a component is shown of an event that entered, as JSON text; none if it is shown nothing, as no report that
    /// needs it is on.
    #[must_use]
    pub fn shown(&self, event: &str, entered: &Entered, settings: &Settings) -> Option<String> {
        self.shown_through(event, entered, &self.doors(settings))
    }

    /// Whether a component is shown such events at all.
    pub(crate) fn shows_through(&self, event: &str, doors: &Doors) -> bool {
        self.sees.get(event).is_some_and(|(number, _)| doors.event(*number).is_some())
    }

    pub(crate) fn shown_through(&self, event: &str, entered: &Entered, doors: &Doors) -> Option<String> {
        let (number, border) = self.sees.get(event)?;
        let open = doors.event(*number)?;
        if !entered.is_object {
            // OctoPrint sends an object or null; any other value has no fields that could be listed.
            return Some("null".into());
        }
        let fields = entered.values.iter().map(|(field, value)| (*field, value)).filter(|(field, _)| open[*field]);
        // Faster than by its `Display`.
        serde_json::to_string(&border.payload(fields)).ok()
    }

    /// What a fresh instance is shown again: the environment, then the last of each event that reports of other events or
    /// ticks are made of, oldest first. Names, payloads as JSON text, and milliseconds of the clock.
    pub(crate) fn shown_again(&self, memory: &Memory, doors: &Doors) -> Vec<(String, String, i64)> {
        let mut again = Vec::new();
        for (event, (number, border)) in &self.sees {
            let (Some(open), Some(heard)) = (doors.event(*number), memory.heard.get(event)) else { continue };
            if !self.remembers(event) {
                continue;
            }
            let fields = (0..open.len()).filter(|field| open[*field]);
            let values = fields.filter_map(|field| Some((field, heard.get(border.key(field))?)));
            again.push((event.clone(), Value::Object(border.payload(values)).to_string(), heard.at));
        }
        again.sort_by(|one, two| {
            let key = |(event, _, at): &(String, String, i64)| (event != ENVIRONMENT, *at);
            key(one).cmp(&key(two)).then_with(|| one.0.cmp(&two.0))
        });
        again
    }

    /// Remember an event as it was shown to another instance: its fields have the forms in which they enter.
    pub(crate) fn remember(&self, memory: &mut Memory, event: &str, shown: &str, at: i64) {
        if let (Some(border), Ok(shown)) = (self.border(event), serde_json::from_str(shown)) {
            memory.hear(self, event, &border.entered_before(&shown), at);
        }
    }

    /// Whether an event, or its field of this key, is a control fact. All that is listed of a control event is one, and that
    /// a run of OctoPrint began always is.
    pub(crate) fn is_control(&self, event: &str, key: Option<&str>) -> bool {
        let Some((number, border)) = self.sees.get(event) else { return false };
        let sees = &self.manifest.sees[*number];
        let is_it = |field: usize| key.is_none_or(|key| **border.key(field) == *key);
        let mut fields = sees.fields.iter().enumerate().filter(|(field, _)| is_it(*field));
        let is_start = key.is_none() && event == STARTED;
        is_start || sees.control.is_some() || fields.any(|(_, field)| field.control.is_some())
    }

    /// Whether the times at which reports are due depend on this event, also where it is not shown.
    #[must_use]
    pub fn goes_by(&self, event: &str) -> bool {
        let named = |request: &Says| [&request.once, &request.until].into_iter().flatten().any(|named| named == event);
        self.sees(event) && ([STARTED, STOPPING].contains(&event) || self.manifest.says.iter().any(named))
    }

    /// What is shown through these doors of an event that was shown to another version: its fields have the forms in which
    /// they enter.
    pub(crate) fn shown_before(&self, event: &str, shown: &str, doors: &Doors) -> Option<String> {
        let value: Value = serde_json::from_str(shown).ok()?;
        let own = self.shown_through(event, &self.border(event)?.entered_before(&value), doors)?;
        // Where that is all of it, it stays as it was written: a number may not be written as it was read.
        let all = value.to_string();
        Some(if own == all { shown.into() } else { own })
    }

    /// Whether a fresh instance is shown the last such event again, as reports of other events or ticks are made of it.
    #[must_use]
    pub fn remembers(&self, event: &str) -> bool {
        self.remembered.contains(event)
    }

    /// All events that [`Self::remembers`] is true of.
    pub(super) fn all_remembered(&self) -> HashSet<String> {
        self.sees.keys().filter(|event| self.is_remembered(event)).cloned().collect()
    }

    fn is_remembered(&self, event: &str) -> bool {
        let made_of = |rules: &RequestRules| {
            let variable = rules.variable.iter().flat_map(|variable| &variable.from);
            let sources = rules.fields.iter().flat_map(|field| &field.from).chain(variable);
            let others = rules.declared.on.iter().any(|cause| cause != event);
            others
                && sources.into_iter().any(|source| match source {
                    Source::Event { event: of, .. } => of == event,
                    Source::Throttle(_) => event == THROTTLE_EVENT,
                    Source::Hardware(_) => false,
                })
        };
        let is_control = || self.manifest.sees.iter().any(|sees| sees.event == event && sees.control.is_some());
        event == ENVIRONMENT || is_control() || self.requests.iter().any(made_of)
    }
}
