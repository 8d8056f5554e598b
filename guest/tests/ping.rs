//! `ping` and `pong`, and their timers.
#![allow(missing_docs)]

mod common;

use common::{Bench, settings};
use glassbox_tracker::Method;
use serde_json::{Value, json};

#[test]
fn only_pong_is_a_post() {
    let mut bench = Bench::on();
    bench.start("1.11.8");
    bench.event("octoprint_stopping", Value::Null);
    let sent = bench.world.sent.take();
    let methods: Vec<_> = sent.iter().map(|(_, request)| (&*request.name, request.method)).collect();
    let expected = [("ping", Method::Get), ("pong", Method::Post), ("startup", Method::Get), ("shutdown", Method::Get)];
    assert_eq!(methods, expected);
}

#[test]
fn timers_follow_their_grid() {
    let mut bench = Bench::with(json!({"ping": 100, "pong": 250}));
    bench.sleep_until(1000.0);
    bench.start("1.11.8");
    bench.said();
    bench.run_until(1510);
    let expected =
        ["1100 ping", "1200 ping", "1250 pong", "1300 ping", "1400 ping", "1500 pong", "1500 ping"].map(String::from);
    assert_eq!(bench.timeline(), expected);
    assert_eq!(bench.next_s(), Some(1600.0));
}

#[test]
fn an_early_tick_does_nothing() {
    let mut bench = Bench::running("1.11.8");
    bench.sleep_until(899.999);
    bench.tick();
    assert_eq!((bench.next_s(), bench.said()), (Some(900.0), vec![]));
}

#[test]
fn an_interval_of_zero_is_never() {
    let mut bench = Bench::with(json!({"ping": 0, "pong": 0}));
    bench.start("1.11.8");
    assert_eq!((bench.next, bench.names()), (None, vec!["startup".to_string()]));

    let mut bench = Bench::with(json!({"ping": 0}));
    bench.start("1.11.8");
    bench.run_until(86_400);
    assert_eq!(bench.timeline(), ["0 pong", "0 startup", "86400 pong"]);
}

#[test]
fn an_interval_may_become_zero_and_come_back() {
    let mut bench = Bench::running("1.11.8");
    bench.load(&settings(json!({"ping": 0, "pong": 0})));
    bench.tick();
    assert_eq!(bench.next, None);
    bench.sleep_until(50.0);
    bench.load(&settings(json!({"ping": 60, "pong": 0})));
    bench.tick();
    bench.run_until(180);
    assert_eq!(bench.timeline(), ["110 ping", "170 ping"]);
}

#[test]
fn a_shorter_interval_counts_from_now() {
    let mut bench = Bench::running("1.11.8");
    bench.sleep_until(100.0);
    bench.load(&settings(json!({"ping": 60})));
    bench.tick();
    bench.run_until(225);
    assert_eq!(bench.timeline(), ["160 ping", "220 ping"]);
}

#[test]
fn late_timers_are_not_made_up_for() {
    let mut bench = Bench::running("1.11.8");
    bench.sleep_until(3500.0);
    bench.tick();
    assert_eq!((bench.next_s(), bench.timeline()), (Some(3600.0), vec!["3500 ping".to_string()]));
    bench.tick();
    bench.run_until(3600);
    assert_eq!(bench.timeline(), ["3600 ping"]);
}

#[test]
fn a_late_pong_is_not_made_up_for_either() {
    let mut bench = Bench::with(json!({"ping": 0, "pong": 100}));
    bench.start("1.11.8");
    bench.said();
    bench.sleep_until(350.0);
    bench.tick();
    assert_eq!((bench.next_s(), bench.timeline()), (Some(400.0), vec!["350 pong".to_string()]));
}

#[test]
fn a_late_timer_fires_even_if_settings_are_loaded_first() {
    let mut bench = Bench::running("1.11.8");
    bench.sleep_until(950.0);
    bench.load(&settings(json!({})));
    bench.tick();
    assert_eq!((bench.next_s(), bench.timeline()), (Some(1800.0), vec!["950 ping".to_string()]));
}

#[test]
fn off_and_on_again_carries_on_with_the_grid() {
    let mut bench = Bench::running("1.11.8");
    bench.sleep_until(100.0);
    bench.load(&settings(json!({"enabled": false})));
    bench.tick();
    assert_eq!(bench.next, None);
    bench.sleep_until(2000.0);
    bench.tick();
    bench.load(&settings(json!({})));
    bench.tick();
    assert_eq!((bench.next_s(), bench.said()), (Some(2700.0), vec![]));
    bench.run_until(3600);
    assert_eq!(bench.timeline(), ["2700 ping", "3600 ping"]);
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
        (json!(1e300), "9223372036"),
    ] {
        let mut bench = Bench::on();
        bench.event("octoprint_started", json!({"uptime": uptime}));
        bench.sleep_until(0.6);
        bench.tick();
        let expected = format!("ping octoprint_uptime={expected} printer_state=OFFLINE");
        assert_eq!(bench.said()[0], expected, "{uptime}");
    }
}

#[test]
fn uptime_grows_with_the_server() {
    let mut bench = Bench::on();
    bench.event("octoprint_started", json!({"uptime": 12.5}));
    bench.tick();
    bench.said();
    bench.run_until(1800);
    let expected =
        ["ping octoprint_uptime=912 printer_state=OFFLINE", "ping octoprint_uptime=1812 printer_state=OFFLINE"];
    assert_eq!(bench.said(), expected);
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
    let mut bench = Bench::on();
    for state in [json!("OPERATIONAL"), json!("PRINTING"), json!(null), json!("two words"), json!(""), json!(["x"])] {
        bench.event("PrinterStateChanged", json!({"state_id": state, "state_string": "Printing"}));
    }
    bench.start("1.11.8");
    assert_eq!(bench.said()[0], "ping octoprint_uptime=0 printer_state=PRINTING");
}
