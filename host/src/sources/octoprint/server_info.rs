//! What is read over REST because the push API does not bring it, and turned into the events that plugins know: what
//! the server runs on, its plugins and achievements, its printer. When to read it is decided elsewhere.
//!
//! The shapes of the answers are those that OctoPrint 1.11.8 and 2.0.0rc7 give; most are in the chapter "REST API" of
//! OctoPrint's documentation.

use super::permissions::{ACHIEVEMENTS, Missing, PLUGINS, Permission, STATUS, SYSTEM};
use super::rest::{Login, RestClient};
use super::version::release;
use crate::sources::server_run::Starts;
use serde_json::{Map, Value, json};

/// What was read from an OctoPrint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerInfo {
    /// The payload of `environment`.
    pub environment: Map<String, Value>,
    /// How often the server was started; none where that may not be read.
    pub starts: Option<Starts>,
    /// The payload of `PrinterStateChanged`; none where the state may not be read, or has an unknown name.
    pub printer: Option<Value>,
    /// The payload of `FirmwareData`, if a printer is connected whose firmware is known.
    pub firmware: Option<Value>,
    /// What could not be read, and what would help.
    pub missing: Vec<Missing>,
}

/// The plugin manager's own API, as its page in OctoPrint's settings uses it.
const PLUGIN_LIST: &str = "plugin/pluginmanager/plugins";

/// OctoPrint 2.x names the printer's connector only to clients that ask for this version; a 1.x ignores the parameter.
const CONNECTION: &str = "api/connection?api_version=2.0.0";

/// Where `environment` has the values of `systeminfo` in the answer of `api/system/info`: the key there, then the two
/// keys in `environment`. The names are those of OctoPrint's system info bundle.
const INFORMATION: [(&str, &str, &str); 12] = [
    ("octoprint.version", "octoprint", "version"),
    ("env.python.version", "python", "version"),
    ("env.python.pip", "python", "pip"),
    ("env.os.id", "os", "id"),
    ("env.os.platform", "os", "platform"),
    ("env.os.bits", "os", "bits"),
    ("env.hardware.cores", "hardware", "cores"),
    ("env.hardware.freq", "hardware", "freq"),
    ("env.hardware.ram", "hardware", "ram"),
    ("env.plugins.pi_support.model", "pi_support", "model"),
    ("env.plugins.pi_support.octopi_version", "pi_support", "octopi_version"),
    ("env.plugins.pi_support.octopiuptodate_build", "pi_support", "octopiuptodate_build"),
];

/// The beginnings of the texts in which OctoPrint shows its printer's state (from `octoprint/util/comm.py`), and its ids for those states.
const STATES: [(&str, &str); 15] = [
    ("Opening serial", "OPEN_SERIAL"),
    ("Detecting serial", "DETECT_SERIAL"),
    ("Connecting", "CONNECTING"),
    ("Operational", "OPERATIONAL"),
    ("Starting", "STARTING"),
    ("Printing", "PRINTING"),
    ("Sending file to SD", "PRINTING"),
    ("Cancelling", "CANCELLING"),
    ("Pausing", "PAUSING"),
    ("Paused", "PAUSED"),
    ("Resuming", "RESUMING"),
    ("Finishing", "FINISHING"),
    ("Offline after error", "CLOSED_WITH_ERROR"),
    ("Error", "ERROR"),
    ("Transferring file to SD", "TRANSFERING_FILE"),
];

impl ServerInfo {
    /// Read all that this login may read; `version` is OctoPrint's. What cannot be read is listed in `missing`.
    pub fn read(rest: &RestClient, login: &Login, version: &str) -> Self {
        let mut info = Self::default();
        info.environment.insert("octoprint".into(), json!({"version": version}));
        let mut ask = |path: &str, permission: Permission| {
            if !login.may.contains(permission.role) {
                info.missing.push(permission.missing());
                return None;
            }
            rest.get(path).map_err(|error| info.missing.push(permission.failed(error.to_string()))).ok()
        };
        let system = ask("api/system/info", SYSTEM);
        let achievements = ask("plugin/achievements/", ACHIEVEMENTS);
        let plugins = ask(PLUGIN_LIST, PLUGINS);
        let connection = ask(CONNECTION, STATUS);
        info.environment.extend(system.as_ref().map(from_system).unwrap_or_default());
        info.firmware = system.as_ref().and_then(|answer| answer.get("systeminfo")?.get("printer.firmware")).cloned();
        info.firmware = info.firmware.map(|name| json!({"name": name}));
        if let Some(list) = plugins.as_ref().and_then(third_party) {
            info.environment.insert("third_party_plugins".into(), list);
        }
        if let Some(answer) = &achievements {
            info.environment.extend(unlocked(answer).map(|list| ("achievements".into(), list)));
            info.starts = starts(answer);
        }
        info.printer = connection.as_ref().and_then(|connection| printer(connection, version));
        info
    }
}

/// The payload of an `environment` that has nothing but the list of plugins; none where it may not be read.
pub fn plugins(rest: &RestClient, login: &Login) -> Option<Value> {
    if !login.may.contains(PLUGINS.role) {
        return None;
    }
    let answer = rest.get(PLUGIN_LIST).ok()?;
    Some(json!({"third_party_plugins": third_party(&answer)?}))
}

/// The payload of `Connected` for a printer that is connected now; none if none is, or it may not be read.
pub fn connected_printer(rest: &RestClient) -> Option<Value> {
    connected(&rest.get(CONNECTION).ok()?)
}

fn connected(answer: &Value) -> Option<Value> {
    const NOT: [&str; 5] = ["OPEN_SERIAL", "DETECT_SERIAL", "CONNECTING", "CLOSED_WITH_ERROR", "ERROR"];
    let current = answer.get("current")?;
    let text = current.get("state")?.as_str()?;
    let (_, state) = STATES.into_iter().find(|(words, _)| text.starts_with(words))?;
    // In 2.x the last two are among the connector's own parameters, if it has them.
    let part = |key: &str| current.get(key).or_else(|| current.get("parameters")?.get(key)).filter(|it| !it.is_null());
    let parts: Map<_, _> = ["connector", "port", "baudrate"]
        .into_iter()
        .filter_map(|key| Some((key.into(), part(key)?.clone())))
        .collect();
    (!NOT.contains(&state) && !parts.is_empty()).then_some(Value::Object(parts))
}

fn from_system(answer: &Value) -> Map<String, Value> {
    let mut parts = Map::new();
    for (key, part, name) in INFORMATION {
        if let Some(value) = answer.get("systeminfo").and_then(|info| info.get(key)) {
            parts.entry(part).or_insert_with(|| json!({}))[name] = value.clone();
        }
    }
    parts
}

/// Enabled plugins that did not come with OctoPrint, as it lists them.
fn third_party(answer: &Value) -> Option<Value> {
    let is = |plugin: &Value, what: &str| plugin.get(what).and_then(Value::as_bool).unwrap_or(false);
    let listed = answer.get("plugins")?.as_array()?;
    let wanted = listed.iter().filter(|plugin| is(plugin, "enabled") && !is(plugin, "bundled"));
    Some(wanted.map(|plugin| json!({"key": plugin.get("key"), "version": plugin.get("version")})).collect())
}

/// The keys of the unlocked achievements, in the order in which they were unlocked.
fn unlocked(answer: &Value) -> Option<Value> {
    let when = |one: &Value| one.get("achieved").and_then(Value::as_i64).unwrap_or(0);
    let mut list: Vec<_> = answer.get("achievements")?.as_array()?.iter().filter(|one| when(one) > 0).collect();
    list.sort_by_key(|one| when(one));
    Some(list.into_iter().filter_map(|one| one.get("key")).cloned().collect())
}

fn starts(answer: &Value) -> Option<Starts> {
    let stats = answer.get("stats")?;
    Some(Starts { created: stats.get("created")?.as_i64()?, count: stats.get("server_starts")?.as_u64()? })
}

fn printer(answer: &Value, version: &str) -> Option<Value> {
    let current = answer.get("current")?;
    let text = current.get("state")?.as_str()?;
    // Where the version is not known, its answer shows whether it has printer connectors.
    let is_2 = release(version).map_or_else(|| current.get("connector").is_some(), |release| release >= (2, 0));
    let named = STATES.into_iter().find(|(words, _)| text.starts_with(words)).map(|(_, name)| name);
    let name = named.or(match text {
        "Offline" | "Closed" if is_2 => Some("CLOSED"),
        "Offline" | "Closed" => Some("OFFLINE"),
        _ => None,
    })?;
    Some(json!({"state_id": name, "state_string": text}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_information_becomes_the_parts_of_environment() {
        let answer = json!({"systeminfo": {"octoprint.version": "1.11.8", "env.os.bits": 64, "env.hardware.freq": 0.0,
            "env.plugins.pi_support.model": "Pi", "connectivity.online": true}});
        let expected = json!({"octoprint": {"version": "1.11.8"}, "os": {"bits": 64}, "hardware": {"freq": 0.0},
            "pi_support": {"model": "Pi"}});
        assert_eq!(Value::Object(from_system(&answer)), expected);
        assert_eq!(from_system(&json!([1])), Map::new());
    }

    #[test]
    fn only_enabled_plugins_of_others_are_listed() {
        let plugin = |key: &str, bundled: bool, enabled: bool| json!({"key": key, "bundled": bundled, "enabled": enabled, "version": "1"});
        let answer =
            json!({"plugins": [plugin("a", true, true), plugin("b", false, true), plugin("c", false, false), 3]});
        assert_eq!(third_party(&answer), Some(json!([{"key": "b", "version": "1"}])));
        assert_eq!(third_party(&json!({"plugins": {}})), None);
    }

    #[test]
    fn achievements_come_in_their_order_and_starts_with_them() {
        let one = |key: &str, at: i64| json!({"key": key, "achieved": at});
        let answer = json!({"achievements": [one("late", 9), one("never", 0), one("early", 3)],
            "stats": {"created": 5, "server_starts": 2}});
        assert_eq!(unlocked(&answer), Some(json!(["early", "late"])));
        assert_eq!(starts(&answer), Some(Starts { created: 5, count: 2 }));
        assert_eq!(starts(&json!({"stats": {"server_starts": 2}})), None);
    }

    #[test]
    fn only_a_connected_printer_is_told() {
        let is = |state: &str, port: Value| {
            connected(&json!({"current": {"state": state, "port": port, "baudrate": 250_000, "printerProfile": "p"}}))
        };
        assert_eq!(is("Printing from SD", json!("USB0")), Some(json!({"port": "USB0", "baudrate": 250_000})));
        assert_eq!(is("Operational", Value::Null), Some(json!({"baudrate": 250_000})));
        for state in ["Closed", "Offline", "Offline after error", "Error: e", "Connecting", "Opening serial connection"]
        {
            assert_eq!(is(state, json!("USB0")), None, "{state}");
        }
        // As 2.0.0rc7 answers.
        let parameters = json!({"port": "USB0", "baudrate": 250_000});
        let newer = json!({"state": "Operational", "connector": "serial", "parameters": parameters, "profile": "p"});
        let expected = json!({"connector": "serial", "port": "USB0", "baudrate": 250_000});
        assert_eq!(connected(&json!({"current": newer})), Some(expected));
        let nothing = json!({"current": {"state": "Operational", "port": null, "baudrate": null}});
        assert_eq!(connected(&nothing), None);
    }

    #[test]
    fn a_printers_state_has_octoprints_name_for_it() {
        let state = |text: &str, version: &str| {
            let printer = printer(&json!({"current": {"state": text}}), version)?;
            Some(printer["state_id"].as_str()?.to_string())
        };
        for (text, name) in [
            ("Closed", "OFFLINE"),
            ("Offline", "OFFLINE"),
            ("Offline after error", "CLOSED_WITH_ERROR"),
            ("Printing from SD", "PRINTING"),
            ("Error: serial", "ERROR"),
        ] {
            assert_eq!(state(text, "1.11.8").as_deref(), Some(name), "{text}");
        }
        assert_eq!(state("Offline", "2.0.0").as_deref(), Some("CLOSED"));
        assert_eq!(state("Dancing", "1.11.8"), None);
        assert_eq!(state("Offline", "0+unknown").as_deref(), Some("OFFLINE"));
        let newer = json!({"current": {"state": "Offline", "connector": null}});
        assert_eq!(printer(&newer, "0+unknown").unwrap()["state_id"], "CLOSED");
    }
}
