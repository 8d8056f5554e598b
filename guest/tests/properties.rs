//! What holds for any payload: no panic, no report that is not, to the byte, what the manifest's pins make of what was heard,
//! and no field that depends on data that it should not depend on.
#![allow(missing_docs)]

mod common;
mod manifest;

use common::{Bench, START, Sent};
use glassbox_tracker::{Heard, Machine};
use manifest::{Known, Manifest};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;
use regex::Regex;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> = LazyLock::new(Manifest::read);

static PYTHON_FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"\A-?([0-9]+\.[0-9]+|[0-9](\.[0-9]+)?e(\+[1-9][0-9]|-0[5-9]|-[1-9][0-9]{1,2}))\z";
    Regex::new(pattern).unwrap()
});

fn config() -> Config {
    Config { failure_persistence: None, ..Config::with_cases(300) }
}

/// A float of at most 15 digits. The JSON parser reads these exactly; with more digits, it may be off
/// by one bit, which is the price of a small component.
fn decimal() -> impl Strategy<Value = f64> {
    let whole = -999_999_999_999_999_i64..=999_999_999_999_999;
    (whole, 0..=20).prop_map(|(digits, places)| format!("{digits}e-{places}").parse().unwrap())
}

/// Scalars that OctoPrint might send, and some that it never sends.
fn scalar() -> impl Strategy<Value = Value> {
    let likely = [
        json!("a.gcode"),
        json!("local"),
        json!("firmware"),
        json!("OPERATIONAL"),
        json!("1.11.8"),
        json!("2.1.0.dev1"),
        json!("unknown"),
        json!("5"),
        json!("1.50"),
        json!("True"),
        json!(""),
        json!("x".repeat(300)),
        json!("ü".repeat(5000)),
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        (0..5).prop_map(Value::from),
        decimal().prop_map(Value::from),
        select(vec![1e21, -1e19, 1e300]).prop_map(Value::from),
        select(likely.to_vec()),
        "[a-zA-Z0-9_. /-]{0,70}".prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ]
}

/// Any JSON.
fn json() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        let object = prop::collection::vec((".{0,6}", inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

/// An event that the tracker handles, with some of its keys.
fn event() -> impl Strategy<Value = (String, Value)> {
    select(MANIFEST.sees.clone()).prop_flat_map(|(name, keys)| {
        let value = prop_oneof![4 => scalar(), 1 => json()];
        let object = prop::collection::vec(prop::option::weighted(0.8, value), keys.len());
        let object = object.prop_map(move |values| {
            let mut payload = Map::new();
            for (key, value) in keys.iter().zip(values) {
                put(&mut payload, key, value);
            }
            Value::Object(payload)
        });
        (Just(name), prop_oneof![9 => object, 1 => json()])
    })
}

/// Insert a value at the place that the manifest's dotted name means.
fn put(payload: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    let Some(value) = value else { return };
    // What the host shows of these is no text of somebody's choice.
    let value = match key {
        "path" if value.is_string() => json!("0123456789abcdef0123456789abcdef01234567"),
        "path" => Value::Null,
        "achievements" => json!("one,two"),
        _ => value,
    };
    match key.split_once('.') {
        None => drop(payload.insert(key.into(), value)),
        Some((part, key)) => payload.entry(part).or_insert_with(|| json!({}))[key] = value,
    }
}

/// Settings with some switches off.
fn settings() -> impl Strategy<Value = Value> {
    let switches = MANIFEST.says.iter().filter_map(|request| request.get("switch")?.as_str()?.strip_prefix("events."));
    let switches: Vec<_> = switches.map(String::from).collect();
    prop::collection::btree_map(select(switches), any::<bool>(), 0..6).prop_map(|events| json!({ "events": events }))
}

/// A machine of which some things are known.
fn machine() -> impl Strategy<Value = Machine> {
    let text = || prop::option::of("[a-zA-Z0-9 ]{0,10}");
    let numbers = (prop::option::of(0_u32..200), prop::option::of(decimal()), prop::option::of(any::<u64>()));
    (text(), text(), numbers).prop_map(|(os, pi_model, (cores, frequency_mhz, memory_bytes))| Machine {
        os,
        pi_model: pi_model.clone(),
        octopi_version: pi_model,
        bits: cores,
        cores,
        frequency_mhz,
        memory_bytes,
        ..Machine::default()
    })
}

/// Parts of the throttle event, and the fields that report them.
const THROTTLED: [(&str, &str); 7] = [
    ("raw_value", "throttled_mask"),
    ("current_issue", "throttled_now"),
    ("past_issue", "throttled_past"),
    ("current_undervoltage", "throttled_voltage_now"),
    ("past_undervoltage", "throttled_voltage_past"),
    ("current_overheat", "throttled_overheat_now"),
    ("past_overheat", "throttled_overheat_past"),
];

/// Each report that was sent must be one that the pins make of what was heard; and each that they make must be sent, unless
/// the tracker has a reason.
fn check(bench: &Bench, known: &Known, before: &[Sent]) -> Result<(), TestCaseError> {
    let mut made = MANIFEST.made(known);
    for sent in bench.world.sent.take() {
        let same = made.iter().position(|made| *made == sent);
        prop_assert!(same.is_some(), "{:?} makes {:#?}, and not {:#?}", known.cause, made, sent);
        made.remove(same.unwrap());
    }
    for unsent in made {
        prop_assert!(may_be_silent(&unsent, known, before), "{:?} makes {:#?}, which is not sent", known.cause, unsent);
    }
    Ok(())
}

fn may_be_silent(unsent: &Sent, known: &Known, before: &[Sent]) -> bool {
    let payload = known.cause.err().and_then(|event| known.heard.get(event)).map(|(payload, _)| payload);
    let has = |key: &str| payload.is_some_and(|payload| payload.get(key).is_some_and(|value| !value.is_null()));
    let is_nothing = |(_, value): &(_, String)| {
        ["", "False"].contains(&&**value) || value.parse().is_ok_and(|number: f64| number == 0.0)
    };
    match &*unsent.name {
        // OctoPrint never fires these without a payload.
        _ if payload.is_some_and(Value::is_null) => true,
        // Once for each connection.
        "printer_connected" => true,
        // Only a print that was reported.
        "print_failed" => !has("path"),
        "shutdown" => known.heard.get("octoprint_started").is_none(),
        // Nothing is known of now, or something is of a type that OctoPrint never fires.
        "system_throttled" | "system_unthrottled" => {
            let said = |(_, field): &(&str, &str)| unsent.fields.iter().any(|(name, _)| name == field);
            !has("current_issue") || THROTTLED.iter().any(|part| has(part.0) && !said(part))
        }
        "webui_load" => unsent.fields.iter().any(is_nothing),
        // The same twice is one.
        name if name.starts_with("commerror_") => !has("error") || before.contains(unsent),
        _ => false,
    }
}

/// The one report that an event causes: its name and fields.
fn fields(version: &str, event: &str, payload: &Value) -> (String, Vec<(&'static str, String)>) {
    let mut bench = Bench::running(version);
    bench.event(event, payload.clone());
    let mut sent = bench.world.sent.take();
    let request = sent.pop().unwrap();
    assert!(sent.is_empty());
    (request.name, request.fields)
}

/// The names of the fields that differ.
fn differences(a: &[(&'static str, String)], b: &[(&'static str, String)]) -> Vec<&'static str> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).filter(|(a, b)| a != b).map(|(a, _)| a.0).collect()
}

/// Events, keys of their payloads, and the fields that report those.
const REPORTED: [(&str, &str, &str); 18] = [
    ("PrintStarted", "connector", "printer_connector"),
    ("PrintDone", "time", "elapsed"),
    ("PrintCancelled", "time", "elapsed"),
    ("PrintFailed", "time", "elapsed"),
    ("PrintFailed", "reason", "reason"),
    ("PrintFailed", "error", "commerror_text"),
    ("Error", "error", "commerror_text"),
    ("plugin_pluginmanager_install_plugin", "id", "plugin"),
    ("plugin_pluginmanager_disable_plugin", "version", "plugin_version"),
    ("plugin_softwareupdate_update_succeeded", "target", "target"),
    ("plugin_softwareupdate_update_succeeded", "from_version", "from_version"),
    ("plugin_softwareupdate_update_failed", "to_version", "to_version"),
    ("plugin_firmware_check_warning", "warning_type", "printer_safety_warning_type"),
    ("plugin_printer_safety_check_warning", "check_name", "printer_safety_check_name"),
    ("plugin_achievements_achievement_unlocked", "key", "achievement"),
    ("SlicingStarted", "slicer", "slicer"),
    ("webui_load", "browser_name", "browser_name"),
    ("webui_load", "os_version", "os_version"),
];

/// A payload that has every key of the event.
fn complete(event: &str) -> Value {
    let (_, keys) = MANIFEST.sees.iter().find(|(name, _)| name == event).unwrap();
    let mut payload: Map<_, _> = keys.iter().map(|key| (key.clone(), json!("x"))).collect();
    payload.insert("time".into(), 5.into());
    payload.insert("origin".into(), "local".into());
    Value::Object(payload)
}

/// Any finite float: small ones as often as large ones, and short ones of every size.
fn float() -> impl Strategy<Value = f64> {
    let any = any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite());
    let short = (-99..=99, -12..=20).prop_map(|(digits, exponent)| format!("{digits}e{exponent}").parse().unwrap());
    prop_oneof![any, short, decimal(), -1e20..1e20]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_report_is_what_the_pins_make_of_what_was_heard(
        version in prop_oneof![4 => select(vec![json!("1.11.8"), json!("1.12.0"), json!("2.1.0.dev1")]), 1 => scalar()],
        mask in prop::option::of(prop_oneof![Just(0), any::<u32>()]),
        machine in machine(),
        events in prop::collection::vec((event(), 0.0..100.0, prop::option::weighted(0.2, settings())), 1..12),
    ) {
        let mut bench = Bench::on();
        bench.world.throttle.set(mask);
        *bench.world.machine.borrow_mut() = machine;
        let first = [("environment", json!({"octoprint": {"version": version}})), ("octoprint_started", json!({"uptime": 3}))];
        let first = first.map(|(name, payload)| ((name.to_string(), payload), 0.0, None));
        let (mut seconds, mut sent) = (0.0, Vec::new());
        for ((name, payload), wait, settings) in first.into_iter().chain(events) {
            seconds += wait;
            bench.sleep_until(seconds);
            if let Some(settings) = settings {
                bench.change(settings);
            }
            let before = bench.heard.clone();
            bench.event(&name, payload);
            // When the server stops, what was heard until then counts.
            let heard = if name == "octoprint_stopping" { before } else { bench.heard.clone() };
            let now = bench.world.sent.borrow().clone();
            check(&bench, &Known { cause: Err(&name), heard: &heard, world: &bench.world, settings: &bench.settings }, &sent)?;
            sent.extend(now);
            let due = |due| Known { cause: Ok(due), heard: &bench.heard, world: &bench.world, settings: &bench.settings };
            let all = ["ping", "pong", "startup", "printer_connected"];
            // That is due from OctoPrint 1.12 on only.
            let due = if MANIFEST.made(&due(&all[3..])).is_empty() { due(&START) } else { due(&all) };
            let names = due.cause.unwrap();
            let names: Vec<_> = names.iter().map(|name| (*name).to_string()).collect();
            bench.tracker.on_tick(&names, &bench.world);
            check(&bench, &due, &sent)?;
        }
    }

    #[test]
    fn no_payload_of_any_other_event_makes_it_say_anything(name in "[a-zA-Z_]{0,20}", payload in json()) {
        prop_assume!(!MANIFEST.sees.iter().any(|(seen, _)| *seen == name));
        let mut bench = Bench::running("1.11.8");
        bench.event(&name, payload);
        prop_assert_eq!(bench.said().len(), 0);
    }

    #[test]
    fn the_flags_are_handed_over_unchanged(events in prop::collection::vec(event(), 1..12)) {
        let mut bench = Bench::running("1.12.0");
        for (name, payload) in events {
            bench.event(&name, payload);
        }
        prop_assert_eq!(bench.successor(5, 5).tracker.save(), bench.tracker.save());
    }

    #[test]
    fn nothing_that_is_shown_again_makes_it_panic_or_report(
        heard in prop::collection::vec((event(), any::<u64>()), 0..6),
        state in json(),
    ) {
        let mut bench = Bench::on();
        let heard = heard.into_iter().map(|((name, payload), age_ms)| Heard { name, payload: payload.to_string(), age_ms });
        let _ = bench.tracker.restore(&heard.collect::<Vec<_>>(), &state.to_string(), &bench.world);
        prop_assert_eq!(bench.said().len(), 0);
        bench.tick(&START);
        let _ = bench.tracker.save();
    }

    #[test]
    fn a_path_changes_nothing_but_the_file(
        event in select(vec!["PrintStarted", "PrintDone", "PrintFailed", "PrintCancelled"]),
        version in select(vec!["1.11.8", "2.1.0"]),
        other in prop::collection::btree_map(select(vec!["origin", "connector", "time", "reason", "error"]), json(), 0..5),
        a in ".{0,40}",
        b in ".{0,40}",
    ) {
        prop_assume!(a != b);
        let mut payload = json!(other);
        payload["path"] = a.into();
        let (name_a, fields_a) = fields(version, event, &payload);
        payload["path"] = b.into();
        let (name_b, fields_b) = fields(version, event, &payload);
        prop_assert_eq!(name_a, name_b);
        prop_assert_eq!(differences(&fields_a, &fields_b), ["file"]);
    }

    #[test]
    fn a_reported_value_changes_just_its_field(
        (event, key, field) in select(REPORTED.to_vec()),
        a in "[a-zA-Z0-9_.-]{1,64}",
        b in "[a-zA-Z0-9_.-]{1,64}",
        (a_s, b_s) in (1_u32.., 1_u32..),
    ) {
        prop_assume!(a != b && a_s != b_s);
        let values = if key == "time" { [json!(a_s), json!(b_s)] } else { [json!(a), json!(b)] };
        let mut payload = complete(event);
        let [a, b] = values.map(|value| {
            payload[key] = value.clone();
            let said = fields("2.1.0", event, &payload).1;
            (glassbox_tracker::python::text(&value), said)
        });
        prop_assert_eq!(differences(&a.1, &b.1), [field]);
        for (text, said) in [a, b] {
            prop_assert_eq!(said.into_iter().find(|(name, _)| *name == field).map(|(_, value)| value), text);
        }
    }

    #[test]
    fn floats_print_as_they_are(value in float()) {
        let text = glassbox_tracker::python::text(&Value::from(value));
        // Beyond 2^64 it may have been an integer.
        prop_assert_eq!(text.is_none(), value.abs() >= 18_446_744_073_709_551_616.0);
        if let Some(text) = text {
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{}", text);
            prop_assert!(PYTHON_FLOAT.is_match(&text), "{}", text);
            prop_assert_eq!(text.contains('e'), value != 0.0 && !(1e-4..1e16).contains(&value.abs()), "{}", text);
        }
    }

    #[test]
    fn floats_in_a_payload_print_as_they_are(value in decimal()) {
        let (_, fields) = fields("1.11.8", "plugin_pluginmanager_enable_plugin", &json!({"version": value}));
        prop_assert_eq!(fields[0].1.parse::<f64>().unwrap().to_bits(), value.to_bits());
    }
}
