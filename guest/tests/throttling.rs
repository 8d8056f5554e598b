//! Throttling: who watches it, how often, and that no change is reported twice.
#![allow(missing_docs)]

mod common;

use common::{Bench, settings, throttle_event};
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

/// On a machine that answers the throttle query; what is sent at the start is left out.
fn polling(mask: u32) -> Bench {
    let mut bench = Bench::on();
    bench.world.throttle.set(Some(mask));
    bench.start("1.11.8");
    bench.said();
    bench
}

fn print_started() -> (&'static str, Value) {
    ("PrintStarted", json!({"path": "a.gcode"}))
}

fn only_throttling(said: Vec<String>) -> Vec<String> {
    said.into_iter().filter(|said| said.starts_with("system_")).collect()
}

#[test]
fn the_first_reading_counts() {
    for (mask, expected) in [(0, CALM_SAID), (BAD, BAD_SAID), (OVER, OVER_SAID)] {
        let mut bench = Bench::on();
        bench.world.throttle.set(Some(mask));
        bench.start("1.11.8");
        let said = bench.said();
        assert_eq!((said.len(), &*said[3]), (4, expected));
        bench.tick();
        assert_eq!(bench.said(), NOTHING);
    }
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
        let mut bench = Bench::on();
        bench.world.throttle.set(Some(mask));
        bench.start("1.11.8");
        let sent = bench.world.sent.take();
        let request = &sent[3].1;
        let values: String = request.fields.iter().map(|(_, value)| format!(" {value}")).collect();
        assert_eq!(request.name.clone() + &values, expected, "{mask:x}");
    }
}

#[test]
fn it_asks_every_300_s_and_while_throttled_every_30_s() {
    let mut bench = polling(0);
    assert_eq!((bench.next_s(), bench.world.throttle_asked.get()), (Some(300.0), 1));
    bench.run_until(500);
    assert_eq!((bench.next_s(), bench.world.throttle_asked.get()), (Some(600.0), 2));
    assert_eq!(bench.said(), NOTHING);
    bench.world.throttle.set(Some(BAD));
    bench.run_until(650);
    assert_eq!((bench.next_s(), bench.world.throttle_asked.get()), (Some(660.0), 4));
    assert_eq!(bench.said(), [BAD_SAID]);
    bench.world.throttle.set(Some(OVER));
    bench.run_until(660);
    assert_eq!((bench.next_s(), bench.world.throttle_asked.get()), (Some(900.0), 5));
    assert_eq!(bench.said(), [OVER_SAID]);
    bench.run_until(960);
    assert_eq!(bench.world.throttle_asked.get(), 6);
}

#[test]
fn it_does_not_ask_where_octoprint_watches() {
    let mut bench = Bench::on();
    bench.world.throttle.set(Some(BAD));
    bench.event("environment", json!({"pi_support": {"model": "Pi 4"}}));
    bench.start("1.11.8");
    bench.run_until(800);
    assert_eq!(bench.world.throttle_asked.get(), 0);
    assert_eq!(only_throttling(bench.said()), NOTHING);
}

#[test]
fn it_does_not_ask_after_octoprint_told() {
    let mut bench = Bench::on();
    bench.world.throttle.set(Some(0));
    bench.event(EVENT, throttle_event(BAD));
    bench.start("1.11.8");
    bench.run_until(800);
    assert_eq!(bench.world.throttle_asked.get(), 0);
    assert_eq!(only_throttling(bench.said()), [BAD_SAID]);

    let mut bench = polling(0);
    bench.event(EVENT, throttle_event(BAD));
    assert_eq!((bench.next_s(), bench.said()), (Some(900.0), vec![BAD_SAID.to_string()]));
}

#[test]
fn it_asks_only_while_the_server_runs() {
    let mut bench = Bench::on();
    bench.world.throttle.set(Some(BAD));
    bench.tick();
    assert_eq!((bench.next, bench.said()), (None, vec![]));
    bench.start("1.11.8");
    bench.event("octoprint_stopping", Value::Null);
    bench.tick();
    assert_eq!((bench.next, bench.world.throttle_asked.get()), (None, 1));
}

#[test]
fn where_there_is_no_such_query_it_stops_asking() {
    let mut bench = Bench::running("1.11.8");
    bench.run_until(100_000);
    assert_eq!(bench.world.throttle_asked.get(), 1);
    assert_eq!(only_throttling(bench.said()), NOTHING);
}

#[test]
fn a_query_that_answers_in_a_print_is_asked_from_then_on() {
    let mut bench = Bench::running("1.11.8");
    bench.world.throttle.set(Some(BAD));
    let (name, payload) = print_started();
    bench.event(name, payload);
    bench.run_until(299);
    bench.world.throttle.set(Some(OVER));
    bench.run_until(800);
    assert_eq!(only_throttling(bench.said()), [BAD_SAID, OVER_SAID]);
}

#[test]
fn a_query_that_fails_once_is_asked_again() {
    let mut bench = polling(0);
    bench.world.throttle.set(None);
    bench.run_until(300);
    bench.world.throttle.set(Some(BAD));
    bench.run_until(600);
    assert_eq!(bench.said(), [BAD_SAID]);
}

#[test]
fn a_change_first_seen_in_a_print_is_reported_once_with_the_next_tick() {
    let mut bench = polling(0);
    bench.sleep_until(10.0);
    bench.world.throttle.set(Some(BAD));
    let (name, payload) = print_started();
    bench.event(name, payload.clone());
    assert_eq!(bench.next_s(), Some(10.0));
    bench.event(name, payload);
    assert_eq!(bench.names(), ["print_started", "print_started"]);
    bench.tick();
    assert_eq!(bench.said(), [BAD_SAID]);
    bench.tick();
    bench.run_until(800);
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn a_change_first_seen_in_an_error_is_reported_once_with_the_next_tick() {
    let mut bench = polling(BAD);
    bench.world.throttle.set(Some(OVER));
    bench.event("Error", json!({"reason": "timeout", "error": "late"}));
    assert_eq!(bench.said(), [format!("commerror_timeout commerror_text=late{OVER_FIELDS}")]);
    bench.tick();
    bench.run_until(800);
    assert_eq!(bench.said(), [OVER_SAID]);
}

#[test]
fn an_event_that_equals_what_was_reported_is_not_reported_again() {
    let mut bench = polling(BAD);
    bench.event(EVENT, throttle_event(BAD));
    bench.tick();
    assert_eq!(bench.said(), NOTHING);
    bench.event(EVENT, throttle_event(OVER));
    assert_eq!(bench.said(), [OVER_SAID]);
}

#[test]
fn a_change_seen_in_a_print_and_then_told_is_reported_once() {
    let mut bench = polling(0);
    bench.world.throttle.set(Some(BAD));
    let (name, payload) = print_started();
    bench.event(name, payload);
    bench.event(EVENT, throttle_event(BAD));
    bench.tick();
    bench.run_until(800);
    let expected = [&format!("print_started file={}{BAD_FIELDS}", file()), BAD_SAID];
    assert_eq!(bench.said(), expected);
}

/// SHA-1 of `a.gcode` and the salt.
fn file() -> &'static str {
    "a.gcode"
}

#[test]
fn prints_and_errors_say_so_if_there_is_or_was_an_issue() {
    for (mask, expected) in [(BAD, BAD_FIELDS), (OVER, OVER_FIELDS), (0, ""), (8, "")] {
        let mut bench = polling(mask);
        for event in ["PrintStarted", "PrintDone", "PrintFailed", "PrintCancelled"] {
            bench.event(event, json!({"path": "a.gcode"}));
        }
        bench.event("Error", json!({"reason": "timeout", "error": "late"}));
        let expected = [
            format!("print_started file={}{expected}", file()),
            format!("print_done file={}{expected}", file()),
            format!("print_failed file={} reason=unknown{expected}", file()),
            format!("print_cancelled file={}{expected}", file()),
            format!("commerror_timeout commerror_text=late{expected}"),
        ];
        assert_eq!(bench.said(), expected);
    }
}

#[test]
fn where_octoprint_watches_prints_still_say_what_is_now() {
    let mut bench = Bench::on();
    bench.event("environment", json!({"pi_support": {}}));
    bench.start("1.11.8");
    bench.event(EVENT, throttle_event(OVER));
    bench.said();
    bench.world.throttle.set(Some(BAD));
    let (name, payload) = print_started();
    bench.event(name, payload);
    bench.tick();
    assert_eq!(bench.said(), [format!("print_started file={}{BAD_FIELDS}", file())]);
}

#[test]
fn without_a_query_prints_say_what_octoprint_told_last() {
    let mut bench = Bench::running("1.11.8");
    bench.event(EVENT, throttle_event(0));
    bench.event(EVENT, throttle_event(BAD));
    bench.said();
    let (name, payload) = print_started();
    bench.event(name, payload);
    assert_eq!(bench.said(), [format!("print_started file={}{BAD_FIELDS}", file())]);
}

#[test]
fn what_polling_found_is_not_repeated_when_the_query_says_none() {
    let mut bench = polling(BAD);
    bench.world.throttle.set(None);
    let (name, payload) = print_started();
    bench.event(name, payload);
    assert_eq!(bench.said(), [format!("print_started file={}", file())]);
}

#[test]
fn an_event_that_lacks_a_part_is_not_believed() {
    for key in throttle_event(BAD).as_object().unwrap().keys() {
        for wrong in [None, Some(json!("True")), Some(json!(-1)), Some(json!(1_u64 << 40)), Some(json!([]))] {
            let mut bench = Bench::running("1.11.8");
            let mut payload = throttle_event(BAD);
            match &wrong {
                Some(wrong) => payload[key] = wrong.clone(),
                None => drop(payload.as_object_mut().unwrap().remove(key)),
            }
            bench.event(EVENT, payload);
            assert_eq!(bench.said(), NOTHING, "{key}: {wrong:?}");
        }
    }
}

#[test]
fn a_part_that_is_null_is_not_known_and_left_out() {
    for (key, field) in [("raw_value", "throttled_mask=327685"), ("past_overheat", "throttled_overheat_past=False")] {
        let mut bench = Bench::running("1.11.8");
        let mut payload = throttle_event(BAD);
        payload[key] = Value::Null;
        bench.event(EVENT, payload);
        assert_eq!(bench.said(), [BAD_SAID.replace(&format!(" {field}"), "")]);
        // As little is known when a print starts.
        let (name, payload) = print_started();
        bench.event(name, payload);
        assert_eq!(bench.said(), [format!("print_started file={}", file())]);
    }
}

#[test]
fn with_the_switch_off_it_does_not_ask_but_prints_say_so() {
    let mut bench = Bench::with(json!({"events": {"throttled": false}}));
    bench.world.throttle.set(Some(BAD));
    bench.start("1.11.8");
    assert_eq!((bench.next_s(), bench.world.throttle_asked.get()), (Some(900.0), 0));
    let (name, payload) = print_started();
    bench.event(name, payload);
    bench.tick();
    bench.event(EVENT, throttle_event(OVER));
    assert_eq!(bench.said()[3..], [format!("print_started file={}{BAD_FIELDS}", file())]);
}

#[test]
fn switched_on_it_begins_to_ask() {
    let mut bench = Bench::with(json!({"events": {"throttled": false}}));
    bench.world.throttle.set(Some(BAD));
    bench.start("1.11.8");
    bench.said();
    bench.load(&settings(json!({})));
    bench.tick();
    assert_eq!(bench.said(), [BAD_SAID]);
}

#[test]
fn an_issue_first_seen_in_a_print_is_asked_after_from_there() {
    let mut bench = polling(0);
    bench.sleep_until(10.0);
    bench.world.throttle.set(Some(BAD));
    let (event, payload) = print_started();
    bench.event(event, payload);
    bench.tick();
    bench.said();
    bench.world.throttle.set(Some(OVER));
    bench.run_until(39);
    assert_eq!(only_throttling(bench.said()), NOTHING);
    bench.run_until(40);
    assert_eq!(only_throttling(bench.said()), [OVER_SAID]);
}
