//! `system_throttled` and `system_unthrottled`: a Raspberry Pi's throttling has changed. Where OctoPrint does not report
//! that, the host makes the same event.

use crate::context::Context;
use crate::fields::{Fields, Payload, fitting, flag, mask};
use crate::throttling::Reading;

/// The fields of the report, and what they are called in the event.
const FIELDS: [(&str, &str); 7] = [
    ("throttled_now", "current_issue"),
    ("throttled_past", "past_issue"),
    ("throttled_mask", "raw_value"),
    ("throttled_voltage_now", "current_undervoltage"),
    ("throttled_voltage_past", "past_undervoltage"),
    ("throttled_overheat_now", "current_overheat"),
    ("throttled_overheat_past", "past_overheat"),
];

/// The state has changed: remembered for reports of prints and errors.
pub fn state_changed(payload: &Payload, cx: &mut Context) {
    cx.state.throttling = Reading::from_event(payload);
}

/// Report it. Every part must be there, or OctoPrint's own tracker fails; one that is null is not known, and left out.
pub fn report(payload: &Payload, cx: &Context) {
    if !cx.on.throttled {
        return;
    }
    let mut fields = Fields::default();
    for (name, key) in FIELDS {
        let Some(value) = payload.get(key) else { return };
        let text = fitting(Some(value), if key == "raw_value" { mask } else { flag });
        if text.is_none() && !value.is_null() {
            return;
        }
        fields.put_known(name, text);
    }
    let now = fitting(payload.get("current_issue"), flag);
    cx.report(if now.as_deref() == Some("True") { "system_throttled" } else { "system_unthrottled" }, &fields);
}
