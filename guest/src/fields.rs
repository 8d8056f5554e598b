//! The fields of a report: added in order, each only if its value is known and fits the manifest.
//!
//! The limits here repeat those of `tracker.toml`. A value that the host would block is left out
//! here, so that the rest of the report still arrives; a test compares the two.
//!
//! `inline(never)`: these functions are called from everywhere, and inlining them would make the
//! component a tenth larger and no faster.

use crate::python;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Longest name, version or path-like text, in characters.
pub const NAME_CHARS: usize = 256;
/// Longest text of a communication error, in characters.
pub const ERROR_CHARS: usize = 4096;
/// Longest list of third-party plugins, in characters.
pub const PLUGINS_CHARS: usize = 16384;
/// Longest word ([`word`]), in characters.
const WORD_CHARS: usize = 64;

/// The payload of an event: those of its fields that the manifest lets through.
pub type Payload = Map<String, Value>;

/// Names and values, in the order in which they are sent.
#[derive(Default)]
pub struct Fields<'a>(pub Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Fields<'a> {
    /// Add a value.
    pub fn put(&mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> &mut Self {
        self.0.push((name, value.into()));
        self
    }

    /// Add a value if it is known.
    #[inline(never)]
    pub fn put_known(&mut self, name: &'static str, value: Option<String>) -> &mut Self {
        if let Some(value) = value {
            self.0.push((name, value.into()));
        }
        self
    }

    /// Add `payload[key]` if it is a scalar of at most [`NAME_CHARS`] characters.
    #[inline(never)]
    pub fn copy(&mut self, name: &'static str, payload: &Payload, key: &str) -> &mut Self {
        self.put_known(name, bounded_text(payload.get(key), NAME_CHARS))
    }

    /// Add `payload[key]` if it is a scalar of at most [`NAME_CHARS`] characters; `unknown` if it is
    /// missing or null.
    #[inline(never)]
    pub fn copy_or_unknown(&mut self, name: &'static str, payload: &Payload, key: &str) -> &mut Self {
        match known(payload, key) {
            None => self.put(name, "unknown"),
            Some(value) => self.put_known(name, bounded_text(Some(value), NAME_CHARS)),
        }
    }
}

/// `payload[key]` unless it is missing or null.
#[inline(never)]
pub fn known<'a>(payload: &'a Payload, key: &str) -> Option<&'a Value> {
    payload.get(key).filter(|value| !value.is_null())
}

/// A scalar's text, as Python prints it, if it has at most `limit` characters.
#[inline(never)]
pub fn bounded_text(value: Option<&Value>, limit: usize) -> Option<String> {
    let text = python::text(value?)?;
    // Compare bytes first: characters rarely have to be counted.
    (text.len() <= limit || text.chars().count() <= limit).then_some(text)
}

/// A scalar's text if it consists of 1 to 64 ASCII letters, digits, `_`, `.` and `-`.
#[inline(never)]
pub fn word(value: &Value) -> Option<String> {
    let text = python::text(value)?;
    let fits = (1..=WORD_CHARS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    fits.then_some(text)
}

/// A whole number of at most 15 digits, or the word `unknown`, which OctoPrint sends if it could not
/// find out.
#[inline(never)]
pub fn count(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Number(number) => number.as_u64().filter(|n| *n < 1_000_000_000_000_000).map(|n| n.to_string()),
        other => unknown_word(other),
    }
}

/// A frequency in MHz, below 10 million, as Python prints a float; or the word `unknown`.
pub fn frequency(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Number(number) => number
            .as_f64()
            .filter(|mhz| *mhz == 0.0 || (0.001..10_000_000.0).contains(mhz))
            .and_then(|mhz| python::float(mhz.abs())),
        other => unknown_word(other),
    }
}

fn unknown_word(value: &Value) -> Option<String> {
    (value.as_str() == Some("unknown")).then(|| "unknown".into())
}
