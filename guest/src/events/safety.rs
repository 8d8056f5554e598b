//! `printer_safety_warning`: OctoPrint's Firmware Check plugin found unsafe firmware.

use crate::context::Context;
use crate::fields::{Fields, Payload, name};

/// The printer's firmware is known to be unsafe.
pub fn warning(payload: &Payload, cx: &Context) {
    if cx.on.printer_safety_check {
        let mut fields = Fields::default();
        fields.copy_or_unknown("printer_safety_warning_type", payload, "warning_type", name).copy_or_unknown(
            "printer_safety_check_name",
            payload,
            "check_name",
            name,
        );
        cx.report("printer_safety_warning", &fields);
    }
}
