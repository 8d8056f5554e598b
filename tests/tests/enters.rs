//! For whose sake what enters: for every switch of the bundled tracker that is off, what still does, by name.

use glassbox_describe::{entering, free::untied};
use glassbox_sandbox::{Manifest, Policy, Settings};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn policy() -> Policy {
    Policy::new(Manifest::parse(include_str!("../../guest/tracker.toml")).unwrap()).unwrap()
}

fn enters(policy: &Policy, changes: &[(&str, Value)]) -> BTreeSet<String> {
    let mut settings = Settings::parse(r#"{"enabled": true}"#).unwrap();
    changes.iter().for_each(|(key, value)| settings.set(key, value.clone()).unwrap());
    entering(policy, &settings).into_iter().collect()
}

/// What enters whatever is switched off.
const CONTROL: [&str; 3] = ["environment.octoprint.version", "octoprint_started", "octoprint_stopping"];

/// What enters only for the sake of startup or pong.
const INSTALLATION: [&str; 20] = [
    "environment.hardware.cores",
    "environment.hardware.freq",
    "environment.hardware.ram",
    "environment.os.bits",
    "environment.os.id",
    "environment.os.platform",
    "environment.pi_support.model",
    "environment.pi_support.octopi_version",
    "environment.pi_support.octopiuptodate_build",
    "environment.python.pip",
    "environment.python.version",
    "hardware.bits",
    "hardware.cores",
    "hardware.frequency-mhz",
    "hardware.memory-bytes",
    "hardware.octopi-version",
    "hardware.octopiuptodate-build",
    "hardware.os",
    "hardware.pi-model",
    "hardware.platform",
];

/// What enters for the sake of printjob only.
const PRINTS: [&str; 17] = [
    "PrintStarted.path",
    "PrintStarted.origin",
    "PrintStarted.connector",
    "PrintDone.path",
    "PrintDone.origin",
    "PrintDone.connector",
    "PrintDone.time",
    "PrintFailed.path",
    "PrintFailed.origin",
    "PrintFailed.connector",
    "PrintFailed.time",
    "PrintFailed.reason",
    "PrintFailed.error",
    "PrintCancelled.path",
    "PrintCancelled.origin",
    "PrintCancelled.connector",
    "PrintCancelled.time",
];

const FLAGS: [&str; 4] = ["current_undervoltage", "past_undervoltage", "current_overheat", "past_overheat"];

/// For each switch that is off: what no longer enters.
fn gone(switch: &str) -> Vec<String> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
    let of = |event: &str, fields: &[&str]| fields.iter().map(|field| format!("{event}.{field}")).collect::<Vec<_>>();
    match switch {
        "ping" => names(&["PrinterStateChanged.state_id", "octoprint_started.uptime"]),
        "pong" | "events.pong" => names(&["environment.third_party_plugins", "environment.achievements"]),
        "events.startup" => vec![],
        "events.printjob" => names(&PRINTS),
        "events.commerror" => names(&["Error.reason", "Error.error", "PrintFailed.error"]),
        "events.plugin" => ["install", "uninstall", "enable", "disable"]
            .iter()
            .flat_map(|what| of(&format!("plugin_pluginmanager_{what}_plugin"), &["id", "version"]))
            .collect(),
        "events.update" => ["succeeded", "failed"]
            .iter()
            .flat_map(|how| {
                of(&format!("plugin_softwareupdate_update_{how}"), &["target", "from_version", "to_version"])
            })
            .collect(),
        "events.printer" => {
            names(&["Connected.connector", "Connected.port", "Connected.baudrate", "FirmwareData.name"])
        }
        "events.printer_safety_check" => ["plugin_firmware_check_warning", "plugin_printer_safety_check_warning"]
            .iter()
            .flat_map(|event| of(event, &["warning_type", "check_name"]))
            .collect(),
        "events.throttled" => of("plugin_pi_support_throttle_state", &FLAGS),
        "events.achievements" => names(&["environment.achievements", "plugin_achievements_achievement_unlocked.key"]),
        "events.slicing" => names(&["SlicingStarted.slicer"]),
        "events.webui_load" => of("webui_load", &["browser_name", "browser_version", "os_name", "os_version"]),
        other => panic!("{other} is not in the table"),
    }
}

#[test]
fn what_a_switch_turns_off_does_not_enter() {
    let policy = policy();
    let all = enters(&policy, &[]);
    let switches: BTreeSet<_> = policy.manifest().switches().map(Into::into).collect();
    let off = switches.iter().map(|switch: &String| (switch.as_str(), json!(false)));
    for (key, value) in off.chain([("ping", json!(0)), ("pong", json!(0))]) {
        let left = enters(&policy, &[(key, value)]);
        let gone = gone(key);
        for name in &gone {
            assert!(all.contains(name), "{name}");
        }
        let mut expected: BTreeSet<_> = all.iter().filter(|name| !gone.contains(name)).cloned().collect();
        if key == "ping" {
            // That a run of the server began is a control fact.
            expected.insert("octoprint_started".into());
        }
        assert_eq!(left, expected, "{key} is off");
    }
}

#[test]
fn what_several_reports_are_made_of_enters_until_all_of_them_are_off() {
    let policy = policy();
    let off = |switches: &[&str]| {
        let changes: Vec<_> = switches.iter().map(|switch| (*switch, json!(false))).collect();
        enters(&policy, &changes)
    };
    let without_installation = off(&["events.startup", "events.pong"]);
    for name in INSTALLATION {
        assert!(!without_installation.contains(name), "{name}");
        assert!(off(&["events.startup"]).contains(name) && off(&["events.pong"]).contains(name), "{name}");
    }
    let throttling = |switches: &[&str]| {
        let left = off(switches);
        let event = |field: &str| left.contains(&format!("plugin_pi_support_throttle_state.{field}"));
        (left.contains("throttle"), event("raw_value"), event("current_issue"), event("past_overheat"))
    };
    assert_eq!(throttling(&["events.printjob"]), (true, true, true, true));
    assert_eq!(throttling(&["events.printjob", "events.commerror"]), (false, true, true, true));
    assert_eq!(throttling(&["events.throttled"]), (true, true, true, false));
    let all_three = ["events.printjob", "events.commerror", "events.throttled"];
    assert_eq!(throttling(&all_three), (false, false, false, false));
    assert!(off(&["events.printjob"]).contains("Error.error"));
}

#[test]
fn with_everything_off_only_control_facts_enter() {
    let policy = policy();
    let mut changes: Vec<_> = policy.manifest().switches().map(|switch| (switch, json!(false))).collect();
    changes.extend([("ping", json!(0))]);
    assert_eq!(enters(&policy, &changes), CONTROL.map(Into::into).into());
    assert_eq!(untied(&policy), [""; 0], "everything else is named by a report");
}
