//! The settings document as the host sees it: it belongs to the user, a component may only ask
//! for keys that are absent.

use crate::limits;
use serde_json::{Map, Value};

/// A settings document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// Read a document.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > limits::SETTINGS {
            return Err(format!("it has {} bytes; at most {} are read", text.len(), limits::SETTINGS));
        }
        serde_json::from_str(text).map(Self).map_err(|error| error.to_string())
    }

    /// The text of the document, for people and for components.
    #[must_use]
    pub fn text(&self) -> String {
        // A map of JSON values always has a text.
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }

    /// Whether the user said yes. Anything but `true` is a no.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.0.get("enabled") == Some(&Value::Bool(true))
    }

    /// The value at a path like `events.printjob`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let first = self.0.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
    }

    /// Set the value at a path, making objects on the way.
    ///
    /// # Errors
    /// When something on the way is not an object.
    pub fn set(&mut self, path: &str, value: Value) -> Result<(), String> {
        let mut object = &mut self.0;
        let mut keys = path.split('.').peekable();
        while let Some(key) = keys.next() {
            if keys.peek().is_none() {
                object.insert(key.into(), value);
                return Ok(());
            }
            let next = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
            object = next.as_object_mut().ok_or(format!("'{key}' is not an object"))?;
        }
        Ok(())
    }

    /// Whether a switch is on: only `false` turns it off.
    #[must_use]
    pub fn switch(&self, path: &str) -> bool {
        self.get(path) != Some(&Value::Bool(false))
    }

    /// Take over what a component asks for: keys that are absent, or null, which says as much;
    /// and only while the user has said yes. `reserved` keys are the user's alone.
    ///
    /// # Errors
    /// When the text is not a JSON object, or the document would be too long; nothing is taken then.
    pub fn add_absent(&mut self, asked: &str, reserved: &[&str]) -> Result<(), String> {
        let asked = Self::parse(asked)?;
        if !self.enabled() {
            return Ok(());
        }
        let mut completed = self.clone();
        for (key, value) in asked.0 {
            let own = key == "enabled" || reserved.contains(&key.as_str());
            if !own && completed.0.get(&key).is_none_or(Value::is_null) {
                completed.0.insert(key, value);
            }
        }
        if completed.text().len() >= limits::SETTINGS {
            return Err(format!("the settings would have more than {} bytes", limits::SETTINGS));
        }
        *self = completed;
        Ok(())
    }

    /// The document as a JSON value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}
