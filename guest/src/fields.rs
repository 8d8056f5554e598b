//! The fields of a report: added in order, each only if its value is known and fits the manifest.
//!
//! The host makes every report itself as well, by the manifest's `from` and rules, and blocks one that is not the same. So a
//! value is always its text as Python prints it, if that fits the rule; what is null or missing is not known.
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

/// The payload of an event: those of its fields that the host shows.
pub type Payload = Map<String, Value>;

/// Whether a text fits a rule.
pub type Fits = fn(&str) -> bool;

/// Names and values, in the order in which they are sent.
#[derive(Default)]
pub struct Fields<'a>(pub Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Fields<'a> {
    /// Add a value.
    pub fn put(&mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> &mut Self {
        self.0.push((name, value.into()));
        self
    }

    /// Add a value if there is one.
    #[inline(never)]
    pub fn put_known(&mut self, name: &'static str, value: Option<String>) -> &mut Self {
        if let Some(value) = value {
            self.0.push((name, value.into()));
        }
        self
    }

    /// Add `payload[key]` if it fits.
    #[inline(never)]
    pub fn copy(&mut self, name: &'static str, payload: &Payload, key: &str, fits: Fits) -> &mut Self {
        self.put_known(name, fitting(payload.get(key), fits))
    }

    /// Add `payload[key]` if it fits; `unknown` if it is missing or null.
    #[inline(never)]
    pub fn copy_or_unknown(&mut self, name: &'static str, payload: &Payload, key: &str, fits: Fits) -> &mut Self {
        match known(payload.get(key)) {
            None => self.put(name, "unknown"),
            value => self.put_known(name, fitting(value, fits)),
        }
    }
}

/// A value unless it is null.
#[inline(never)]
pub fn known(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

/// A scalar's text, as Python prints it, if it fits.
#[inline(never)]
pub fn fitting(value: Option<&Value>, fits: Fits) -> Option<String> {
    python::text(value?).filter(|text| fits(text))
}

/// At most [`NAME_CHARS`] characters.
pub fn name(text: &str) -> bool {
    is_within(text, NAME_CHARS)
}

/// The same, but not empty.
pub fn name_not_empty(text: &str) -> bool {
    !text.is_empty() && name(text)
}

/// At most [`ERROR_CHARS`] characters.
pub fn error(text: &str) -> bool {
    is_within(text, ERROR_CHARS)
}

/// At most [`PLUGINS_CHARS`] characters.
pub fn plugins(text: &str) -> bool {
    is_within(text, PLUGINS_CHARS)
}

// Compare bytes first: characters rarely have to be counted.
fn is_within(text: &str, limit: usize) -> bool {
    text.len() <= limit || text.chars().count() <= limit
}

/// 1 to 64 ASCII letters, digits, `_`, `.` and `-`.
pub fn word(text: &str) -> bool {
    !text.is_empty() && word_or_empty(text)
}

/// The same, or nothing.
#[inline(never)]
pub fn word_or_empty(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// 1 to 64 characters of a version.
pub fn version(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+_-".contains(&byte))
}

/// 1 to so many digits.
#[inline(never)]
pub fn digits(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// 1 to 15 digits.
pub fn seconds(text: &str) -> bool {
    digits(text, 15)
}

/// 1 to 15 digits, or the word `unknown`, which OctoPrint sends if it could not find out.
pub fn count(text: &str) -> bool {
    digits(text, 15) || text == "unknown"
}

/// The same with 20 digits.
pub fn bytes(text: &str) -> bool {
    digits(text, 20) || text == "unknown"
}

/// A frequency in MHz, below 10 million, as Python prints a float; or the word `unknown`.
pub fn frequency(text: &str) -> bool {
    text.split_once('.').is_some_and(|(whole, fraction)| digits(whole, 7) && digits(fraction, 20)) || text == "unknown"
}

/// A number with at most ten digits before the point, and ten after it.
pub fn baudrate(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole, 10) && digits(fraction, 10)
}

/// `True` or `False`.
pub fn flag(text: &str) -> bool {
    text == "True" || text == "False"
}

/// A throttle mask.
pub fn mask(text: &str) -> bool {
    digits(text, 10)
}
