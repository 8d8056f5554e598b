//! The next instance carries on where the last one stopped, even if its clock counts from another moment: the host shows it
//! again what was heard, and hands over two flags.
#![allow(missing_docs)]

mod common;
mod manifest;

use common::{Bench, SHOWN_AGAIN, throttle_event};
use glassbox_tracker::{Heard, Tracker};
use manifest::{Manifest, strings};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NOTHING: [&str; 0] = [];

/// With everything known.
fn full(version: &str) -> Bench {
    let mut bench = Bench::running(version);
    bench.sleep_until(12.25);
    bench.event("PrinterStateChanged", json!({"state_id": "PRINTING"}));
    bench.event("Connected", json!({"connector": "serial", "port": "/dev/ttyACM0", "baudrate": 250_000}));
    bench.event("PrintStarted", json!({"path": "a.gcode", "origin": "local"}));
    bench.event("plugin_pi_support_throttle_state", throttle_event(0x50000));
    bench.said();
    bench
}

#[test]
fn what_is_shown_again_is_not_reported() {
    // Beside those that the host shows again, all others.
    let payload = json!({
        "path": "a.gcode", "origin": "local", "reason": "timeout", "error": "late", "current_issue": true,
        "browser_name": "a", "browser_version": "b", "os_name": "c", "os_version": "d", "uptime": 5,
    });
    let mut heard = vec![];
    for (event, _) in Manifest::read().sees {
        heard.push(Heard { name: event, payload: payload.to_string(), age_ms: 1000 });
    }
    for state in ["{}", r#"{"printing": true, "connection_waits": true}"#] {
        let mut bench = Bench::on();
        bench.tracker.restore(&heard, state, &bench.world).unwrap();
        bench.tick(&[]);
        assert_eq!(bench.said(), NOTHING);
    }
}

#[test]
fn these_are_the_events_that_are_shown_again() {
    let mut expected = BTreeSet::from(["environment".to_string()]);
    for request in Manifest::read().says {
        let on = strings(&request["on"]);
        let fields = request["fields"].as_array().unwrap().iter().flat_map(|field| strings(&field["from"]));
        let events = fields.map(|from| from.split_once('.').unwrap().0.to_string());
        expected.extend(events.filter(|event| !on.contains(event) && event != "hardware"));
    }
    // The last throttle state is what `throttle` means where the query has no answer.
    assert!(expected.remove("throttle"));
    expected.insert("plugin_pi_support_throttle_state".into());
    assert_eq!(BTreeSet::from(SHOWN_AGAIN.map(String::from)), expected);
}

#[test]
fn what_was_heard_is_known() {
    let mut bench = full("2.1.0");
    bench.event("environment", json!({"third_party_plugins": "a:1", "achievements": "one"}));
    bench.event("plugin_achievements_achievement_unlocked", json!({"key": "two"}));
    let mut successor = bench.successor(1000, 3);
    successor.tick(&["ping", "pong"]);
    let sent = successor.world.sent.take();
    assert!(sent.iter().all(|request| request.user_agent == "OctoPrint/2.1.0"));
    let said: Vec<_> = sent.iter().map(common::print).collect();
    let pong = "pong version=2.1.0 plugins=a:1 achievements=one,two";
    assert_eq!(said, ["ping octoprint_uptime=15 printer_state=PRINTING", pong]);
}

#[test]
fn uptime_goes_on_whatever_the_clock_says() {
    let mut bench = Bench::on();
    bench.event("octoprint_started", json!({"uptime": 5.5}));
    bench.sleep_until(100.0);
    for clock in [0, 7, 1_000_000] {
        let mut successor = bench.successor(clock, 10);
        successor.tick(&["ping"]);
        assert_eq!(successor.said(), ["ping octoprint_uptime=115 printer_state=OFFLINE"]);
        let mut third = successor.successor(3, 20);
        third.tick(&["ping"]);
        assert_eq!(third.said(), ["ping octoprint_uptime=135 printer_state=OFFLINE"]);
    }
}

#[test]
fn a_stop_is_reported_once_whoever_reports_it() {
    let mut second = Bench::running("1.11.8").successor(0, 1);
    second.event("octoprint_stopping", Value::Null);
    assert_eq!(second.said(), ["shutdown"]);
    let mut third = second.successor(0, 1);
    third.event("octoprint_stopping", Value::Null);
    assert_eq!(third.said(), NOTHING);
}

#[test]
fn a_connection_that_waits_for_its_firmware_gets_it_once() {
    let mut successor = full("1.11.8").successor(0, 60);
    successor.event("FirmwareData", json!({"name": "Marlin"}));
    let expected = "printer_connected firmware_name=Marlin printer_port=/dev/ttyACM0 printer_baudrate=250000";
    assert_eq!(successor.said(), [expected]);
    let mut third = successor.successor(0, 60);
    third.event("FirmwareData", json!({"name": "Marlin"}));
    assert_eq!(third.said(), NOTHING);
}

#[test]
fn a_connection_that_was_reported_without_its_firmware_does_not_wait() {
    let mut bench = full("1.12.0");
    bench.tick(&["printer_connected"]);
    let mut successor = bench.successor(0, 60);
    successor.event("FirmwareData", json!({"name": "late"}));
    assert_eq!(successor.said(), NOTHING);
}

#[test]
fn a_print_that_runs_may_fail_without_a_path_once() {
    let lost = json!({"connector": "serial"});
    let throttled = "throttled_now=False throttled_past=True throttled_mask=327680";
    let mut successor = full("2.1.0").successor(0, 60);
    successor.event("PrintFailed", lost.clone());
    let expected = "print_failed origin=local file=a.gcode printer_connector=serial reason=unknown";
    assert_eq!(successor.said(), [format!("{expected} {throttled}")]);
    let mut third = successor.successor(0, 60);
    third.event("PrintFailed", lost);
    assert_eq!(third.said(), NOTHING);
}

#[test]
fn a_print_that_ended_does_not_fail_without_a_path() {
    let mut bench = full("2.1.0");
    bench.event("PrintDone", json!({"path": "a.gcode"}));
    let mut successor = bench.successor(0, 60);
    successor.event("PrintFailed", json!({"connector": "serial"}));
    assert_eq!(successor.said(), NOTHING);
}

#[test]
fn two_flags_are_saved_and_nothing_else() {
    let flags = |bench: &Bench| bench.tracker.save();
    assert_eq!(flags(&Bench::on()), r#"{"connection_waits":false,"printing":false}"#);
    assert_eq!(flags(&full("1.12.0")), r#"{"connection_waits":true,"printing":true}"#);
    let mut bench = full("1.12.0");
    bench.event("FirmwareData", json!({"name": "Klipper"}));
    assert_eq!(flags(&bench), r#"{"connection_waits":false,"printing":true}"#);
    assert_eq!(flags(&bench.successor(9, 9)), flags(&bench));
    let manifest: toml::Table = toml::from_str(include_str!("../tracker.toml")).unwrap();
    let listed: Vec<_> = manifest["state"].as_table().unwrap().keys().cloned().collect();
    let saved: Value = serde_json::from_str(&flags(&bench)).unwrap();
    assert_eq!(saved.as_object().unwrap().keys().cloned().collect::<Vec<_>>(), listed);
}

#[test]
fn the_flags_hold_over_what_is_heard_again() {
    // What is heard again suggests that a print runs and that a connection waits.
    let heard = [("Connected", "{}"), ("PrintStarted", r#"{"path": "a.gcode"}"#)];
    let heard = heard.map(|(name, payload)| Heard { name: name.into(), payload: payload.into(), age_ms: 0 });
    for state in
        ["{}", r#"{"connection_waits": false, "printing": false}"#, r#"{"connection_waits": 1, "printing": "x"}"#]
    {
        let mut bench = Bench::on();
        bench.tracker.restore(&heard, state, &bench.world).unwrap();
        bench.event("PrintFailed", json!({}));
        bench.event("FirmwareData", json!({}));
        assert_eq!(bench.said(), NOTHING, "{state}");
    }
}

#[test]
fn a_flag_for_something_that_was_not_heard_is_off() {
    let mut bench = Bench::on();
    bench.tracker.restore(&[], r#"{"connection_waits": true, "printing": true}"#, &bench.world).unwrap();
    assert_eq!(bench.tracker.save(), Tracker::default().save());
    bench.event("PrintFailed", json!({}));
    bench.event("FirmwareData", json!({}));
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn garbage_is_refused_and_changes_nothing() {
    let mut bench = full("1.12.0");
    let before = bench.tracker.save();
    let good = Heard { name: "octoprint_started".into(), payload: "{}".into(), age_ms: 0 };
    for (state, payload, expected) in [
        ("", "{}", "EOF while parsing a value at line 1 column 0"),
        ("{", "{}", "EOF while parsing an object at line 1 column 1"),
        ("null", "{}", "the saved state is not a JSON object"),
        ("[]", "{}", "the saved state is not a JSON object"),
        ("{}", "{", "PrintStarted: EOF while parsing an object at line 1 column 1"),
    ] {
        let bad = Heard { name: "PrintStarted".into(), payload: payload.into(), age_ms: 0 };
        let good = Heard { name: good.name.clone(), payload: good.payload.clone(), age_ms: 0 };
        let refused = bench.tracker.restore(&[good, bad], state, &bench.world);
        assert_eq!((refused, bench.tracker.save()), (Err(expected.to_string()), before.clone()), "{state} {payload}");
    }
    bench.tick(&["ping"]);
    assert_eq!(bench.said(), ["ping octoprint_uptime=12 printer_state=PRINTING"]);
}

#[test]
fn an_age_beyond_all_measure_does_no_harm() {
    for (payload, pings) in
        [(json!({"uptime": 1e300}), 0), (json!({"uptime": -1e300}), 1), (json!({}), 1), (Value::Null, 1)]
    {
        for (age_ms, pings) in [(0, pings), (1 << 62, 0), (u64::MAX, 0)] {
            let heard = Heard { name: "octoprint_started".into(), payload: payload.to_string(), age_ms };
            let mut bench = Bench::on();
            bench.tracker.restore(&[heard], "{}", &bench.world).unwrap();
            bench.tick(&["ping"]);
            assert_eq!(bench.said().len(), pings, "{payload} {age_ms}");
        }
    }
}
