//! Which settings there are. What decides, such as switches and rhythms, is the audit's to set, by the manifest: a schema
//! whose defaults turn reports off must not keep them from being seen.

use glassbox_sandbox::Policy;
use serde_json::Value;

/// Whether it is switched on.
pub(super) const ENABLED: &str = "enabled";
/// A key that no schema names.
const OTHER: &str = "other";

/// Every setting with its usual value: those that decide, by the manifest, and others by the component's schema.
pub(super) fn settings(policy: &Policy, schema: &str) -> Vec<(String, Value)> {
    fn walk(schema: &Value, before: &str, found: &mut Vec<(String, Value)>) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, inner) in properties.into_iter().flatten().take(64) {
            let path = format!("{before}{key}");
            if inner.get("properties").is_some() && before.len() < 64 {
                walk(inner, &format!("{path}."), found);
            } else {
                found.push((path, inner.get("default").cloned().unwrap_or_default()));
            }
        }
    }
    let manifest = policy.manifest();
    let switches = manifest.switches().map(|path| (path.into(), Value::Bool(true)));
    let http = manifest.capabilities.http.iter();
    let server =
        http.clone().flat_map(|http| http.url_setting.iter().map(|path| (path.clone(), http.url.clone().into())));
    let id = http.map(|http| (http.id_setting.clone(), Value::Null));
    let every = manifest.says.iter().filter_map(|says| says.every.as_ref());
    let every = every.map(|every| (every.setting.clone(), every.default.into()));
    // Keys that no schema knows: beside all others, and in what is shown.
    let unknown =
        std::iter::once(OTHER.into()).chain(manifest.settings.shows.iter().map(|key| format!("{key}.{OTHER}")));
    let unknown: Vec<_> = unknown.map(|path| (path, Value::Null)).collect();
    let mut decide: Vec<(String, Value)> = Vec::new();
    for (path, value) in switches.chain(server).chain(id).chain(every).chain([(ENABLED.into(), Value::Null)]) {
        if !decide.iter().any(|(known, _)| *known == path) {
            decide.push((path, value));
        }
    }
    let mut found = Vec::new();
    walk(&serde_json::from_str(schema).unwrap_or_default(), "", &mut found);
    found.retain(|(path, _)| !decide.iter().any(|(decides, _)| decides == path));
    found.extend(decide);
    let holds = |path: &str| found.iter().any(|(known, _)| path.split_once('.').is_some_and(|(key, _)| key == known));
    // Not below a number.
    let unknown: Vec<_> = unknown.into_iter().filter(|(path, _)| !holds(path)).collect();
    found.extend(unknown);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_sandbox::Manifest;

    #[test]
    fn what_decides_is_not_the_schemas() {
        let manifest = r#"
            plugin.name = "p"
            capabilities.http = { url = "https://a.example/{id}/", id_setting = "id", url_setting = "server" }
            settings.shows = ["ping", "events"]
            [[sees]]
            event = "octoprint_started"
            fields = ["uptime"]
            [[says]]
            request = "ping"
            method = "GET"
            on = ["tick"]
            every = { setting = "ping", default = 900 }
            switch = "events.ping"
            fields = [{ name = "uptime", from = "octoprint_started.uptime", pattern = "[0-9]+" }]
        "#;
        let policy = Policy::new(Manifest::parse(manifest).unwrap()).unwrap();
        let schema = r#"{"properties": {
            "enabled": {"default": false}, "ping": {"default": 0}, "id": {"default": "x"}, "server": {"default": "x"},
            "events": {"properties": {"ping": {"default": false}}}, "colour": {"default": "red"}
        }}"#;
        let found = settings(&policy, schema);
        let value = |path: &str| {
            let values = found.iter().filter(|(known, _)| known == path).map(|(_, value)| value.to_string());
            values.collect::<Vec<_>>()
        };
        for (path, expected) in [
            ("ping", "900"),
            ("events.ping", "true"),
            ("enabled", "null"),
            ("id", "null"),
            ("server", "\"https://a.example/{id}/\""),
            // What decides nothing has the schema's default, and what it does not know is tried, too.
            ("colour", "\"red\""),
            ("other", "null"),
            ("events.other", "null"),
        ] {
            assert_eq!(value(path), [expected], "{path}");
        }
        assert_eq!(value("ping.other"), [""; 0]);
    }
}
