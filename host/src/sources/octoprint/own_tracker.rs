//! Whether OctoPrint's own tracker is on: then everything would be counted twice.

use super::rest::{Login, Rest};
use serde_json::Value;

/// Fires when somebody has changed settings.
pub const SETTINGS_EVENT: &str = "SettingsUpdated";

/// Who may see whether it is on. Reading settings alone does not do: OctoPrint shows others null.
const SETTINGS: &str = "settings";
/// Who may see which plugins are enabled: the group Users may.
const LIST: &str = "plugin_pluginmanager_list";

/// Where it is switched off.
pub const SWITCH: &str = "OctoPrint's Settings > Anonymous Usage Tracking";

/// Whether this login might see it.
#[must_use]
pub fn may_see(login: &Login) -> bool {
    login.may.contains(SETTINGS) || login.may.contains(LIST)
}

/// Whether it is on; none where that cannot be known.
#[must_use]
pub fn is_on(rest: &Rest, login: &Login) -> Option<bool> {
    if login.may.contains(SETTINGS) {
        return in_settings(&rest.get("api/settings").ok()?);
    }
    if login.may.contains(LIST) {
        return in_list(&rest.get("plugin/pluginmanager/plugins/versions").ok()?);
    }
    None
}

/// Only `true` switches it on; where its plugin is disabled, nothing of it is there.
fn in_settings(answer: &Value) -> Option<bool> {
    let plugins = answer.get("plugins")?.as_object()?;
    Some(plugins.get("tracking").is_some_and(|tracking| tracking.get("enabled") == Some(&Value::Bool(true))))
}

/// Where its plugin is disabled it is off; else nobody knows.
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
