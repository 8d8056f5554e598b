//! What was heard of OctoPrint, as it entered: what a report may be made of later, and what a fresh instance is shown
//! again. What enters at all is decided in `border.rs`.

use crate::border::{Border, Entered};
use crate::limits;
use crate::pins::Source;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Fires when a run of OctoPrint begins.
pub(crate) const STARTED: &str = "octoprint_started";

/// Fires when it ends.
pub(crate) const STOPPING: &str = "octoprint_stopping";

/// What is known of OctoPrint and its machine. It is merged by its parts, and outlives a run.
pub(crate) const ENVIRONMENT: &str = "environment";

/// The last event of each name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard(HashMap<String, HeardEvent>);

/// An event, as it entered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeardEvent {
    /// When, in milliseconds of the instance's clock; negative if that was before it began to count.
    pub(crate) at: i64,
    /// Fields by their names and forms (`path as salted-sha1`), so that another manifest cannot read them otherwise.
    values: Vec<(Arc<str>, Value)>,
}

/// For writing as JSON. That is done with every report, so nothing that was heard is copied.
#[derive(Serialize)]
pub(crate) struct SavedEvent<'a> {
    age_ms: i64,
    #[serde(serialize_with = "as_map")]
    values: Vec<(&'a str, &'a Value)>,
}

/// Write names and values as a map.
pub(crate) fn as_map<V: Serialize, S: Serializer>(values: &[(&str, V)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(name, value)| (name, value)))
}

impl HeardEvent {
    /// What a field was; none if it was missing or null.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.iter().find(|(name, _)| **name == *key).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// All its fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (&**key, value))
    }

    fn bytes(&self) -> usize {
        self.values.iter().map(|(key, value)| key.len() + value.as_str().map_or(8, str::len)).sum()
    }
}

/// The first name in a key like `os.id` or `achievements as words`.
fn part(key: &str) -> &str {
    key.split(['.', ' ']).next().unwrap_or_default()
}

impl Heard {
    /// The last event of this name.
    pub(crate) fn get(&self, event: &str) -> Option<&HeardEvent> {
        self.0.get(event)
    }

    /// The value of a source that is a field of an event.
    pub(crate) fn value(&self, source: &Source) -> Option<&Value> {
        let Source::Event { event, key } = source else { return None };
        self.get(event)?.get(key)
    }

    /// Remember an event. False if there is no room for it: then it was not heard.
    pub(crate) fn hear(&mut self, event: &str, border: &Border, entered: Entered, at: i64) -> bool {
        let mut values = border.keyed(entered);
        if event == ENVIRONMENT
            && let Some(before) = self.0.get(event)
        {
            // A later event replaces the parts that it has.
            values.retain(|(key, value)| key.contains('.') || !value.is_null());
            let new: Vec<_> = values.iter().map(|(key, _)| part(key).to_string()).collect();
            values.extend(before.values.iter().filter(|(key, _)| !new.iter().any(|new| new == part(key))).cloned());
        }
        let new = HeardEvent { at, values };
        let others: usize = self.0.iter().filter(|(name, _)| *name != event).map(|(_, heard)| heard.bytes()).sum();
        if others + new.bytes() > limits::HEARD {
            return false;
        }
        match self.0.get_mut(event) {
            Some(last) => *last = new,
            None => drop(self.0.insert(event.into(), new)),
        }
        true
    }

    /// Append a word to a list of words, unless it is in there.
    pub(crate) fn append(&mut self, event: &str, key: &Arc<str>, word: &str, at: i64) {
        let heard = self.0.entry(event.into()).or_insert_with(|| HeardEvent { at, values: Vec::new() });
        let list = heard.get(key).and_then(Value::as_str).unwrap_or_default();
        let Some(longer) = crate::border::append_word(list, word) else { return };
        heard.values.retain(|(name, _)| name != key);
        heard.values.push((key.clone(), longer.into()));
    }

    /// The run of OctoPrint has ended: only its environment is remembered.
    pub(crate) fn run_ended(&mut self) {
        self.0.retain(|event, _| event == ENVIRONMENT);
    }

    /// Forget all events, and of the others all fields by their keys, but these.
    pub(crate) fn retain(&mut self, kept: impl Fn(&str, Option<&str>) -> bool) {
        self.0.retain(|event, _| kept(event, None));
        for (event, heard) in &mut self.0 {
            heard.values.retain(|(key, _)| kept(event, Some(key)));
        }
    }

    /// Forget hashes, which belong to one id.
    pub(crate) fn forget_hashes(&mut self) {
        let hash = crate::manifest::Enters::SaltedSha1.name();
        self.retain(|_, key| key.and_then(|key| key.split_once(" as ")).is_none_or(|(_, how)| how != hash));
    }

    /// For writing as JSON, of the events, and of their fields by their keys, of which `kept` is true. `now`: milliseconds
    /// of the same clock.
    pub(crate) fn save(&self, kept: impl Fn(&str, Option<&str>) -> bool, now: i64) -> Vec<(&str, SavedEvent<'_>)> {
        let events = self.0.iter().filter(|(name, _)| kept(name, None));
        let saved = events.map(|(name, HeardEvent { at, values })| {
            let values = values.iter().filter(|(key, _)| kept(name, Some(key)));
            let values = values.map(|(key, value)| (&**key, value)).collect();
            (name.as_str(), SavedEvent { age_ms: now.saturating_sub(*at), values })
        });
        saved.collect()
    }

    /// From JSON that was saved `saved_at`, in milliseconds of the clock in force now. What cannot be read was not heard.
    pub(crate) fn restore(saved: &Value, saved_at: i64) -> Self {
        // The file may have been edited.
        let fits = |(key, value): &(&String, &Value)| {
            let form = key.split_once(" as ").map(|(_, how)| how);
            !value.is_array() && !value.is_object() && crate::border::may_have_entered(form, value)
        };
        let event = |saved: &Value| {
            let values = saved.get("values")?.as_object()?.iter().filter(fits);
            Some(HeardEvent {
                at: saved_at.saturating_sub(saved.get("age_ms")?.as_i64()?.max(0)),
                values: values.map(|(key, value)| (key.as_str().into(), value.clone())).collect(),
            })
        };
        let events = saved.as_object().into_iter().flatten();
        let heard = Self(events.filter_map(|(name, saved)| Some((name.clone(), event(saved)?))).collect());
        if heard.0.values().map(HeardEvent::bytes).sum::<usize>() > limits::HEARD { Self::default() } else { heard }
    }
}
