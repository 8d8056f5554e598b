//! Throttling: what OctoPrint, or the host in its place, tells of it is reported, and prints and errors say so.
#![allow(missing_docs)]

mod common;

use common::{Bench, throttle_event};
use serde_json::{Value, json};

const NOTHING: [&str; 0] = [];
const EVENT: &str = "plugin_pi_support_throttle_state";

/// Under-voltage and throttled, now and before.
const BAD: u32 = 0x50005;
const BAD_SAID: &str = "system_throttled throttled_now=True throttled_past=True throttled_mask=327685 \
                        throttled_voltage_now=True throttled_voltage_past=True throttled_overheat_now=False \
                        throttled_overheat_past=False";
const BAD_FIELDS: &str = " throttled_now=True throttled_past=True throttled_mask=327685";

/// The same, but now all is well.
const OVER: u32 = 0x50000;
const OVER_SAID: &str = "system_unthrottled throttled_now=False throttled_past=True throttled_mask=327680 \
                         throttled_voltage_now=False throttled_voltage_past=True throttled_overheat_now=False \
                         throttled_overheat_past=False";
const OVER_FIELDS: &str = " throttled_now=False throttled_past=True throttled_mask=327680";

const CALM_SAID: &str = "system_unthrottled throttled_now=False throttled_past=False throttled_mask=0 \
                         throttled_voltage_now=False throttled_voltage_past=False throttled_overheat_now=False \
                         throttled_overheat_past=False";

/// On a machine that answers the throttle query.
fn asking(mask: u32) -> Bench {
    let bench = Bench::running("1.11.8");
    bench.world.throttle.set(Some(mask));
    bench
}

fn print_started() -> (&'static str, Value) {
    ("PrintStarted", json!({"path": "a.gcode"}))
}

#[test]
fn every_change_that_is_told_is_reported() {
    let mut bench = Bench::running("1.11.8");
    for mask in [0, BAD, OVER, BAD] {
        bench.event(EVENT, throttle_event(mask));
    }
    assert_eq!(bench.said(), [CALM_SAID, BAD_SAID, OVER_SAID, BAD_SAID]);
    bench.tick(&["ping"]);
    assert_eq!(bench.names(), ["ping"]);
}

#[test]
fn every_bit_has_its_place() {
    for (mask, expected) in [
        (0x1, "system_throttled True False 1 True False False False"),
        (0x2, "system_throttled True False 2 False False True False"),
        (0x4, "system_throttled True False 4 False False False False"),
        (0x8, "system_unthrottled False False 8 False False False False"),
        (0x10000, "system_unthrottled False True 65536 False True False False"),
        (0x20000, "system_unthrottled False True 131072 False False False True"),
        (0x40000, "system_unthrottled False True 262144 False False False False"),
        (0xffff_ffff, "system_throttled True True 4294967295 True True True True"),
    ] {
        let mut bench = Bench::running("1.11.8");
        bench.event(EVENT, throttle_event(mask));
        let sent = bench.world.sent.take();
        let request = &sent[0];
        let values: String = request.fields.iter().map(|(_, value)| format!(" {value}")).collect();
        assert_eq!(request.name.clone() + &values, expected, "{mask:x}");
    }
}

#[test]
fn prints_and_errors_say_so_if_there_is_or_was_an_issue() {
    for (mask, expected) in [(BAD, BAD_FIELDS), (OVER, OVER_FIELDS), (0, ""), (8, "")] {
        let mut bench = asking(mask);
        for event in ["PrintStarted", "PrintDone", "PrintFailed", "PrintCancelled"] {
            bench.event(event, json!({"path": "a.gcode"}));
        }
        bench.event("Error", json!({"reason": "timeout", "error": "late"}));
        let expected = [
            format!("print_started file=a.gcode{expected}"),
            format!("print_done file=a.gcode{expected}"),
            format!("print_failed file=a.gcode reason=unknown{expected}"),
            format!("print_cancelled file=a.gcode{expected}"),
            format!("commerror_timeout commerror_text=late{expected}"),
        ];
        assert_eq!(bench.said(), expected);
    }
}

#[test]
fn only_prints_and_errors_ask() {
    let mut bench = asking(BAD);
    bench.event("environment", json!({"pi_support": {"model": "Pi 4"}}));
    bench.event("SlicingStarted", json!({}));
    bench.tick(&["ping", "pong", "startup"]);
    assert_eq!(bench.world.throttle_asked.get(), 0);
}

#[test]
fn where_the_query_answers_prints_say_what_is_now() {
    let mut bench = Bench::running("1.11.8");
    bench.event(EVENT, throttle_event(OVER));
    bench.said();
    bench.world.throttle.set(Some(BAD));
    let (name, payload) = print_started();
    bench.event(name, payload);
    assert_eq!(bench.said(), [format!("print_started file=a.gcode{BAD_FIELDS}")]);
}

#[test]
fn without_a_query_prints_say_what_octoprint_told_last() {
    let mut bench = Bench::running("1.11.8");
    bench.event(EVENT, throttle_event(0));
    bench.event(EVENT, throttle_event(BAD));
    bench.said();
    let (name, payload) = print_started();
    bench.event(name, payload);
    assert_eq!(bench.said(), [format!("print_started file=a.gcode{BAD_FIELDS}")]);
}

#[test]
fn without_a_word_on_issues_now_it_is_told_as_octoprint_does_and_that_field_is_left_out() {
    let mut bench = Bench::running("1.11.8");
    let mut payload = throttle_event(BAD);
    payload["current_issue"] = Value::Null;
    bench.event(EVENT, payload);
    let fields = "throttled_past=True throttled_mask=327685 throttled_voltage_now=True throttled_voltage_past=True \
                  throttled_overheat_now=False throttled_overheat_past=False";
    assert_eq!(bench.said(), [format!("system_unthrottled {fields}")]);
}

#[test]
fn an_event_with_a_part_of_the_wrong_type_is_not_reported() {
    for key in throttle_event(BAD).as_object().unwrap().keys() {
        for wrong in [json!("yes"), json!(-1), json!(1_u64 << 40), json!([])] {
            let mut bench = Bench::running("1.11.8");
            let mut payload = throttle_event(BAD);
            payload[key] = wrong.clone();
            bench.event(EVENT, payload);
            assert_eq!(bench.said(), NOTHING, "{key}: {wrong}");
        }
    }
}

#[test]
fn prints_believe_an_event_only_if_mask_and_issues_are_known() {
    for (key, wrong) in [("raw_value", json!(1_u64 << 40)), ("past_issue", json!(1)), ("current_issue", json!("True"))]
    {
        let mut bench = Bench::running("1.11.8");
        let mut payload = throttle_event(BAD);
        payload[key] = wrong.clone();
        bench.event(EVENT, payload);
        bench.said();
        let (name, payload) = print_started();
        bench.event(name, payload);
        assert_eq!(bench.said(), ["print_started file=a.gcode"], "{key}: {wrong}");
    }
}

#[test]
fn a_part_that_is_null_is_not_known_and_left_out() {
    for (key, field, said_in_print) in
        [("raw_value", "throttled_mask=327685", ""), ("past_overheat", "throttled_overheat_past=False", BAD_FIELDS)]
    {
        let mut bench = Bench::running("1.11.8");
        let mut payload = throttle_event(BAD);
        payload[key] = Value::Null;
        bench.event(EVENT, payload);
        assert_eq!(bench.said(), [BAD_SAID.replace(&format!(" {field}"), "")]);
        let (name, payload) = print_started();
        bench.event(name, payload);
        assert_eq!(bench.said(), [format!("print_started file=a.gcode{said_in_print}")]);
    }
}

#[test]
fn with_the_switch_off_prints_say_so_still() {
    let mut bench = Bench::with(json!({"events": {"throttled": false}}));
    bench.event(EVENT, throttle_event(BAD));
    assert_eq!(bench.said(), NOTHING);
    let (name, payload) = print_started();
    bench.event(name, payload);
    assert_eq!(bench.said(), [format!("print_started file=a.gcode{BAD_FIELDS}")]);
}
