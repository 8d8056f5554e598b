//! The settings document as the host sees it. It belongs to the user; a component can only ask to add keys that are
//! absent. What the keys mean is the component's affair, except `enabled`, the id, the switches and the server's URL,
//! which the host enforces. Where documents are kept is in `host/src/home/`.

use crate::limits;
use serde_json::{Map, Value};

/// A settings document: a JSON object of at most [`limits::SETTINGS`] bytes.
///
/// ```
/// use glassbox_sandbox::Settings;
///
/// let mut settings = Settings::parse(r#"{"enabled": true, "events": {"printjob": false}}"#)?;
/// assert!(settings.enabled() && !settings.switch("events.printjob"));
/// assert!(settings.switch("events.startup"), "on unless it is turned off");
///
/// settings.set("events.startup", false.into())?;
/// assert!(!settings.switch("events.startup"));
///
/// // A component gets what is absent, and nothing else.
/// settings.add_absent(r#"{"unique_id": "4711", "events": {}}"#, |_| true)?;
/// assert_eq!(settings.get("unique_id"), Some(&"4711".into()));
/// assert!(!settings.switch("events.printjob"));
/// # Ok::<(), glassbox_sandbox::SettingsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(Map<String, Value>);

/// What is wrong with a settings document, or with a change to one.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The text has this many bytes, which are too many.
    #[error("it has {0} bytes; the limit is {limit}", limit = limits::SETTINGS)]
    TooLong(usize),
    /// The text is not a JSON object.
    #[error(transparent)]
    NotAnObject(#[from] serde_json::Error),
    /// The value of this key would have to be an object, for the path to go on.
    #[error("'{0}' is not an object")]
    NoWay(String),
    /// The document would be too long afterwards.
    #[error("the settings would have more than {limit} bytes", limit = limits::SETTINGS)]
    Full,
    /// A component asks for more than it may add.
    #[error("it is more than {key} bytes for a key, {all} in all, or half of what fits into the settings",
        key = limits::ADDED_KEY, all = limits::ADDED)]
    TooMuch,
    /// An id that a component made is not like a UUID.
    #[error("{0} must be 1 to {limit} letters, digits and '-'", limit = limits::ID)]
    BadId(String),
}

impl Settings {
    /// Parse a document.
    ///
    /// # Errors
    /// When the text is too long, or not a JSON object.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        if text.len() > limits::SETTINGS {
            return Err(SettingsError::TooLong(text.len()));
        }
        Ok(Self(serde_json::from_str(text)?))
    }

    /// The document as indented JSON, for people and for components.
    #[must_use]
    pub fn text(&self) -> String {
        // A map of JSON values always has a text.
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }

    /// Whether the user said yes: `enabled` is `true`. Anything else means no.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.0.get("enabled") == Some(&Value::Bool(true))
    }

    /// The value at a path like `events.printjob`; none where there is nothing.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let first = self.0.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
    }

    /// Set the value at a path like `events.printjob`, creating objects on the way.
    ///
    /// # Errors
    /// When something on the way is not an object; what was on the way before that may have been created.
    pub fn set(&mut self, path: &str, value: Value) -> Result<(), SettingsError> {
        let mut object = &mut self.0;
        let mut keys = path.split('.').peekable();
        while let Some(key) = keys.next() {
            if keys.peek().is_none() {
                object.insert(key.into(), value);
                return Ok(());
            }
            let next = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
            object = next.as_object_mut().ok_or_else(|| SettingsError::NoWay(key.into()))?;
        }
        Ok(())
    }

    /// Whether the switch at a path is on: it is `true`, or nothing is set there. Whatever else is there, or on the way
    /// there, is not clear, and so a no.
    #[must_use]
    pub fn switch(&self, path: &str) -> bool {
        let mut object = &self.0;
        let mut keys = path.split('.').peekable();
        while let Some(key) = keys.next() {
            match object.get(key) {
                None | Some(Value::Null) => return true,
                Some(Value::Object(inner)) if keys.peek().is_some() => object = inner,
                Some(value) => return keys.peek().is_none() && *value == Value::Bool(true),
            }
        }
        true
    }

    /// Add the keys that a component asks for (`asked`, a JSON object), as far as it `may_have` them, they are absent or
    /// null here, and only while the user says yes. `enabled` is the user's alone, and never added.
    ///
    /// # Errors
    /// When the text is not a JSON object, or what is to be added is too long; nothing is added then.
    pub fn add_absent(&mut self, asked: &str, may_have: impl Fn(&str) -> bool) -> Result<(), SettingsError> {
        let asked = Self::parse(asked)?;
        if !self.enabled() {
            return Ok(());
        }
        let (mut completed, mut room) = (self.clone(), limits::ADDED);
        for (key, value) in asked.0 {
            if key != "enabled" && may_have(&key) && completed.0.get(&key).is_none_or(Value::is_null) {
                let size = key.len() + value.to_string().len();
                room = room.checked_sub(size).filter(|_| size <= limits::ADDED_KEY).ok_or(SettingsError::TooMuch)?;
                completed.0.insert(key, value);
            }
        }
        // Half of it stays the user's, whose no must always fit.
        if completed.text().len() > limits::SETTINGS / 2 {
            return Err(SettingsError::TooMuch);
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

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn only_true_and_nothing_are_a_yes_to_a_switch() {
        let is_on = |text: &str| Settings::parse(text).unwrap().switch("events.printjob");
        for yes in ["{}", r#"{"events": null}"#, r#"{"events": {}}"#, r#"{"events": {"printjob": null}}"#] {
            assert!(is_on(yes), "{yes}");
        }
        assert!(is_on(r#"{"events": {"printjob": true}}"#));
        for value in ["false", "\"false\"", "\"true\"", "0", "1", "[]", "{}", "[true]"] {
            assert!(!is_on(&format!(r#"{{"events": {{"printjob": {value}}}}}"#)), "{value}");
        }
        for value in ["false", "true", "\"\"", "0", "[]"] {
            assert!(!is_on(&format!(r#"{{"events": {value}}}"#)), "{value}");
        }
    }
}
