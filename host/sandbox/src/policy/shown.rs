//! What a component is shown of an event, now and again later, and what the host itself remembers of it.

use super::{Policy, Seen};
use crate::border::Entered;
use crate::heard::{ENVIRONMENT, STARTED};
use crate::limits;
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::pins::{Source, THROTTLE_EVENT};
use crate::rules::RequestRules;
use crate::ties::Doors;
use serde_json::Value;

impl Policy {
    /// Of a payload (JSON text), what enters; none if the component does not see the event. `salt` is what texts are hashed
    /// with; while it is empty, they enter as null.
    ///
    /// # Errors
    /// When the payload is not JSON or is nested too deeply, or what is left has more than [`limits::PAYLOAD`] bytes.
    pub fn enter(&self, event: &str, payload: &str, salt: &str) -> Result<Option<Entered>, String> {
        let Some(seen) = self.sees.get(event) else { return Ok(None) };
        let payload: Value = serde_json::from_str(payload).map_err(|error| error.to_string())?;
        let entered = seen.border.enter(&payload, salt);
        if entered.bytes() > limits::PAYLOAD {
            return Err(format!("the payload has {} bytes; the limit is {}", entered.bytes(), limits::PAYLOAD));
        }
        Ok(Some(entered))
    }

    /// What a component is shown of an event that entered, as JSON text; none if it is shown nothing, as no report that
    /// needs it is on.
    pub fn shown(&self, event: &str, entered: &Entered, doors: &Doors) -> Option<String> {
        let Seen { number, border, .. } = self.sees.get(event)?;
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
        for (event, Seen { number, border, .. }) in self.sees.iter().filter(|(_, seen)| seen.remembered) {
            let (Some(open), Some(heard)) = (doors.event(*number), memory.heard.get(event)) else { continue };
            let fields = (0..open.len()).filter(|field| open[*field]);
            let values = fields.filter_map(|field| Some((field, heard.get(border.key(field))?)));
            again.push((event.clone(), Value::Object(border.payload(values)).to_string(), heard.at));
        }
        again.sort_by_cached_key(|(event, _, at)| (event != ENVIRONMENT, *at, event.clone()));
        again
    }

    /// What of an event entered, by what was shown of it to another instance: its fields have the forms in which they enter.
    pub fn entered_before(&self, event: &str, shown: &str) -> Option<Entered> {
        Some(self.sees.get(event)?.border.entered_before(&serde_json::from_str(shown).ok()?))
    }

    /// Whether an event, or its field of this key, is a control fact. All that is listed of a control event is one, and that
    /// a run of OctoPrint began always is.
    pub(crate) fn is_control(&self, event: &str, key: Option<&str>) -> bool {
        let Some(Seen { number, border, .. }) = self.sees.get(event) else { return false };
        let sees = &self.manifest.sees[*number];
        let is_it = |field: usize| key.is_none_or(|key| **border.key(field) == *key);
        let mut fields = sees.fields.iter().enumerate().filter(|(field, _)| is_it(*field));
        let is_start = key.is_none() && event == STARTED;
        is_start || sees.control.is_some() || fields.any(|(_, field)| field.control.is_some())
    }

    /// Whether a fresh instance is shown the last such event again, as reports of other events or ticks are made of it.
    pub fn remembers(&self, event: &str) -> bool {
        self.sees.get(event).is_some_and(|seen| seen.remembered)
    }
}

/// Whether reports of other events or ticks are made of this event.
pub(super) fn is_remembered(event: &str, manifest: &Manifest, requests: &[RequestRules]) -> bool {
    let is_it =
        |source: &Source| source.is_of(event) || event == THROTTLE_EVENT && matches!(source, Source::Throttle(_));
    let made_of = |rules: &RequestRules| {
        rules.declared.on.iter().any(|cause| cause != event) && rules.sources().any(|(source, _)| is_it(&source))
    };
    let is_control = || manifest.sees.iter().any(|sees| sees.event == event && sees.control.is_some());
    event == ENVIRONMENT || is_control() || requests.iter().any(made_of)
}
