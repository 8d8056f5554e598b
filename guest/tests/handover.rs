//! The next instance carries on where the last one stopped, even if its clock counts from another moment.
#![allow(missing_docs)]

mod common;

use common::{Bench, SECOND, settings, throttle_event};
use serde_json::{Value, json};

const NOTHING: [&str; 0] = [];

#[test]
fn timers_keep_the_time_they_have_left() {
    let mut bench = Bench::with(json!({"ping": 900, "pong": 2000}));
    bench.world.throttle.set(Some(0));
    bench.start("1.12.0");
    bench.said();
    bench.sleep_until(100.0);
    bench.event("Connected", json!({"connector": "serial"}));
    bench.sleep_until(105.0);

    // 108 s by the old clock are 5000 s by the new one.
    let mut successor = bench.successor(5000, 3);
    successor.world.throttle.set(Some(1));
    successor.load(&settings(json!({"ping": 900, "pong": 2000})));
    successor.tick();
    assert_eq!((successor.next_s(), successor.said()), (Some(5007.0), vec![]));
    successor.run_until(6895);
    assert_eq!(
        successor.timeline(),
        ["5007 printer_connected", "5192 system_throttled", "5792 ping", "6692 ping", "6892 pong"]
    );
}

#[test]
fn the_new_clock_may_be_behind_the_age() {
    let mut bench = Bench::running("1.11.8");
    bench.sleep_until(850.0);
    let mut successor = bench.successor(0, 10);
    successor.tick();
    assert_eq!((successor.next_s(), successor.said()), (Some(40.0), vec![]));
    successor.run_until(40);
    assert_eq!(successor.said(), ["ping octoprint_uptime=900 printer_state=OFFLINE"]);
}

#[test]
fn restored_timers_follow_the_settings() {
    let state = Bench::running("1.11.8").save();
    for (ping, expected) in [(0, 86_400.0), (60, 60.0), (5000, 900.0)] {
        let mut bench = Bench::with(json!({"ping": ping}));
        bench.tracker.restore(&state, 0, &bench.world).unwrap();
        bench.tick();
        assert_eq!((bench.next_s(), bench.said()), (Some(expected), vec![]), "{ping}");
    }
}

#[test]
fn what_was_heard_is_known() {
    let mut bench = Bench::running("2.1.0");
    bench.event("PrinterStateChanged", json!({"state_id": "OPERATIONAL"}));
    bench.event("environment", json!({"third_party_plugins": "a:1", "achievements": "one"}));
    bench.event("plugin_achievements_achievement_unlocked", json!({"key": "two"}));
    let mut successor = bench.successor(10, 0);
    successor.run_until(10);
    successor.tick();
    successor.run_until(86_410);
    let sent = successor.world.sent.take();
    assert_eq!(common::print(&sent[0].1), "ping octoprint_uptime=900 printer_state=OPERATIONAL");
    let pong = sent.iter().find(|(_, request)| request.name == "pong").unwrap();
    assert_eq!(common::print(&pong.1), "pong version=2.1.0 plugins=a:1 achievements=one,two");
    assert!(sent.iter().all(|(_, request)| request.user_agent == "OctoPrint/2.1.0"));
}

#[test]
fn startup_is_sent_once_whoever_sends_it() {
    let mut bench = Bench::on();
    bench.event("octoprint_started", json!({"uptime": 5}));
    let mut second = bench.successor(1000, 2);
    assert_eq!(second.said(), NOTHING);
    second.tick();
    assert_eq!(second.said(), ["ping octoprint_uptime=7 printer_state=OFFLINE", "pong", "startup"]);
    let mut third = second.successor(0, 1);
    third.tick();
    assert_eq!(third.said(), NOTHING);
    third.event("octoprint_stopping", Value::Null);
    assert_eq!(third.said(), ["shutdown"]);
    let mut fourth = third.successor(0, 1);
    fourth.event("octoprint_stopping", Value::Null);
    fourth.tick();
    assert_eq!((fourth.next, fourth.said()), (None, vec![]));
}

#[test]
fn a_timer_that_ran_out_meanwhile_fires_at_once_and_once() {
    let mut successor = Bench::running("1.11.8").successor(50, 3000);
    assert_eq!(successor.said(), NOTHING);
    successor.tick();
    assert_eq!(successor.said(), ["ping octoprint_uptime=3000 printer_state=OFFLINE"]);
    // The grid's next line, at 3600 s of uptime.
    assert_eq!(successor.next_s(), Some(650.0));
    successor.tick();
    assert_eq!(successor.said(), NOTHING);
}

#[test]
fn a_connection_that_waited_long_enough_meanwhile_is_reported_at_once() {
    let mut bench = Bench::running("1.12.0");
    bench.event("Connected", json!({"connector": "serial"}));
    let mut successor = bench.successor(0, 20);
    successor.tick();
    successor.event("FirmwareData", json!({"name": "late"}));
    assert_eq!(successor.said(), ["printer_connected printer_connector=serial"]);
}

#[test]
fn a_connection_that_waits_for_its_firmware_gets_it() {
    let mut bench = Bench::running("1.11.8");
    bench.event("Connected", json!({"port": "/dev/ttyACM0", "baudrate": 250_000}));
    let mut successor = bench.successor(0, 60);
    successor.tick();
    successor.event("FirmwareData", json!({"name": "Marlin"}));
    let expected = "printer_connected firmware_name=Marlin printer_port=/dev/ttyACM0 printer_baudrate=250000";
    assert_eq!(successor.said(), [expected]);
}

#[test]
fn a_print_that_runs_is_known() {
    let mut bench = Bench::running("2.1.0");
    bench.event("PrintStarted", json!({"path": "a.gcode", "origin": "local"}));
    let mut successor = bench.successor(0, 60);
    successor.event("PrintFailed", json!({"connector": "serial"}));
    let expected = "print_failed origin=local file=a.gcode printer_connector=serial reason=unknown";
    assert_eq!(successor.said(), [expected]);
}

#[test]
fn an_error_that_comes_again_is_known() {
    let error = json!({"reason": "firmware", "error": "Oh no"});
    let mut bench = Bench::running("2.1.0");
    bench.event("Error", error.clone());
    let mut successor = bench.successor(77, 0);
    successor.event("Error", error.clone());
    assert_eq!(successor.said(), NOTHING);
    let mut later = bench.successor(77, 2);
    later.event("Error", error);
    assert_eq!(later.said(), ["commerror_firmware commerror_text=Oh no"]);
}

#[test]
fn who_watches_throttling_is_known() {
    let mut told = Bench::running("1.11.8");
    told.event("plugin_pi_support_throttle_state", throttle_event(0x10000));
    let unanswered = Bench::running("1.11.8");
    let mut watched = Bench::on();
    watched.event("environment", json!({"pi_support": {}}));
    watched.start("1.11.8");
    for bench in [told, unanswered, watched] {
        let mut successor = bench.successor(0, 400);
        successor.world.throttle.set(Some(1));
        successor.tick();
        assert_eq!((successor.next_s(), successor.world.throttle_asked.get()), (Some(500.0), 0));
        assert_eq!(successor.said(), NOTHING);
    }
}

#[test]
fn a_throttle_reading_is_not_reported_twice() {
    let mut bench = Bench::on();
    bench.world.throttle.set(Some(5));
    bench.start("1.11.8");
    let mut successor = bench.successor(0, 60);
    successor.world.throttle.set(Some(5));
    successor.tick();
    assert_eq!((successor.next_s(), successor.world.throttle_asked.get()), (Some(30.0), 1));
    successor.event("plugin_pi_support_throttle_state", throttle_event(5));
    assert_eq!(successor.said(), NOTHING);
}

#[test]
fn a_throttle_reading_that_waits_for_its_report_gets_it() {
    let mut bench = Bench::running("1.11.8");
    bench.world.throttle.set(Some(5));
    bench.event("PrintStarted", json!({"path": "a.gcode"}));
    let mut successor = bench.successor(0, 1);
    successor.world.throttle.set(Some(5));
    successor.tick();
    successor.tick();
    assert_eq!(successor.names(), ["system_throttled"]);
}

/// A state in which everything is known.
fn full() -> Bench {
    let mut bench = Bench::running("1.12.0");
    bench.sleep_until(12.25);
    bench.event("PrinterStateChanged", json!({"state_id": "PRINTING"}));
    bench.event("Connected", json!({"connector": "serial"}));
    bench.event("PrintStarted", json!({"path": "secret/thing.gcode", "origin": "local"}));
    bench.event("Error", json!({"reason": "firmware", "error": "Plain words"}));
    bench.event("plugin_pi_support_throttle_state", throttle_event(0x50000));
    bench.said();
    bench
}

#[test]
fn the_saved_text_is_json_without_texts_of_errors() {
    let saved = full().save();
    let value: Value = serde_json::from_str(&saved).unwrap();
    let keys = [
        "server_start_ns",
        "start_reported",
        "next_ping_ns",
        "next_pong_ns",
        "printer_state",
        "connection",
        "job",
        "last_error",
        "throttle",
        "environment",
    ];
    assert_eq!(value.as_object().unwrap().len(), keys.len());
    for key in keys {
        assert!(!value[key].is_null(), "{key}");
    }
    assert_eq!(value["next_ping_ns"], 887_750_000_000_u64);
    for secret in ["Plain", "words"] {
        assert!(!saved.contains(secret), "{secret} in {saved}");
    }
}

#[test]
fn what_was_restored_is_saved_alike() {
    let bench = full();
    assert_eq!(bench.successor(9999, 0).save(), bench.save());
    assert_eq!(Bench::on().successor(9999, 5).save(), Bench::on().save());
}

#[test]
fn garbage_is_refused_and_changes_nothing() {
    let mut bench = full();
    let before = bench.save();
    for (garbage, expected) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("nonsense", "expected ident at line 1 column 2"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("null", "the saved state is not a JSON object"),
        ("[]", "the saved state is not a JSON object"),
        ("5", "the saved state is not a JSON object"),
    ] {
        let refused = bench.tracker.restore(garbage, 5 * SECOND, &bench.world);
        assert_eq!((refused, bench.save()), (Err(expected.to_string()), before.clone()), "{garbage}");
    }
}

#[test]
fn parts_of_the_wrong_kind_are_not_known() {
    let empty = Bench::on().save();
    let keys: Vec<_> = serde_json::from_str::<Value>(&empty).unwrap().as_object().unwrap().keys().cloned().collect();
    for key in keys {
        for wrong in [json!(null), json!("x"), json!([]), json!(1e300), json!({})] {
            let mut bench = Bench::on();
            let garbage = json!({ &key: wrong }).to_string();
            bench.tracker.restore(&garbage, 0, &bench.world).unwrap();
            bench.event("Error", json!({"reason": "firmware", "error": "x"}));
            bench.event("FirmwareData", json!({"name": "x"}));
            bench.tick();
            assert!(bench.said().iter().all(|said| !said.starts_with("ping")), "{garbage}");
        }
    }
}

#[test]
fn times_beyond_all_measure_do_no_harm() {
    let error = json!({"reason": "firmware", "error": "x"});
    let mut bench = Bench::running("1.12.0");
    bench.event("Error", error.clone());
    let mut saved: Value = serde_json::from_str(&bench.save()).unwrap();
    for time in [i64::MIN, i64::MAX] {
        for key in ["server_start_ns", "next_ping_ns", "next_pong_ns"] {
            saved[key] = time.into();
        }
        saved["connection"] = json!({"deadline_ns": time});
        saved["last_error"]["at_ns"] = time.into();
        saved["throttle"]["next_poll_ns"] = time.into();
        for age in [0, u64::MAX] {
            let mut bench = Bench::on();
            bench.tracker.restore(&saved.to_string(), age, &bench.world).unwrap();
            bench.tick();
            bench.event("Error", error.clone());
            bench.save();
        }
    }
}
