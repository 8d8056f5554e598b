//! `install_plugin`, `uninstall_plugin`, `enable_plugin`, `disable_plugin`: changes of plugins.

use crate::context::Context;
use crate::fields::{Fields, Payload};

/// A plugin was installed, uninstalled, enabled or disabled. `name` is the name of the report.
pub fn changed(name: &str, payload: &Payload, cx: &Context) {
    if cx.is_on(|events| events.plugin) {
        let mut fields = Fields::default();
        fields.copy("plugin", payload, "id").copy("plugin_version", payload, "version");
        cx.report(name, &fields);
    }
}
