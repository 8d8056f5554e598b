//! The settings document as the host sees it. It belongs to the user, and a component is shown only the keys that its
//! manifest lists. What those mean is its affair, except `enabled`, the id, the switches and the server's URL, which the
//! host enforces. Where documents are kept is in `host/src/home/`.

use crate::limits;
use serde::Serialize;
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
/// // What a component is shown of them.
/// assert!(settings.only(&["enabled".into()]).get("events").is_none());
/// # Ok::<(), glassbox_sandbox::SettingsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
    pub fn text(&self) -> String {
        // A map of JSON values always has a text.
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }

    /// Whether the user said yes: `enabled` is `true`. Anything else means no.
    pub fn enabled(&self) -> bool {
        self.0.get("enabled") == Some(&Value::Bool(true))
    }

    /// The value at a path like `events.printjob`; none where there is nothing.
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
        put(&mut self.0, path, value).map_err(|key| SettingsError::NoWay(key.into()))
    }

    /// Whether the switch at a path is on: it is `true`, or nothing is set there. Whatever else is there, or on the way
    /// there, is not clear, and so a no; so is a key that somebody has written by hand as the path itself.
    pub fn switch(&self, path: &str) -> bool {
        let mut ways = path.match_indices('.').map(|(at, _)| &path[..at]);
        ways.all(|way| matches!(self.get(way), None | Some(Value::Null | Value::Object(_))))
            && [self.get(path), self.0.get(path)]
                .iter()
                .all(|at| matches!(at, None | Some(Value::Null | Value::Bool(true))))
    }

    /// The document with only these of its keys.
    pub fn only(&self, keys: &[String]) -> Self {
        let kept = self.0.iter().filter(|(key, _)| keys.contains(key));
        Self(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// Put a value at a path like `events.printjob` into an object, creating objects on the way.
///
/// # Errors
/// The key of what is on the way and is not an object.
pub(crate) fn put<'a>(object: &mut Map<String, Value>, path: &'a str, value: Value) -> Result<(), &'a str> {
    let (way, last) = path.rsplit_once('.').map_or((None, path), |(way, last)| (Some(way), last));
    let object = way.into_iter().flat_map(|way| way.split('.')).try_fold(object, |object, key| {
        object.entry(key).or_insert_with(|| Map::new().into()).as_object_mut().ok_or(key)
    })?;
    object.insert(last.into(), value);
    Ok(())
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
        assert!(!is_on(r#"{"events.printjob": false}"#) && is_on(r#"{"events.startup": false}"#));
        for value in ["false", "true", "\"\"", "0", "[]"] {
            assert!(!is_on(&format!(r#"{{"events": {value}}}"#)), "{value}");
        }
    }
}
