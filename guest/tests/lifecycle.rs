//! The server starts and stops: `startup`, `shutdown`, and what is sent with the start.
#![allow(missing_docs)]

mod common;

use common::{Bench, START};
use serde_json::{Value, json};

const NOTHING: [&str; 0] = [];

#[test]
fn ping_pong_and_startup_go_out_when_they_are_due() {
    let mut bench = Bench::on();
    bench.event("environment", json!({"octoprint": {"version": "1.11.8"}}));
    bench.sleep_until(5.0);
    bench.event("octoprint_started", json!({"uptime": 3}));
    bench.tick(&[]);
    assert_eq!(bench.said(), NOTHING);
    bench.tick(&START);
    let expected = ["ping octoprint_uptime=3 printer_state=OFFLINE", "pong version=1.11.8", "startup version=1.11.8"];
    assert_eq!(bench.said(), expected);
}

#[test]
fn reports_that_it_does_not_know_are_not_sent_when_they_are_due() {
    let mut bench = Bench::running("1.11.8");
    bench.tick(&["print_started", "unheard_of", ""]);
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn a_ping_that_is_due_before_the_server_has_started_is_not_sent() {
    let mut bench = Bench::on();
    bench.tick(&["ping"]);
    bench.start("1.11.8");
    bench.event("octoprint_stopping", Value::Null);
    bench.said();
    bench.tick(&["ping"]);
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn shutdown_is_sent_once_and_ends_the_run() {
    let mut bench = Bench::running("1.11.8");
    bench.event("octoprint_stopping", Value::Null);
    assert_eq!(bench.said(), ["shutdown"]);
    bench.event("octoprint_stopping", json!({}));
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn shutdown_is_not_sent_before_the_start() {
    let mut bench = Bench::on();
    bench.event("octoprint_stopping", Value::Null);
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
    bench.tick(&START);
    let expected = ["ping octoprint_uptime=2 printer_state=CLOSED", "pong version=2.0.0", "startup version=2.0.0"];
    assert_eq!(bench.said(), expected);
}

#[test]
fn a_server_that_starts_again_without_a_word_of_stopping_is_a_new_run_too() {
    let mut bench = Bench::running("1.11.8");
    bench.sleep_until(60.0);
    bench.event("octoprint_started", json!({"uptime": 0}));
    bench.tick(&["ping"]);
    assert_eq!(bench.said(), ["ping octoprint_uptime=0 printer_state=OFFLINE"]);
}

#[test]
fn an_event_that_is_not_json_is_an_error_and_changes_nothing() {
    let mut bench = Bench::on();
    let error = bench.tracker.on_event("octoprint_started", "{", &bench.world).unwrap_err();
    assert_eq!(error, "octoprint_started: EOF while parsing an object at line 1 column 1");
    bench.tick(&["ping"]);
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn events_with_no_object_send_nothing() {
    let mut bench = Bench::on();
    for payload in [json!(null), json!([]), json!("text"), json!(1)] {
        for event in ["octoprint_started", "PrintStarted", "Error", "SlicingStarted", "plugin_firmware_check_warning"] {
            bench.event(event, payload.clone());
        }
    }
    bench.event("NoSuchEvent", json!({"path": "a.gcode"}));
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn the_clock_may_begin_anywhere() {
    let mut bench = Bench::on();
    bench.world.clock_ms.set(1 << 40);
    bench.start("1.11.8");
    bench.world.clock_ms.set((1 << 40) + 1500);
    bench.said();
    bench.tick(&["ping"]);
    assert_eq!(bench.said(), ["ping octoprint_uptime=1 printer_state=OFFLINE"]);
}
