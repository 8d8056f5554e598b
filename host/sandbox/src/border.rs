//! The border: what of an event's payload enters the box, and in which form. What may not leave is not shown in the first
//! place: a path enters as its hash, a port as its kind. What cannot be made into the form asked for enters as null, "not
//! known". Which fields of which events enter is the manifest's affair; what leaves is checked in `gate.rs`.

use crate::error_text::{error_text, has_serial};
use crate::manifest::{Enters, SeenField};
use crate::settings::put;
use crate::text::{hex, with_bytes, without_bytes};
use serde_json::{Map, Value};
use sha1::{Digest, Sha1};
use std::sync::Arc;

/// Bytes of a list of names and versions; the longest that OctoPrint's server takes, in characters. With the longest list
/// of words it leaves a quarter of a request for the other fields.
const LIST_BYTES: usize = 16_384;

/// Characters of a name or a version in such a list.
const NAME_CHARS: usize = 256;

/// The most words that enter: OctoPrint has some fifty achievements.
const WORDS: usize = 200;

/// Characters of such a word.
const WORD_CHARS: usize = 64;

/// Bytes of all of them: OctoPrint's achievements have about a thousand.
const WORDS_BYTES: usize = 8192;

/// Longer times, in seconds, are mistakes; up to here a float counts every second.
const LONGEST: f64 = 1e15;

/// What of one event enters: the listed fields.
#[derive(Debug, Default)]
pub(crate) struct Border(Vec<Opening>);

/// A field of an event, and how it enters.
#[derive(Debug)]
struct Opening {
    /// Its name, with dots between the names on its way.
    path: String,
    /// Name and form, by which it is remembered.
    key: Arc<str>,
    enters: Option<Enters>,
}

/// What entered of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Entered {
    /// Whether there was a payload at all; OctoPrint sends an object or null.
    pub(crate) is_object: bool,
    /// The numbers of its fields in the manifest, and their values, which are scalars.
    pub(crate) values: Vec<(usize, Value)>,
}

impl Entered {
    /// About its size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.values.iter().map(|(_, value)| value.as_str().map_or(8, str::len)).sum()
    }
}

impl Border {
    /// For these fields.
    pub(crate) fn new(fields: &[SeenField]) -> Self {
        let opening = |field: &SeenField| Opening {
            path: field.name.clone(),
            key: field.to_string().into(),
            enters: field.enters,
        };
        Self(fields.iter().map(opening).collect())
    }

    /// The name and form of a field, by which it is remembered.
    pub(crate) fn key(&self, field: usize) -> &Arc<str> {
        &self.0[field].key
    }

    /// What enters of a payload.
    pub(crate) fn enter(&self, payload: &Value, salt: &str) -> Entered {
        self.values(payload, |opening, value| Some(opening.pass(value, salt)))
    }

    /// What a payload holds that was made of what entered.
    pub(crate) fn entered_before(&self, payload: &Value) -> Entered {
        self.values(payload, |_, value| (!value.is_array() && !value.is_object()).then(|| value.clone()))
    }

    fn values(&self, payload: &Value, each: impl Fn(&Opening, &Value) -> Option<Value>) -> Entered {
        let found = |(number, opening): (usize, &Opening)| {
            let value = opening.path.split('.').try_fold(payload, |value, name| value.as_object()?.get(name))?;
            Some((number, each(opening, value)?))
        };
        Entered { is_object: payload.is_object(), values: self.0.iter().enumerate().filter_map(found).collect() }
    }

    /// Of what entered, the fields that are shown, as an object.
    pub(crate) fn payload<'a>(&self, shown: impl Iterator<Item = (usize, &'a Value)>) -> Map<String, Value> {
        let mut out = Map::new();
        for (number, value) in shown {
            // No field is listed within another.
            let _ = put(&mut out, &self.0[number].path, value.clone());
        }
        out
    }

    /// What entered, by names and forms.
    pub(crate) fn keyed(&self, entered: Entered) -> Vec<(Arc<str>, Value)> {
        entered.values.into_iter().map(|(number, value)| (self.0[number].key.clone(), value)).collect()
    }
}

impl Opening {
    fn pass(&self, value: &Value, salt: &str) -> Value {
        let entered = match (value, self.enters) {
            (Value::Array(_) | Value::Object(_), None) => None,
            (Value::Number(number), None) if number.is_f64() => stable(number.as_f64().unwrap_or_default()),
            (Value::String(text), None) => Some(without_bytes(text).into()),
            (value, None) => Some(value.clone()),
            (value, Some(how)) => enter(how, value, salt),
        };
        // No request could hold a longer text.
        entered
            .filter(|value| value.as_str().is_none_or(|text| text.len() <= crate::limits::REQUEST))
            .unwrap_or_default()
    }
}

/// A number that is read as it was written: of those with seventeen digits, a JSON parser may miss the last bit. The host
/// must remember what the component reads.
fn stable(mut number: f64) -> Option<Value> {
    for _ in 0..8 {
        let read = serde_json::from_str::<f64>(&Value::from(number).to_string()).ok()?;
        if read.to_bits() == number.to_bits() {
            return Some(number.into());
        }
        number = read;
    }
    None
}

/// Whether a value may have entered in the form of this name.
pub(crate) fn may_have_entered(form: Option<&str>, value: &Value) -> bool {
    let is = |how: Enters| form == Some(&*how.name());
    match value.as_str() {
        Some(text) if is(Enters::SaltedSha1) => text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        Some(text) if is(Enters::PortKind) => port_kind(text) == text,
        Some(text) if is(Enters::Words) => text.is_empty() || text.split(',').all(is_word),
        Some(_) => !is(Enters::WholeSeconds),
        None => value.is_null() || !(is(Enters::SaltedSha1) || is(Enters::PortKind) || is(Enters::Words)),
    }
}

/// A value in the form in which it enters; none if it cannot be made into that.
pub fn enter(how: Enters, value: &Value, salt: &str) -> Option<Value> {
    Some(match how {
        // Without a salt the hash of a guessed path could be compared.
        Enters::SaltedSha1 if salt.is_empty() => return None,
        // Of the bytes of the file's name, even where they are no text.
        Enters::SaltedSha1 => {
            hex(&Sha1::new().chain_update(with_bytes(value.as_str()?)).chain_update(salt).finalize()).into()
        }
        Enters::PortKind => port_kind(value.as_str()?).into(),
        Enters::WholeSeconds => whole_seconds(value.as_f64()?)?.into(),
        Enters::NamesAndVersions => names_and_versions(value.as_array()?).into(),
        Enters::Words => words(value.as_array()?).into(),
        Enters::ErrorText if value.is_boolean() => value.clone(),
        Enters::ErrorText if value.is_number() && !has_serial(&value.to_string()) => value.clone(),
        Enters::ErrorText => error_text(&without_bytes(value.as_str()?)).into(),
    })
}

/// What stands for a port whose name says more than its kind.
const KINDS: [&str; 3] = ["/dev/serial/by-id", "network", "other"];

/// The kind of port that a printer is connected to. What is in it beyond that names a device, a machine or a person.
fn port_kind(port: &str) -> &str {
    const NUMBERED: &str = "/dev/ttyUSB /dev/ttyACM /dev/ttyAMA /dev/ttyS /dev/ttyO /dev/ttymxc /dev/ttyTHS /dev/serial \
                            /dev/rfcomm COM";
    let is_number = |rest: &str| (1..=3).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit());
    match port {
        "" | "VIRTUAL" | "AUTO" => port,
        // A receiver is told a kind, which stays what it is.
        _ if KINDS.contains(&port) => port,
        _ if NUMBERED.split_whitespace().any(|kind| port.strip_prefix(kind).is_some_and(is_number)) => port,
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
    let text = |entry: &Value, key| {
        let text = match entry.get(key)? {
            Value::String(text) => without_bytes(text).to_lowercase(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (text.chars().count() <= NAME_CHARS).then_some(text)
    };
    let pair = |entry: &Value| {
        let version = text(entry, "version").filter(|version| !version.is_empty());
        Some(format!("{}:{}", text(entry, "key")?, version.as_deref().unwrap_or("?")))
    };
    joined(list.iter().filter_map(pair), LIST_BYTES)
}

/// Words in lower case, joined by commas.
fn words(list: &[Value]) -> String {
    let words = list.iter().filter_map(Value::as_str).filter(|text| is_word(text)).take(WORDS);
    joined(words.map(str::to_lowercase), WORDS_BYTES)
}

/// The first parts, as many as fit, joined by commas.
fn joined(parts: impl Iterator<Item = String>, most: usize) -> String {
    let mut out = String::new();
    for part in parts {
        if out.len() + part.len() + 1 > most {
            break;
        }
        out.extend([&part, ","]);
    }
    out.pop();
    out
}

/// Whether it is a word: letters, digits and a few marks between them.
pub(crate) fn is_word(text: &str) -> bool {
    (1..=WORD_CHARS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// A list of words with one more; none if nothing changes.
pub(crate) fn append_word(list: &str, word: &str) -> Option<String> {
    let word = Some(word).filter(|word| is_word(word))?.to_lowercase();
    let words: Vec<_> = list.split(',').filter(|word| !word.is_empty()).collect();
    let fits = words.len() < WORDS && list.len() + 1 + word.len() < WORDS_BYTES && !words.contains(&&*word);
    fits.then(|| [&words[..], &[&word]].concat().join(","))
}

#[cfg(test)]
#[path = "border_test.rs"]
mod tests;
