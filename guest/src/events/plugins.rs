//! `install_plugin`, `uninstall_plugin`, `enable_plugin`, `disable_plugin`: changes of plugins.

use crate::context::Context;
use crate::fields::{self, Fields, Payload};

/// A plugin was installed, uninstalled, enabled or disabled. `name` is the name of the report.
pub fn changed(name: &str, payload: &Payload, cx: &Context) {
    if cx.on.plugin {
        let mut fields = Fields::default();
        fields.copy("plugin", payload, "id", fields::name).copy("plugin_version", payload, "version", fields::name);
        cx.report(name, &fields);
    }
}
