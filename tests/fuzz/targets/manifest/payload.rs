//! What reaches a component of a payload: what is listed, and nothing beside it.

use glassbox_sandbox::manifest::{Enters, Sees};
use glassbox_sandbox::{Manifest, Policy, Settings};
use serde_json::{Map, Value, json};

/// What is in no listed field. No manifest that is accepted has such a character.
const SECRET: &str = "the owner's\u{7f}";

/// A field that is listed, and the form in which it enters.
struct Listed<'a> {
    path: Vec<&'a str>,
    enters: Option<Enters>,
}

/// Every event that the manifest lists, with the payload of the input and with one made for it. If there
/// is a manifest that was granted, what is seen is listed there too.
pub fn check(policy: &Policy, granted: Option<&Manifest>, payload: &str) {
    let on = Settings::parse(r#"{"enabled": true}"#).expect("it is one");
    let enters = glassbox_describe::entering(policy, &on);
    let is_shown = |event: &str| {
        policy.enter(event, "{}", "").is_ok_and(|entered| {
            entered.is_some_and(|entered| policy.shown(event, &entered, &policy.doors(&on)).is_some())
        })
    };
    for sees in policy.manifest().sees.iter().filter(|sees| is_shown(&sees.event)) {
        let listed = paths(sees);
        one(policy, &sees.event, &listed, payload);
        // What is no plain value does not pass, wherever it stands.
        for inner in [json!({"a": SECRET}), json!([1, {"a": SECRET}]), json!([1, [SECRET]]), json!([[]])] {
            let seen = one(policy, &sees.event, &listed, &made(&listed, &inner)).expect("it is JSON");
            assert!(!seen.to_string().contains(SECRET), "{seen}");
        }
        let seen = one(policy, &sees.event, &listed, &made(&listed, &"seen".into())).expect("it is JSON");
        assert!(!seen.to_string().contains(SECRET), "{seen}");
        let is_shown = |field: &&Listed| enters.contains(&format!("{}.{}", sees.event, field.path.join(".")));
        let plain = listed.iter().filter(is_shown).filter(|field| field.enters.is_none()).map(|field| &field.path);
        for path in plain.filter(|path| !listed.iter().any(|other| reaches_beyond(&other.path, path))) {
            let value = path.iter().try_fold(&seen, |value, key| value.get(key));
            assert_eq!(value, Some(&Value::from("seen")), "{path:?} is listed");
        }
        if let Some(before) = granted.and_then(|granted| granted.sees.iter().find(|before| before.event == sees.event))
        {
            is_listed(&paths(before), &mut Vec::new(), &seen, None);
        }
        let other = format!("{} ", sees.event);
        let others = policy.manifest().sees.iter().any(|sees| sees.event == other);
        assert!(others || matches!(policy.enter(&other, "{}", "salt"), Ok(None)));
    }
}

fn paths(sees: &Sees) -> Vec<Listed<'_>> {
    sees.fields.iter().map(|field| Listed { path: field.name.split('.').collect(), enters: field.enters }).collect()
}

/// What enters of it, looked at.
fn one(policy: &Policy, event: &str, listed: &[Listed], payload: &str) -> Option<Value> {
    let entered = policy.enter(event, payload, "salt").ok()?.expect("the event is listed");
    let on = Settings::parse(r#"{"enabled": true}"#).expect("it is one");
    let shown = policy.shown(event, &entered, &policy.doors(&on)).expect("it is shown");
    let seen: Value = serde_json::from_str(&shown).expect("it is JSON");
    is_listed(listed, &mut Vec::new(), &seen, Some(&serde_json::from_str(payload).expect("it was read")));
    if listed.iter().all(|field| field.enters.is_none()) {
        let again = policy.enter(event, &shown, "salt").expect("it is JSON").expect("the event is listed");
        assert_eq!(policy.shown(event, &again, &policy.doors(&on)), Some(shown), "what has entered is as it should be");
    }
    Some(seen)
}

/// All names are on the way to a listed field, and all values are at one: in the form in which it enters, or as they were.
fn is_listed<'a>(listed: &[Listed], at: &mut Vec<&'a str>, seen: &'a Value, before: Option<&Value>) {
    match seen {
        Value::Null => {}
        Value::Object(object) => {
            for (key, value) in object {
                at.push(key);
                assert!(listed.iter().any(|field| field.path.starts_with(at)), "{at:?} is not listed");
                is_listed(listed, at, value, before.map(|before| before.get(key).expect("it was there")));
                at.pop();
            }
        }
        Value::Array(_) => panic!("{at:?} is a list"),
        scalar => {
            let field = listed.iter().find(|field| field.path == *at);
            let field = field.unwrap_or_else(|| panic!("{at:?} is not listed"));
            match field.enters {
                None => {
                    // A number may lose its last bit.
                    let same = |before: &Value| before == seen || before.is_f64() && seen.is_f64();
                    assert!(before.is_none_or(same), "{at:?} is {seen}, and was {before:?}");
                }
                Some(how) => assert!(fits(how, scalar), "{at:?} as {how:?} is {seen}"),
            }
        }
    }
}

/// Whether a value is of this form.
fn fits(how: Enters, value: &Value) -> bool {
    let text = value.as_str();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-,".contains(c);
    match how {
        Enters::SaltedSha1 => text.is_some_and(|text| text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())),
        Enters::PortKind => text.is_some_and(|text| text.len() <= 20 && !text.contains(['@', ' '])),
        Enters::WholeSeconds => value.as_u64().is_some_and(|seconds| (1..1_000_000_000_000_000).contains(&seconds)),
        Enters::NamesAndVersions => text.is_some_and(|text| text.chars().count() <= 16_384),
        Enters::Words => text.is_some_and(|text| text.chars().all(is_plain)),
        Enters::ErrorText => text.is_none_or(|text| !text.contains(['\\', '@'])),
    }
}

/// Whether the path goes on behind this one, which so is no plain value's.
fn reaches_beyond(path: &[&str], this: &[&str]) -> bool {
    path.len() > this.len() && path.starts_with(this)
}

/// A payload with this value at all paths that are listed, and secrets beside it.
fn made(listed: &[Listed], value: &Value) -> String {
    let mut made = Map::new();
    listed.iter().for_each(|field| plant(&mut made, &field.path, value));
    made.insert("\u{7f}".into(), SECRET.into());
    Value::Object(made).to_string()
}

/// Put the value at the path, and secrets beside it.
fn plant(object: &mut Map<String, Value>, path: &[&str], value: &Value) {
    let [first, rest @ ..] = path else { return };
    object.insert(format!("{first}\u{7f}"), SECRET.into());
    if rest.is_empty() {
        object.entry(*first).or_insert_with(|| value.clone());
        return;
    }
    let inner = object.entry(*first).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    plant(inner.as_object_mut().expect("it was made so"), rest, value);
}
