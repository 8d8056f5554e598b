//! Every switch silences exactly its reports.
#![allow(missing_docs)]

mod common;

use common::{Bench, START, throttle_event};
use serde_json::{Value, json};

/// A switch, and what is missing when it is off: whole reports, and ` field=value` in others.
const SWITCHES: [(&str, &[&str], &[&str]); 12] = [
    ("pong", &["pong"], &[]),
    ("startup", &["startup", "shutdown"], &[]),
    ("printjob", &["print_started", "print_done", "print_failed", "print_cancelled"], &[]),
    ("commerror", &["commerror_timeout"], &[" commerror_text=Oh"]),
    ("plugin", &["install_plugin", "uninstall_plugin", "enable_plugin", "disable_plugin"], &[]),
    ("update", &["update_successful", "update_failed"], &[]),
    ("printer", &["printer_connected"], &[]),
    ("printer_safety_check", &["printer_safety_warning"], &[]),
    ("throttled", &["system_throttled", "system_unthrottled"], &[]),
    ("achievements", &["achievement_unlocked"], &[" achievements=one,two"]),
    ("slicing", &["slicing_started"], &[]),
    ("webui_load", &["webui_load"], &[]),
];

fn events() -> Vec<(&'static str, Value)> {
    let print = json!({"path": "a.gcode", "error": "Oh"});
    let nothing = json!({});
    let browser = json!({"browser_name": "a", "browser_version": "b", "os_name": "c", "os_version": "d"});
    vec![
        ("Connected", nothing.clone()),
        ("FirmwareData", nothing.clone()),
        ("PrintStarted", print.clone()),
        ("PrintDone", print.clone()),
        ("PrintFailed", print.clone()),
        ("PrintCancelled", print),
        ("Error", json!({"reason": "timeout", "error": "Oh"})),
        ("plugin_pi_support_throttle_state", throttle_event(1)),
        ("plugin_pi_support_throttle_state", throttle_event(0)),
        ("plugin_pluginmanager_install_plugin", nothing.clone()),
        ("plugin_pluginmanager_uninstall_plugin", nothing.clone()),
        ("plugin_pluginmanager_enable_plugin", nothing.clone()),
        ("plugin_pluginmanager_disable_plugin", nothing.clone()),
        ("plugin_softwareupdate_update_succeeded", nothing.clone()),
        ("plugin_softwareupdate_update_failed", nothing.clone()),
        ("plugin_firmware_check_warning", nothing.clone()),
        ("plugin_printer_safety_check_warning", nothing.clone()),
        ("plugin_achievements_achievement_unlocked", json!({"key": "two"})),
        ("SlicingStarted", nothing),
        ("webui_load", browser),
    ]
}

/// Everything that is sent on a day on which everything happens.
fn day(switches: Value) -> Vec<String> {
    let mut bench = Bench::with(json!({"events": switches}));
    bench.event("environment", json!({"achievements": "one,two"}));
    bench.event("octoprint_started", json!({"uptime": 0}));
    bench.tick(&START);
    for (name, payload) in events() {
        bench.event(name, payload);
        bench.tick(&[]);
    }
    bench.event("Connected", json!({}));
    bench.tick(&["ping", "pong", "printer_connected"]);
    bench.event("octoprint_stopping", Value::Null);
    bench.said()
}

#[test]
fn a_day_has_every_report() {
    let all = day(json!({}));
    for name in SWITCHES.iter().flat_map(|(_, names, _)| *names).chain(&["ping"]) {
        assert!(all.iter().any(|said| said.split(' ').next() == Some(name)), "{name}");
    }
    for field in SWITCHES.iter().flat_map(|(_, _, fields)| *fields) {
        assert!(all.iter().any(|said| said.contains(field)), "{field}");
    }
    assert_eq!(all.len(), 3 + events().len() - 1 + 3 + 1);
}

#[test]
fn a_switch_silences_exactly_its_reports() {
    let all = day(json!({}));
    for (switch, names, fields) in SWITCHES {
        let silenced = |said: &str| names.iter().any(|name| said.split(' ').next() == Some(name));
        let without = |said: String| fields.iter().fold(said, |said, field| said.replace(field, ""));
        let expected: Vec<_> = all.iter().filter(|said| !silenced(said)).cloned().map(without).collect();
        assert_eq!(day(json!({switch: false})), expected, "{switch}");
    }
}

#[test]
fn with_every_switch_off_only_pings_are_left() {
    let off = SWITCHES.iter().map(|(switch, ..)| (switch.to_string(), json!(false))).collect();
    let said = day(Value::Object(off));
    assert!(said.len() == 2 && said.iter().all(|said| said.starts_with("ping ")), "{said:?}");
}

#[test]
fn a_switch_that_is_null_or_true_is_on() {
    for on in [json!(true), json!(null)] {
        let switches = SWITCHES.iter().map(|(switch, ..)| (switch.to_string(), on.clone())).collect();
        assert_eq!(day(Value::Object(switches)), day(json!({})));
    }
    assert_eq!(day(json!(null)), day(json!({})));
}
