//! `webui_load`.

use crate::fields::{Fields, Payload};
use crate::tracker::Context;

/// The web interface was opened; reported only if all four are known.
pub fn loaded(payload: &Payload, cx: &Context) {
    if !cx.on(|events| events.webui_load) {
        return;
    }
    let mut fields = Fields::default();
    for name in ["browser_name", "browser_version", "os_name", "os_version"] {
        fields.copy(name, payload, name);
    }
    if fields.0.len() == 4 && fields.0.iter().all(|(_, value)| !value.is_empty()) {
        cx.report("webui_load", &fields);
    }
}
