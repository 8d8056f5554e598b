//! `update_successful` and `update_failed`.

use crate::fields::{Fields, Payload};
use crate::tracker::Context;

/// A software update ended.
pub fn ended(name: &str, payload: &Payload, cx: &Context) {
    if cx.on(|events| events.update) {
        let mut fields = Fields::default();
        fields.copy("target", payload, "target").copy("from_version", payload, "from_version").copy(
            "to_version",
            payload,
            "to_version",
        );
        cx.report(name, &fields);
    }
}
