//! The server starts and stops: `startup`, `shutdown`, and what is sent with the start.
#![allow(missing_docs)]

mod common;

use common::{Bench, SECOND, settings};
use serde_json::{Value, json};

const NOTHING: [&str; 0] = [];

#[test]
fn ping_pong_and_startup_go_out_with_the_first_tick() {
    let mut bench = Bench::on();
    bench.event("environment", json!({"octoprint": {"version": "1.11.8"}}));
    assert_eq!((bench.next, bench.said()), (None, vec![]));
    bench.sleep_until(5.0);
    bench.event("octoprint_started", json!({"uptime": 3}));
    assert_eq!((bench.next_s(), bench.said()), (Some(5.0), vec![]));
    bench.tick();
    let expected = ["ping octoprint_uptime=3 printer_state=OFFLINE", "pong version=1.11.8", "startup version=1.11.8"];
    assert_eq!(bench.said(), expected);
    assert_eq!(bench.next_s(), Some(905.0));
}

#[test]
fn they_go_out_once_per_server_run() {
    let mut bench = Bench::running("1.11.8");
    bench.tick();
    bench.load(&settings(json!({"ping": 800})));
    bench.tick();
    assert_eq!(bench.said(), NOTHING);
    let mut successor = bench.successor(7, 1);
    successor.tick();
    assert_eq!(successor.said(), NOTHING);
}

#[test]
fn bus_events_heard_before_the_first_tick_come_first() {
    let mut bench = Bench::on();
    bench.event("SlicingStarted", json!({"slicer": "cura"}));
    bench.event("octoprint_started", json!({"uptime": 0}));
    bench.event("PrintStarted", json!({"path": "a.gcode"}));
    bench.tick();
    assert_eq!(bench.names(), ["slicing_started", "print_started", "ping", "pong", "startup"]);
}

#[test]
fn nothing_is_sent_unless_enabled_is_true() {
    for enabled in [json!({}), json!({"enabled": null}), json!({"enabled": false})] {
        let mut bench = Bench::default();
        bench.load(&enabled);
        everything(&mut bench);
        assert_eq!(bench.said(), NOTHING, "{enabled}");
    }
    let mut bench = Bench::default();
    everything(&mut bench);
    assert_eq!(bench.said(), NOTHING, "before any settings");
}

/// No call may ask for a tick.
fn everything(bench: &mut Bench) {
    bench.world.throttle.set(Some(5));
    let print = json!({"path": "a.gcode", "origin": "local"});
    let events = [
        ("octoprint_started", json!({"uptime": 1})),
        ("Connected", json!({"connector": "serial"})),
        ("FirmwareData", json!({"name": "Marlin"})),
        ("Connected", json!({"connector": "serial"})),
        ("PrintStarted", print.clone()),
        ("PrintFailed", print),
        ("Error", json!({"reason": "timeout", "error": "late"})),
        ("plugin_pi_support_throttle_state", common::throttle_event(5)),
        ("octoprint_stopping", Value::Null),
        ("octoprint_started", json!({"uptime": 1})),
    ];
    for (name, payload) in events {
        bench.event(name, payload);
        assert_eq!(bench.next, None, "{name}");
        bench.tick();
        assert_eq!(bench.next, None, "tick after {name}");
    }
    bench.sleep_until(100_000.0);
    bench.tick();
    assert_eq!(bench.next, None);
}

#[test]
fn switched_on_later_it_starts_with_the_next_tick() {
    for off in [json!(false), json!(null)] {
        let mut bench = Bench::with(json!({"enabled": off}));
        bench.start("1.11.8");
        bench.event("PrinterStateChanged", json!({"state_id": "OPERATIONAL"}));
        bench.sleep_until(2000.5);
        bench.load(&settings(json!({})));
        assert_eq!(bench.said(), NOTHING);
        bench.tick();
        let expected =
            ["ping octoprint_uptime=2000 printer_state=OPERATIONAL", "pong version=1.11.8", "startup version=1.11.8"];
        assert_eq!((bench.next_s(), bench.said()), (Some(2900.5), expected.map(String::from).to_vec()));
    }
}

#[test]
fn shutdown_is_sent_once_and_ends_the_run() {
    let mut bench = Bench::running("1.11.8");
    bench.event("octoprint_stopping", Value::Null);
    assert_eq!((bench.next, bench.said()), (None, vec!["shutdown".to_string()]));
    bench.event("octoprint_stopping", json!({}));
    bench.tick();
    bench.run_until(100_000);
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn shutdown_is_not_sent_before_startup() {
    let mut bench = Bench::on();
    bench.event("octoprint_stopping", Value::Null);
    bench.event("octoprint_started", json!({"uptime": 0}));
    bench.event("octoprint_stopping", Value::Null);
    bench.tick();
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn with_startup_off_there_is_no_shutdown_either() {
    let mut bench = Bench::with(json!({"events": {"startup": false}}));
    bench.start("1.11.8");
    bench.event("octoprint_stopping", Value::Null);
    assert_eq!(bench.names(), ["ping", "pong"]);
}

#[test]
fn a_server_that_starts_again_is_a_new_run() {
    let mut bench = Bench::running("2.0.0");
    bench.event("PrinterStateChanged", json!({"state_id": "PRINTING"}));
    bench.event("octoprint_stopping", Value::Null);
    bench.said();
    bench.sleep_until(60.0);
    bench.event("octoprint_started", json!({"uptime": 2}));
    bench.tick();
    let expected = ["ping octoprint_uptime=2 printer_state=CLOSED", "pong version=2.0.0", "startup version=2.0.0"];
    assert_eq!((bench.next_s(), bench.said()), (Some(960.0), expected.map(String::from).to_vec()));
}

#[test]
fn a_server_that_starts_again_without_a_word_of_stopping_is_a_new_run_too() {
    let mut bench = Bench::running("1.11.8");
    bench.sleep_until(60.0);
    bench.event("octoprint_started", json!({"uptime": 0}));
    bench.tick();
    assert_eq!((bench.next_s(), bench.names()), (Some(960.0), ["ping", "pong", "startup"].map(String::from).to_vec()));
}

#[test]
fn an_event_that_is_not_json_is_an_error_and_changes_nothing() {
    let mut bench = Bench::on();
    let error = bench.tracker.on_event("octoprint_started", "{", &bench.world).unwrap_err();
    assert_eq!(error, "octoprint_started: EOF while parsing an object at line 1 column 1");
    bench.tick();
    assert_eq!((bench.next, bench.said()), (None, vec![]));
}

#[test]
fn events_with_no_object_send_nothing() {
    let mut bench = Bench::on();
    for payload in [json!(null), json!([]), json!("text"), json!(1)] {
        for event in ["octoprint_started", "PrintStarted", "Error", "SlicingStarted", "plugin_firmware_check_warning"] {
            bench.event(event, payload.clone());
            bench.tick();
        }
    }
    bench.event("NoSuchEvent", json!({"path": "a.gcode"}));
    assert_eq!((bench.next, bench.said()), (None, vec![]));
}

#[test]
fn the_clock_may_begin_anywhere() {
    let mut bench = Bench::on();
    *bench.world.clock.borrow_mut() = 1 << 60;
    bench.start("1.11.8");
    assert_eq!(bench.next, Some((1 << 60) + 900 * SECOND));
}
