//! `update_successful` and `update_failed`: software updates.

use crate::context::Context;
use crate::fields::{self, Fields, Payload};

/// A software update ended. `name` is the name of the report.
pub fn ended(name: &str, payload: &Payload, cx: &Context) {
    if cx.on.update {
        let mut fields = Fields::default();
        fields
            .copy("target", payload, "target", fields::name)
            .copy("from_version", payload, "from_version", fields::name)
            .copy("to_version", payload, "to_version", fields::name);
        cx.report(name, &fields);
    }
}
