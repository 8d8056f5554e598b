//! `printer_safety_warning`.

use crate::fields::{Fields, Payload};
use crate::tracker::Context;

/// The printer's firmware is known to be unsafe.
pub fn warning(payload: &Payload, cx: &Context) {
    if cx.on(|events| events.printer_safety_check) {
        let mut fields = Fields::default();
        fields.copy_or_unknown("printer_safety_warning_type", payload, "warning_type").copy_or_unknown(
            "printer_safety_check_name",
            payload,
            "check_name",
        );
        cx.report("printer_safety_warning", &fields);
    }
}
