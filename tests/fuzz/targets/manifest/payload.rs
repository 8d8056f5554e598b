//! What reaches a component of a payload: what is listed, and nothing beside it.

use glassbox_sandbox::manifest::Sees;
use glassbox_sandbox::{Manifest, Policy};
use serde_json::{Map, Value, json};

/// What is in no listed field. No manifest that is accepted has such a character.
const SECRET: &str = "the owner's\u{7f}";

/// Every event that the manifest lists, with the payload of the input and with one made for it. If there
/// is a manifest that was granted, what is seen is listed there too.
pub fn check(policy: &Policy, granted: Option<&Manifest>, payload: &str) {
    for sees in &policy.manifest().sees {
        let listed = paths(sees);
        one(policy, &sees.event, &listed, payload);
        // What is no plain value does not pass, wherever it stands.
        for inner in [json!({"a": SECRET}), json!([1, {"a": SECRET}]), json!([1, [SECRET]]), json!([[]])] {
            let seen = one(policy, &sees.event, &listed, &made(&listed, &inner)).expect("it is JSON");
            assert!(!seen.to_string().contains(SECRET), "{seen}");
        }
        let seen = one(policy, &sees.event, &listed, &made(&listed, &"seen".into())).expect("it is JSON");
        assert!(!seen.to_string().contains(SECRET), "{seen}");
        for path in listed.iter().filter(|path| !listed.iter().any(|other| reaches_beyond(other, path))) {
            let value = path.iter().try_fold(&seen, |value, key| value.get(key));
            assert_eq!(value, Some(&Value::from("seen")), "{path:?} is listed");
        }
        if let Some(before) = granted.and_then(|granted| granted.sees.iter().find(|before| before.event == sees.event))
        {
            is_listed(&paths(before), &mut Vec::new(), &seen, None);
        }
        let other = format!("{} ", sees.event);
        let others = policy.manifest().sees.iter().any(|sees| sees.event == other);
        assert!(others || matches!(policy.cut(&other, "{}"), Ok(None)));
    }
}

fn paths(sees: &Sees) -> Vec<Vec<&str>> {
    sees.fields.iter().map(|path| path.split('.').collect()).collect()
}

/// What is left of it, looked at.
fn one(policy: &Policy, event: &str, listed: &[Vec<&str>], payload: &str) -> Option<Value> {
    let cut = policy.cut(event, payload).ok()?.expect("the event is listed");
    let seen: Value = serde_json::from_str(&cut).expect("it is JSON");
    is_listed(listed, &mut Vec::new(), &seen, Some(&serde_json::from_str(payload).expect("it was read")));
    assert_eq!(policy.cut(event, &cut).expect("it is JSON"), Some(cut), "what was cut is as it should be");
    Some(seen)
}

/// All names are on the way to a listed field, all values are at one, and as they were.
fn is_listed<'a>(listed: &[Vec<&str>], at: &mut Vec<&'a str>, seen: &'a Value, before: Option<&Value>) {
    let as_it_was = before.is_none_or(|before| before == seen);
    let exact = listed.iter().any(|path| path == at);
    match seen {
        Value::Null => {}
        Value::Object(object) => {
            for (key, value) in object {
                at.push(key);
                assert!(listed.iter().any(|path| path.starts_with(at)), "{at:?} is not listed");
                is_listed(listed, at, value, before.map(|before| before.get(key).expect("it was there")));
                at.pop();
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            for (i, value) in list.iter().enumerate() {
                assert!(value.is_object());
                is_listed(listed, at, value, before.map(|before| before.get(i).expect("it was there")));
            }
        }
        Value::Array(list) => {
            assert!(list.iter().all(|value| !value.is_array()));
            assert!(list.is_empty() || exact, "{at:?} is not listed");
            assert!(as_it_was, "{at:?} is {seen}, and was {before:?}");
        }
        _ => {
            assert!(exact, "{at:?} is not listed");
            assert!(as_it_was, "{at:?} is {seen}, and was {before:?}");
        }
    }
}

/// Whether the path goes on behind this one, which so is no plain value's.
fn reaches_beyond(path: &[&str], this: &[&str]) -> bool {
    path.len() > this.len() && path.starts_with(this)
}

/// A payload with this value at all paths that are listed, and secrets beside it.
fn made(listed: &[Vec<&str>], value: &Value) -> String {
    let mut made = Map::new();
    listed.iter().for_each(|path| plant(&mut made, path, value));
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
