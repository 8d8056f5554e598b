//! `slicing_started`.

use crate::fields::{Fields, Payload};
use crate::tracker::Context;

/// A slicer started. OctoPrint 1.11.8 always says `unknown` here, by mistake; we say which.
pub fn started(payload: &Payload, cx: &Context) {
    if cx.on(|events| events.slicing) {
        let mut fields = Fields::default();
        fields.copy_or_unknown("slicer", payload, "slicer");
        cx.report("slicing_started", &fields);
    }
}
