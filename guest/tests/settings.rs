//! The settings document: its schema, its defaults, and what is refused.
#![allow(missing_docs)]

mod common;

use common::Bench;
use glassbox_tracker::SETTINGS_SCHEMA;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

fn schema() -> Value {
    serde_json::from_str(SETTINGS_SCHEMA).unwrap()
}

/// Every property of the schema, those in `events` too.
fn properties(schema: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        all.push((name.clone(), property.clone()));
        all.extend(properties(property).into_iter().map(|(inner, property)| (format!("{name}.{inner}"), property)));
    }
    all
}

fn defaults(schema: &Value) -> Map<String, Value> {
    let properties = schema["properties"].as_object().unwrap();
    let default = |property: &Value| match property.get("properties") {
        Some(_) => Value::Object(defaults(property)),
        None => property["default"].clone(),
    };
    properties.iter().map(|(name, property)| (name.clone(), default(property))).collect()
}

#[test]
fn every_key_of_the_schema_is_explained() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let all = properties(&schema);
    assert_eq!(all.len(), 4 + 12);
    for (name, property) in all {
        assert!(property["title"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        assert!(property.get("default").is_some(), "{name}");
    }
}

#[test]
fn the_schema_has_exactly_the_keys_of_the_settings() {
    let names: BTreeSet<_> = properties(&schema()).into_iter().map(|(name, _)| name).collect();
    // Whether tracking is on at all is the host's affair alone.
    let expected: BTreeSet<_> = wrong_types().into_iter().map(|(key, _)| key).chain(["enabled".into()]).collect();
    assert_eq!(names, expected);
}

#[test]
fn the_schemas_defaults_are_those_in_force() {
    let document = Value::Object(defaults(&schema()));
    let said = |settings: Value| {
        let mut bench = Bench::with(settings);
        bench.start("1.11.8");
        bench.event("PrintStarted", json!({"path": "a.gcode"}));
        bench.event("octoprint_stopping", Value::Null);
        bench.said()
    };
    assert_eq!(said(json!({})), said(document.clone()));
    // These are the host's affair, which has them in the manifest.
    let manifest: toml::Table = toml::from_str(include_str!("../tracker.toml")).unwrap();
    for request in manifest["says"].as_array().unwrap() {
        if let Some(every) = request.get("every") {
            assert_eq!(document[every["setting"].as_str().unwrap()], every["default"].as_integer().unwrap());
        }
    }
}

#[test]
fn all_switches_default_to_true() {
    for (name, property) in properties(&schema()["properties"]["events"]) {
        assert_eq!(property["default"], true, "{name}");
    }
}

/// Every key of the document, and values that it must not have.
fn wrong_types() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for key in ["ping", "pong"] {
        for value in [json!("900"), json!(-1), json!(1.5), json!(true), json!(31_622_401), json!(1e300)] {
            all.push((key.to_string(), value));
        }
    }
    all.push(("events".to_string(), json!([])));
    for (switch, _) in properties(&schema()["properties"]["events"]) {
        for value in [json!("false"), json!(0), json!({})] {
            all.push((format!("events.{switch}"), value));
        }
    }
    all
}

#[test]
fn values_of_the_wrong_type_are_refused_by_name() {
    for (key, value) in wrong_types() {
        let document = match key.strip_prefix("events.") {
            Some(switch) => json!({"events": {switch: value}}),
            None => json!({&key: value}),
        };
        let error = Bench::default().tracker.load(&document.to_string()).unwrap_err();
        assert!(error.starts_with(&format!("{key} must be ")), "{key}: {value}: {error}");
    }
}

#[test]
fn other_bad_documents_are_refused() {
    for (document, expected) in [
        (r#"{"ping": 31622401}"#, "ping must be a whole number of seconds, 0 to 31622400"),
        (r#"{"pong": "daily"}"#, "pong must be a whole number of seconds, 0 to 31622400"),
        ("[]", "the document must be a JSON object"),
        ("null", "the document must be a JSON object"),
        ("enabled: true", "expected value at line 1 column 1"),
        ("", "EOF while parsing a value at line 1 column 0"),
    ] {
        let refused = Bench::default().tracker.load(document);
        assert_eq!(refused, Err(expected.to_string()), "{document}");
    }
}

#[test]
fn a_refused_document_leaves_the_old_settings_in_force() {
    for bad in
        ["[]", "{", r#"{"ping": "x"}"#, r#"{"pong": 5, "events": 1}"#, r#"{"events": {"slicing": true, "plugin": 1}}"#]
    {
        let mut bench = Bench::with(json!({"events": {"slicing": false}}));
        bench.tracker.load(bad).unwrap_err();
        bench.event("PrintStarted", json!({"path": "a.gcode"}));
        bench.event("SlicingStarted", json!({}));
        assert_eq!(bench.said(), ["print_started file=a.gcode"], "{bad}");
    }
}

#[test]
fn the_longest_interval_is_a_year() {
    Bench::with(json!({"ping": 31_622_400, "pong": 31_622_400}));
}

#[test]
fn keys_of_others_are_left_alone() {
    let other = json!({"unheard_of": [1], "events": {"unheard_of": 5}, "server": null, "ping": null});
    Bench::with(other);
}
