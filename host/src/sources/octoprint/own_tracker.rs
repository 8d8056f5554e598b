//! Whether OctoPrint's own tracker (its bundled plugin `tracking`) is on: then everything is counted twice. What is
//! done about that is not decided here.

use super::rest::{Login, RestClient};
use crate::home::octoprint_values;
use serde_json::Value;

/// OctoPrint's event for changed settings.
pub const SETTINGS_EVENT: &str = "SettingsUpdated";

/// The permission to see whether it is on, as the answer to a login names it. Reading settings is not enough: to those
/// who may not change them OctoPrint shows `null`.
const SETTINGS: &str = "settings";
/// The permission to see which plugins are enabled, which the group Users has.
const LIST: &str = "plugin_pluginmanager_list";

/// Where people switch it off.
pub const SWITCH: &str = "OctoPrint's Settings > Anonymous Usage Tracking";

/// Whether this login may be able to see it.
pub fn may_see(login: &Login) -> bool {
    login.may.contains(SETTINGS) || login.may.contains(LIST)
}

/// Whether it is on; none where that cannot be known.
pub fn is_on(rest: &RestClient, login: &Login) -> Option<bool> {
    if login.may.contains(SETTINGS) {
        return in_settings(&rest.get("api/settings").ok()?);
    }
    if login.may.contains(LIST) {
        return in_list(&rest.get("plugin/pluginmanager/plugins/versions").ok()?);
    }
    None
}

/// From the answer of `api/settings`: it is on only if OctoPrint reads `enabled` as true; a disabled plugin has no
/// settings.
fn in_settings(answer: &Value) -> Option<bool> {
    let plugins = answer.get("plugins")?.as_object()?;
    let enabled = plugins.get("tracking").and_then(|tracking| tracking.get("enabled"));
    Some(enabled.and_then(octoprint_values::boolean).unwrap_or_default())
}

/// From the list of enabled plugins: if its plugin is not in it, it is off; otherwise that cannot be known.
fn in_list(answer: &Value) -> Option<bool> {
    let enabled = answer.as_object().filter(|enabled| !enabled.is_empty())?;
    (!enabled.contains_key("tracking")).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_tell_it_and_the_list_tells_only_that_it_is_off() {
        for (answer, on) in [
            (json!({"plugins": {"tracking": {"enabled": true}}}), Some(true)),
            (json!({"plugins": {"tracking": {"enabled": false}}}), Some(false)),
            (json!({"plugins": {"tracking": {"enabled": null}}}), Some(false)),
            (json!({"plugins": {"tracking": {"enabled": "true"}}}), Some(true)),
            (json!({"plugins": {"tracking": {"enabled": 1}}}), Some(true)),
            (json!({"plugins": {"tracking": {"enabled": "false"}}}), Some(false)),
            (json!({"plugins": {}}), Some(false)),
            (json!({"plugins": 3}), None),
            (json!([]), None),
        ] {
            assert_eq!(in_settings(&answer), on, "{answer}");
        }
        for (answer, on) in [
            (json!({"tracking": null, "other": "1.0"}), None),
            (json!({"other": "1.0"}), Some(false)),
            (json!({}), None),
            (json!("x"), None),
        ] {
            assert_eq!(in_list(&answer), on, "{answer}");
        }
    }
}
