//! `ping` and `pong`.
#![allow(missing_docs)]

mod common;

use common::Bench;
use glassbox_tracker::Method;
use serde_json::{Value, json};

#[test]
fn only_pong_is_a_post() {
    let mut bench = Bench::on();
    bench.start("1.11.8");
    bench.event("octoprint_stopping", Value::Null);
    let sent = bench.world.sent.take();
    let methods: Vec<_> = sent.iter().map(|request| (&*request.name, request.method)).collect();
    let expected = [("ping", Method::Get), ("pong", Method::Post), ("startup", Method::Get), ("shutdown", Method::Get)];
    assert_eq!(methods, expected);
}

#[test]
fn uptime_counts_from_what_the_server_says() {
    for (uptime, expected) in [
        (json!(12.5), "13"), // the ping goes out 0.6 s later
        (json!(100), "100"),
        (json!(0), "0"),
        (json!(-5), "0"),
        (json!(null), "0"),
        (json!("100"), "0"),
        (json!(true), "0"),
    ] {
        let mut bench = Bench::on();
        bench.event("octoprint_started", json!({"uptime": uptime}));
        bench.sleep_until(0.6);
        bench.tick(&["ping"]);
        assert_eq!(bench.said(), [format!("ping octoprint_uptime={expected} printer_state=OFFLINE")], "{uptime}");
    }
}

#[test]
fn an_uptime_beyond_all_measure_is_not_said() {
    for (uptime, count) in [(999_999_999_999.0, 1), (1e12, 0), (1e300, 0)] {
        let mut bench = Bench::on();
        bench.event("octoprint_started", json!({"uptime": uptime}));
        bench.tick(&["ping"]);
        assert_eq!(bench.said().len(), count, "{uptime}");
    }
}

#[test]
fn uptime_grows_with_the_server() {
    let mut bench = Bench::on();
    bench.event("octoprint_started", json!({"uptime": 12.5}));
    for (at, expected) in [(0.4, 12), (0.5, 13), (900.0, 912), (1_000_000.0, 1_000_012)] {
        bench.sleep_until(at);
        bench.tick(&["ping"]);
        assert_eq!(bench.said(), [format!("ping octoprint_uptime={expected} printer_state=OFFLINE")]);
    }
}

#[test]
fn an_unheard_printer_is_offline_below_2_0_and_closed_from_there() {
    for (version, expected) in [
        ("1.3.12", "OFFLINE"),
        ("1.12.0", "OFFLINE"),
        ("2.0.0rc1", "CLOSED"),
        ("2.1.0.dev12+g744c8359", "CLOSED"),
        ("10.0.0", "CLOSED"),
        ("not a version", "OFFLINE"),
    ] {
        let mut bench = Bench::on();
        bench.start(version);
        assert_eq!(bench.said()[0], format!("ping octoprint_uptime=0 printer_state={expected}"), "{version}");
    }
}

#[test]
fn ping_says_the_state_that_was_heard_last() {
    for (state, expected) in [
        (json!("PRINTING"), Some("PRINTING")),
        (json!(7), Some("7")),
        (json!(null), Some("OFFLINE")),
        // Nothing can be said of these, as a ping says a state.
        (json!("two words"), None),
        (json!(""), None),
    ] {
        let mut bench = Bench::running("1.11.8");
        for state in [json!("OPERATIONAL"), state.clone()] {
            bench.event("PrinterStateChanged", json!({"state_id": state, "state_string": "Printing"}));
        }
        bench.tick(&["ping"]);
        let expected = expected.map(|state| format!("ping octoprint_uptime=0 printer_state={state}"));
        assert_eq!(bench.said(), Vec::from_iter(expected), "{state}");
    }
}
