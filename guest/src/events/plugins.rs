//! `install_plugin`, `uninstall_plugin`, `enable_plugin`, `disable_plugin`.

use crate::fields::{Fields, Payload};
use crate::tracker::Context;

/// A plugin was installed, uninstalled, enabled or disabled.
pub fn changed(name: &str, payload: &Payload, cx: &Context) {
    if cx.on(|events| events.plugin) {
        let mut fields = Fields::default();
        fields.copy("plugin", payload, "id").copy("plugin_version", payload, "version");
        cx.report(name, &fields);
    }
}
