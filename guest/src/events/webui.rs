//! `webui_load`.

use crate::fields::{Fields, Payload};
use crate::tracker::Context;
use serde_json::Value;

/// The web interface was opened; reported only if all four are known.
pub fn loaded(payload: &Payload, cx: &Context) {
    if !cx.on(|events| events.webui_load) {
        return;
    }
    let mut fields = Fields::default();
    for name in ["browser_name", "browser_version", "os_name", "os_version"] {
        if payload.get(name).is_some_and(says_something) {
            fields.copy(name, payload, name);
        }
    }
    if fields.0.len() == 4 {
        cx.report("webui_load", &fields);
    }
}

/// Not empty, not zero, not false: as OctoPrint decides it.
fn says_something(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        other => other == &Value::Bool(true),
    }
}
