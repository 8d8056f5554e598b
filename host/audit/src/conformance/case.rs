//! A recorded case: what happened in a real OctoPrint, and what its tracker sent because of it.

use super::recorded_request::RecordedRequest;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One recorded case.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Its name, `family/what`.
    #[serde(rename = "case")]
    pub name: String,
    /// The settings document, with which the component is started.
    pub settings: Map<String, Value>,
    /// Environment variables that were set, such as `DO_NOT_TRACK`.
    #[serde(default)]
    pub env: Map<String, Value>,
    /// What the throttle query answers (see [`super::replay::mask`]); none where there is no such query.
    #[serde(default)]
    pub throttled: Option<String>,
    /// What happened, in order.
    pub events: Vec<RecordedEvent>,
    /// How many seconds after the last event still belong to it, with what is due in them.
    #[serde(default)]
    pub after: u64,
    /// What OctoPrint sent because of the last event.
    pub expect: Vec<RecordedRequest>,
    /// Whether a component must send the same bytes.
    pub exact: bool,
    /// The name of the [`super::Reason`] why it need not.
    #[serde(default)]
    pub why: Option<String>,
}

/// One event of a case or session.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedEvent {
    /// Its name.
    pub event: String,
    /// Its payload.
    #[serde(default)]
    pub payload: Value,
}

impl Case {
    /// The part of the name before the slash.
    pub fn family(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// The payload of the last event; null if there are no events.
    pub fn last_payload(&self) -> &Value {
        self.events.last().map_or(&Value::Null, |event| &event.payload)
    }

    /// The name of the last event; empty if there are no events.
    pub fn last_event(&self) -> &str {
        self.events.last().map_or("", |event| &event.event)
    }
}

/// A payload as JSON text for a component. JSON cannot express NaN and infinity, which are `{"$float": ..}` in a
/// corpus: here they become null, which means "not known".
pub fn payload_text(payload: &Value) -> String {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Object(object) if object.len() == 1 && object.contains_key("$float") => Value::Null,
            Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
            Value::Array(list) => list.iter().map(plain).collect(),
            scalar => scalar.clone(),
        }
    }
    plain(payload).to_string()
}
