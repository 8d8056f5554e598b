//! `webui_load`: somebody opened the web interface.

use crate::context::Context;
use crate::fields::{Fields, Payload, name};
use serde_json::Value;

/// The web interface was opened; reported only if all four are known.
pub fn loaded(payload: &Payload, cx: &Context) {
    if !cx.on.webui_load {
        return;
    }
    let mut fields = Fields::default();
    for key in ["browser_name", "browser_version", "os_name", "os_version"] {
        if payload.get(key).is_some_and(is_truthy) {
            fields.copy(key, payload, key, name);
        }
    }
    if fields.0.len() == 4 {
        cx.report("webui_load", &fields);
    }
}

/// Whether Python takes it for true: not empty, not zero, not false. OctoPrint decides so.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        other => other == &Value::Bool(true),
    }
}
