//! `update_successful` and `update_failed`: software updates.

use crate::context::Context;
use crate::fields::{Fields, Payload};

/// A software update ended. `name` is the name of the report.
pub fn ended(name: &str, payload: &Payload, cx: &Context) {
    if cx.is_on(|events| events.update) {
        let mut fields = Fields::default();
        fields.copy("target", payload, "target").copy("from_version", payload, "from_version").copy(
            "to_version",
            payload,
            "to_version",
        );
        cx.report(name, &fields);
    }
}
