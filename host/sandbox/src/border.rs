//! The border: what of an event's payload enters the box, and in which form. What may not leave is not shown in the first
//! place: a path enters as its hash, a port as its kind. What cannot be made into the form asked for enters as null, "not
//! known". Which fields of which events enter is the manifest's affair; what leaves is checked in `gate.rs`.

use crate::error_text::{error_text, has_serial};
use crate::manifest::{Enters, SeenField};
use glassbox_contract::hex;
use serde_json::{Map, Value};
use sha1::{Digest, Sha1};
use std::collections::HashMap;
use std::fmt::Write;

/// Characters of a list of names and versions; the longest that OctoPrint's server takes.
const LIST_CHARS: usize = 16_384;

/// Characters of a name or a version in such a list.
const NAME_CHARS: usize = 256;

/// The most words that enter: OctoPrint has some fifty achievements.
const WORDS: usize = 200;

/// Characters of such a word.
const WORD_CHARS: usize = 64;

/// Longer times, in seconds, are mistakes; up to here a float counts every second.
const LONGEST: f64 = 1e15;

/// What of one event enters: the listed fields, as a tree of the names in their paths.
#[derive(Debug, Default)]
pub(crate) struct Border {
    fields: HashMap<String, Border>,
    enters: Option<Enters>,
}

impl Border {
    /// For these fields.
    pub(crate) fn new(fields: &[SeenField]) -> Self {
        let mut border = Self::default();
        for field in fields {
            let mut at = &mut border;
            for name in field.name.split('.').take(crate::limits::PATH) {
                at = at.fields.entry(name.into()).or_default();
            }
            at.enters = field.enters;
        }
        border
    }

    /// Of an object, what is listed, as it enters.
    pub(crate) fn cut(&self, object: Map<String, Value>, salt: &str) -> Map<String, Value> {
        let listed = object.into_iter().filter_map(|(key, value)| Some((self.fields.get(&key)?, key, value)));
        listed.map(|(field, key, value)| (key, field.pass(value, salt))).collect()
    }

    fn pass(&self, value: Value, salt: &str) -> Value {
        match (value, self.enters) {
            (Value::Object(object), _) if !self.fields.is_empty() => Value::Object(self.cut(object, salt)),
            _ if !self.fields.is_empty() => Value::Null,
            (Value::Array(_) | Value::Object(_), None) => Value::Null,
            (value, None) => value,
            (value, Some(how)) => enter(how, &value, salt).unwrap_or_default(),
        }
    }
}

/// A value in the form in which it enters; none if it cannot be made into that.
#[must_use]
pub fn enter(how: Enters, value: &Value, salt: &str) -> Option<Value> {
    Some(match how {
        // Without a salt the hash of a guessed path could be compared.
        Enters::SaltedSha1 if salt.is_empty() => return None,
        Enters::SaltedSha1 => hex(&Sha1::new().chain_update(value.as_str()?).chain_update(salt).finalize()).into(),
        Enters::PortKind => port_kind(value.as_str()?).into(),
        Enters::WholeSeconds => whole_seconds(value.as_f64()?)?.into(),
        Enters::NamesAndVersions => names_and_versions(value.as_array()?).into(),
        Enters::Words => words(value.as_array()?).into(),
        Enters::ErrorText if value.is_boolean() => value.clone(),
        Enters::ErrorText if value.is_number() && !has_serial(&value.to_string()) => value.clone(),
        Enters::ErrorText => error_text(value.as_str()?).into(),
    })
}

/// The kind of port that a printer is connected to. What is in it beyond that names a device, a machine or a person.
fn port_kind(port: &str) -> &str {
    const NUMBERED: [&str; 10] = [
        "/dev/ttyUSB",
        "/dev/ttyACM",
        "/dev/ttyAMA",
        "/dev/ttyS",
        "/dev/ttyO",
        "/dev/ttymxc",
        "/dev/ttyTHS",
        "/dev/serial",
        "/dev/rfcomm",
        "COM",
    ];
    let is_number = |rest: &str| (1..=3).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit());
    match port {
        "" | "VIRTUAL" | "AUTO" => port,
        _ if NUMBERED.iter().any(|kind| port.strip_prefix(kind).is_some_and(is_number)) => port,
        _ if port.starts_with("/dev/serial/by-id/") => "/dev/serial/by-id",
        _ if port.contains("://") || !port.starts_with('/') && port.contains(['.', ':']) => "network",
        _ => "other",
    }
}

fn whole_seconds(seconds: f64) -> Option<u64> {
    // In this range the cast is exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (1.0..LONGEST).contains(&seconds.trunc()).then_some(seconds as u64)
}

/// `key:version` in lower case, joined by commas; the version is `?` if it is not known. As OctoPrint reports its
/// third-party plugins.
fn names_and_versions(list: &[Value]) -> String {
    let (mut out, mut characters) = (String::new(), 0);
    let text = |entry: &Value, key| {
        let text = match entry.get(key)? {
            Value::String(text) => text.to_lowercase(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (text.chars().count() <= NAME_CHARS).then_some(text)
    };
    for entry in list {
        let Some(key) = text(entry, "key") else { continue };
        let version = text(entry, "version").filter(|version| !version.is_empty());
        let version = version.as_deref().unwrap_or("?");
        characters += key.chars().count() + version.chars().count() + 2;
        if characters > LIST_CHARS {
            break;
        }
        let comma = if out.is_empty() { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(out, "{comma}{key}:{version}");
    }
    out
}

/// Words in lower case, joined by commas.
fn words(list: &[Value]) -> String {
    let is_word = |text: &&str| {
        (1..=WORD_CHARS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let words = list.iter().filter_map(Value::as_str).filter(is_word).take(WORDS);
    words.map(str::to_lowercase).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn entered(how: Enters, value: &Value) -> Value {
        enter(how, value, "salt").unwrap_or_default()
    }

    #[test]
    fn what_is_not_listed_does_not_enter_and_what_is_enters_as_listed() {
        let field = |name: &str, enters| SeenField { name: name.into(), enters };
        let border = Border::new(&[
            field("path", Some(Enters::SaltedSha1)),
            field("origin", None),
            field("os.id", None),
            field("time", Some(Enters::WholeSeconds)),
        ]);
        let cut = |payload: Value, salt: &str| {
            let Value::Object(payload) = payload else { panic!("an object") };
            Value::Object(border.cut(payload, salt))
        };
        let payload =
            json!({"name": "x", "path": "a.gcode", "origin": "local", "os": {"id": "linux", "x": 1}, "time": 12.9});
        // printf 'a.gcodesalt' | sha1sum
        let hash = "51ad1a599619b7bd4bc293a65bf69d073ebe8a73";
        let found = cut(payload.clone(), "salt");
        assert_eq!(found["path"], hash);
        assert_eq!(found["origin"], "local");
        assert_eq!(found["os"], json!({"id": "linux"}));
        assert_eq!(found["time"], 12);
        assert_eq!(found.as_object().map(Map::len), Some(4));
        assert_eq!(cut(payload, "")["path"], Value::Null, "never without a salt");
        let odd = cut(json!({"path": ["a"], "origin": {"a": 1}, "os": "linux", "time": "12"}), "salt");
        assert_eq!(odd, json!({"path": null, "origin": null, "os": null, "time": null}));
        assert_eq!(cut(json!({"origin": ["local"]}), "salt"), json!({"origin": null}));
    }

    #[test]
    fn a_hash_is_that_of_text_and_salt() {
        // As `printf '%s' abc | sha1sum` prints it.
        assert_eq!(
            enter(Enters::SaltedSha1, &json!("a"), "bc"),
            Some(json!("a9993e364706816aba3e25717850c26c9cd0d89d"))
        );
        assert_eq!(
            enter(Enters::SaltedSha1, &json!(""), "abc"),
            Some(json!("a9993e364706816aba3e25717850c26c9cd0d89d"))
        );
        assert_eq!(entered(Enters::SaltedSha1, &json!(7)), Value::Null);
    }

    #[test]
    fn of_a_port_only_the_kind_enters() {
        for kept in ["", "VIRTUAL", "AUTO", "/dev/ttyUSB0", "/dev/ttyACM12", "/dev/ttyAMA0", "/dev/serial0", "COM3"] {
            assert_eq!(port_kind(kept), kept);
        }
        for (port, kind) in [
            ("/dev/serial/by-id/usb-Prusa_i3_MK3_CZPX1234-if00", "/dev/serial/by-id"),
            ("/dev/serial/by-path/pci-0000", "other"),
            ("socket://192.168.1.5:8000", "network"),
            ("rfc2217://anna@printer.home", "network"),
            ("192.168.1.5", "network"),
            ("printer.fritz.box:23", "network"),
            ("/dev/annas_printer", "other"),
            ("/dev/ttyUSB0/anna", "other"),
            ("/dev/ttyUSB1234", "other"),
            ("/dev/cu.usbserial-A50285BI", "other"),
            ("anna", "other"),
            ("auto", "other"),
        ] {
            assert_eq!(port_kind(port), kind, "{port}");
        }
        assert_eq!(entered(Enters::PortKind, &json!(["/dev/ttyUSB0"])), Value::Null);
        assert_eq!(entered(Enters::PortKind, &json!(7)), Value::Null);
    }

    #[test]
    fn a_time_enters_in_whole_seconds() {
        for (value, seconds) in
            [(json!(1), json!(1)), (json!(2793.9), json!(2793)), (json!(1e14), json!(100_000_000_000_000_u64))]
        {
            assert_eq!(entered(Enters::WholeSeconds, &value), seconds);
        }
        for value in [json!(0.9), json!(0), json!(-5), json!(1e15), json!("7"), json!(true), json!([7])] {
            assert_eq!(entered(Enters::WholeSeconds, &value), Value::Null, "{value}");
        }
    }

    #[test]
    fn a_list_of_plugins_enters_as_a_text() {
        let list = json!([
            {"key": "Display_Progress", "version": "1.0+A", "author": "anna"},
            {"key": "x", "version": ""},
            {"key": "y"},
            {"key": "n", "version": 2.5},
            {"key": ["l"], "version": 1},
            {"version": "1"},
            "z",
            {"key": "k".repeat(257), "version": "1"},
            {"key": "v", "version": "1".repeat(257)},
        ]);
        assert_eq!(entered(Enters::NamesAndVersions, &list), "display_progress:1.0+a,x:?,y:?,n:2.5,v:?");
        assert_eq!(entered(Enters::NamesAndVersions, &json!([])), "");
        assert_eq!(entered(Enters::NamesAndVersions, &json!({"key": "x"})), Value::Null);
        let many = Value::Array(vec![json!({"key": "k".repeat(200), "version": "1"}); 1000]);
        let text = entered(Enters::NamesAndVersions, &many);
        let length = text.as_str().unwrap().len();
        assert!((16_000..=LIST_CHARS).contains(&length), "{length}");
    }

    #[test]
    fn of_a_list_only_words_enter() {
        let list = json!(["Print_1", "two words", "", 7, null, "ä", "w".repeat(65), "x.y-z"]);
        assert_eq!(entered(Enters::Words, &list), "print_1,x.y-z");
        let many = entered(Enters::Words, &Value::Array(vec![json!("a"); 300]));
        assert_eq!(many.as_str().unwrap().split(',').count(), 200);
        assert_eq!(entered(Enters::Words, &json!("a")), Value::Null);
    }

    #[test]
    fn an_error_may_be_a_number() {
        assert_eq!(entered(Enters::ErrorText, &json!(1e-7)), 1e-7);
        for other in [json!({"a": 1}), json!(123_456_789_012_u64), json!(null)] {
            assert_eq!(entered(Enters::ErrorText, &other), Value::Null, "{other}");
        }
    }
}
