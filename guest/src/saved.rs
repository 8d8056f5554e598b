//! How state is saved as JSON and read back. What is saved is up to `state`.
//!
//! Instants are saved relative to the moment of saving, so that they mean the same under another
//! clock: the next instance may run in another process.

use crate::time::Instant;
use serde_json::{Map, Value};

/// A JSON object of these pairs, in this order.
// Not `json!`: it would inline the making of every pair, which makes the component larger.
#[inline(never)]
pub fn object(pairs: Vec<(&str, Value)>) -> Value {
    let mut object = Map::new();
    // One by one: `collect` would pull a sort into the component.
    for (key, value) in pairs {
        object.insert(key.to_string(), value);
    }
    Value::Object(object)
}

/// Writes instants.
pub struct Writer {
    now: Instant,
}

impl Writer {
    /// For a state that is saved now.
    pub fn new(now: Instant) -> Self {
        Self { now }
    }

    /// An instant as nanoseconds from now, negative in the past; `null` for none.
    #[inline(never)]
    pub fn instant(&self, at: Option<Instant>) -> Value {
        at.map_or(Value::Null, |at| at.saturating_sub(self.now).into())
    }
}

/// Reads a saved object. A value that is missing or of the wrong type is not known.
pub struct Reader<'a> {
    object: &'a Map<String, Value>,
    saved_at: Instant,
}

impl<'a> Reader<'a> {
    /// For an object that was saved at this moment of the clock in force now.
    pub fn new(object: &'a Map<String, Value>, saved_at: Instant) -> Self {
        Self { object, saved_at }
    }

    /// The whole object.
    pub fn object(&self) -> &'a Map<String, Value> {
        self.object
    }

    /// An object inside this one.
    pub fn part(&self, key: &str) -> Option<Reader<'a>> {
        Some(Reader { object: self.object.get(key)?.as_object()?, saved_at: self.saved_at })
    }

    /// A string.
    #[inline(never)]
    pub fn text(&self, key: &str) -> Option<String> {
        self.object.get(key)?.as_str().map(Into::into)
    }

    /// A boolean; false if it is missing.
    #[inline(never)]
    pub fn flag(&self, key: &str) -> bool {
        self.object.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// An instant.
    #[inline(never)]
    pub fn instant(&self, key: &str) -> Option<Instant> {
        self.object.get(key)?.as_i64().map(|relative| self.saved_at.saturating_add(relative))
    }
}
