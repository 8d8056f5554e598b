//! Any payload at all, through the real component in the real sandbox: it never fails, nothing
//! undeclared is tried, and what is sent changes with what is reported and with nothing else.
#![allow(missing_docs)]

use glassbox_audit::conformance::recorded_request::decode;
use glassbox_contract::Deliver;
use glassbox_sandbox::manifest::Enters;
use glassbox_sandbox::{Settings, enter, percent_encode};
use glassbox_tests::{Bench, TRACKING, bench, settings};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn environment() -> impl Strategy<Value = String> {
    prop_oneof![Just("1.11.8".to_string()), Just("2.1.0.dev+unknown.g744c8359".into()), "[0-9.]{0,8}", any::<String>()]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z_]{1,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,10}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// An event that the tracker sees, with a payload of its own fields and any values.
fn event() -> impl Strategy<Value = (String, Value)> {
    let seen: Vec<_> =
        TRACKING.policy.manifest().sees.iter().map(|sees| (sees.event.clone(), sees.fields.clone())).collect();
    prop::sample::select(seen).prop_flat_map(|(event, fields)| {
        let values = prop::collection::vec(prop::option::of(json_value()), fields.len());
        let object = values.prop_map(move |values| {
            let mut payload = Value::Object(Map::new());
            for (field, value) in fields.iter().zip(values) {
                if let Some(value) = value {
                    // Of `a.b` an object in an object; what lies across is replaced.
                    let (outer, inner) = field.name.split_once('.').unwrap_or((&field.name, ""));
                    payload[outer] = if inner.is_empty() { value } else { json!({ inner: value }) };
                }
            }
            payload
        });
        (Just(event), prop_oneof![9 => object, 1 => json_value()])
    })
}

fn tracker() -> Bench {
    let mut bench = bench(&TRACKING);
    bench.instance.load(&settings(&[])).unwrap().unwrap();
    bench
}

fn sent(bench: &mut Bench, event: &str, payload: &Value) -> Vec<(String, Vec<(String, String)>)> {
    // Of some events only the host hears.
    let outcome = bench.instance.on_event(event, &payload.to_string()).unwrap().unwrap_or_default();
    assert_eq!(outcome.blocked, [], "{event} {payload}");
    outcome.sent.into_iter().map(|request| (request.name, request.fields)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_payload_makes_it_fail_or_try_what_it_may_not(version in environment(), events in prop::collection::vec(event(), 1..8), mask in prop::option::of(any::<u32>())) {
        let mut bench = tracker();
        bench.throttle.set(mask);
        sent(&mut bench, "environment", &json!({"octoprint": {"version": version}}));
        for (i, (event, payload)) in events.iter().enumerate() {
            bench.clock.set((i as u64 + 1) * 20_000_000_000);
            sent(&mut bench, event, payload);
            // What is due may be unsent here: a state that is no word can be said by nobody.
            prop_assert_eq!(bench.instance.on_tick().unwrap().blocked, []);
        }
        bench.instance.save().unwrap();
    }

    #[test]
    fn another_path_is_another_hash_and_nothing_else(a in any::<String>(), b in any::<String>()) {
        let started = |path: &str| sent(&mut tracker(), "PrintStarted", &json!({"path": path, "origin": "local"})).remove(0).1;
        let (first, second) = (started(&a), started(&b));
        prop_assert_eq!(&first[0], &("origin".to_string(), "local".to_string()));
        prop_assert_eq!(first.len(), 2);
        prop_assert_eq!(a == b, first == second);
    }

    #[test]
    fn another_value_changes_just_that_field(field in 0_usize..3, text in "[a-zA-Z0-9 +&%ü.-]{1,40}") {
        let keys = ["target", "from_version", "to_version"];
        let mut payload = json!({"target": "t", "from_version": "1", "to_version": "2"});
        let before = sent(&mut tracker(), "plugin_softwareupdate_update_failed", &payload).remove(0).1;
        payload[keys[field]] = text.clone().into();
        let after = sent(&mut tracker(), "plugin_softwareupdate_update_failed", &payload).remove(0).1;
        for i in 0..3 {
            prop_assert_eq!(&after[i].1, if i == field { &text } else { &before[i].1 });
        }
    }

    #[test]
    fn encoding_can_be_undone_and_has_only_bare_characters(text in any::<String>()) {
        let encoded = percent_encode(&text);
        prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-~%".contains(&byte)));
        prop_assert_eq!(decode(&encoded), text);
    }

    #[test]
    fn any_value_enters_in_any_form_or_not_at_all(value in json_value(), text in any::<String>(), words in "[a-z0-9 /.:@'\"\\\\]{0,60}") {
        let forms = [Enters::SaltedSha1, Enters::PortKind, Enters::WholeSeconds, Enters::NamesAndVersions, Enters::Words, Enters::ErrorText];
        for form in forms {
            for value in [&value, &text.clone().into(), &words.clone().into()] {
                let _ = enter(form, value, "salt");
            }
        }
        // What was taken out stays out, and no more is: a text that has entered is as it should be.
        let once = enter(Enters::ErrorText, &words.into(), "").unwrap();
        let once = once.as_str().unwrap();
        // A heater's power, as in `T:210.0 @:127`, is nobody's address.
        let is_power = |word: &str| word.split_once('@').is_some_and(|(heater, power)| {
            let number = power.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(':');
            heater.len() <= 1 && number.is_some_and(|number| number.len() <= 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
        });
        let is_taken = |word: &str| !word.contains('\\') && (!word.contains('@') || is_power(word));
        prop_assert!(once.split_whitespace().all(is_taken), "{}", once);
    }

    #[test]
    fn any_settings_text_is_read_or_refused(text in any::<String>(), value in json_value()) {
        let _ = Settings::parse(&text);
        if let Ok(document) = Settings::parse(&value.to_string()) {
            let mut bench = bench(&TRACKING);
            // Accepted or not: no trap.
            let _ = bench.instance.load(&document).unwrap();
        }
    }
}
