//! `slicing_started`: OctoPrint started a slicer.

use crate::context::Context;
use crate::fields::{Fields, Payload, name};

/// A slicer started. OctoPrint 1.11.8 has a bug and always reports `unknown`; we report which one.
pub fn started(payload: &Payload, cx: &Context) {
    if cx.on.slicing {
        let mut fields = Fields::default();
        fields.copy_or_unknown("slicer", payload, "slicer", name);
        cx.report("slicing_started", &fields);
    }
}
