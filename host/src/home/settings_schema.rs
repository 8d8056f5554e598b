//! Settings schemas: as much of JSON Schema 2020-12 as settings need, to list what can be set and to check a value
//! that a user gives. Other keywords are ignored: the plugin checks the whole document itself. (Crates for JSON Schema
//! bring a hundred others along, and cannot list keys.)

use regex::Regex;
use serde_json::{Map, Value};

/// A key that can be set.
#[derive(Debug, PartialEq)]
pub struct Key<'a> {
    /// Its path, for example `events.printjob`.
    pub path: String,
    /// The part of the schema that describes it.
    pub schema: &'a Map<String, Value>,
}

impl Key<'_> {
    /// The text of a keyword like `title` or `description`; empty if there is none.
    pub fn text(&self, keyword: &str) -> &str {
        self.schema.get(keyword).and_then(Value::as_str).unwrap_or_default()
    }

    /// Check whether a value is allowed.
    ///
    /// # Errors
    /// When it is not. The text is for people, and says what the value must be: `ping must be at least 0`.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        check(self.schema, value).map_err(|what| format!("{} must be {what}", self.path))
    }
}

/// All keys that can be set, in the schema's order. Keys of nested objects have paths with dots.
pub fn keys(schema: &Value) -> Vec<Key<'_>> {
    let mut found = Vec::new();
    walk(schema, "", &mut found);
    found
}

fn walk<'a>(schema: &'a Value, prefix: &str, found: &mut Vec<Key<'a>>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, property) in properties {
        let path = format!("{prefix}{name}");
        if property.get("properties").is_some() {
            walk(property, &format!("{path}."), found);
        } else if let Some(schema) = property.as_object() {
            found.push(Key { path, schema });
        }
    }
}

fn check(schema: &Map<String, Value>, value: &Value) -> Result<(), String> {
    if let Some(types) = schema.get("type") {
        let types: Vec<_> = match types {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            other => other.as_str().into_iter().collect(),
        };
        if !types.iter().any(|name| is_type(name, value)) {
            return Err(types.into_iter().map(type_in_words).collect::<Vec<_>>().join(" or "));
        }
    }
    if let Some(Value::Array(values)) = schema.get("enum")
        && !values.contains(value)
    {
        let values: Vec<_> = values.iter().map(Value::to_string).collect();
        return Err(format!("one of {}", values.join(", ")));
    }
    let number = |keyword| schema.get(keyword).and_then(Value::as_f64);
    if let Some(value) = value.as_f64() {
        if let Some(least) = number("minimum").filter(|least| value < *least) {
            return Err(format!("at least {least}"));
        }
        if let Some(most) = number("maximum").filter(|most| value > *most) {
            return Err(format!("at most {most}"));
        }
    }
    if let Value::String(text) = value {
        check_text(schema, text)?;
    }
    Ok(())
}

fn check_text(schema: &Map<String, Value>, text: &str) -> Result<(), String> {
    let length = text.chars().count() as u64;
    let bound = |keyword| schema.get(keyword).and_then(Value::as_u64);
    if bound("minLength").is_some_and(|least| length < least) || bound("maxLength").is_some_and(|most| length > most) {
        let (least, most) = (bound("minLength").unwrap_or(0), bound("maxLength"));
        return Err(format!(
            "text of {least} to {} characters",
            most.map_or("any number of".into(), |n| n.to_string())
        ));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        // A pattern that the crate `regex` does not understand is left to the plugin.
        && let Ok(regex) = Regex::new(pattern)
        && !regex.is_match(text)
    {
        return Err(format!("text like {pattern}"));
    }
    Ok(())
}

/// What somebody has to type for it.
fn type_in_words(name: &str) -> &str {
    match name {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        other => other,
    }
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_walked_and_checked() {
        let schema = json!({"properties": {
            "ping": {"type": "integer", "minimum": 0, "maximum": 10},
            "on": {"type": ["boolean", "null"]},
            "kind": {"enum": ["a", "b"]},
            "url": {"type": "string", "pattern": "^https?://", "maxLength": 12},
            "events": {"properties": {"x": {"type": "boolean"}}},
        }});
        let keys = keys(&schema);
        let paths: Vec<_> = keys.iter().map(|key| key.path.as_str()).collect();
        assert_eq!(paths, ["ping", "on", "kind", "url", "events.x"]);
        let error = |path: &str, value: Value| keys.iter().find(|key| key.path == path).unwrap().check(&value).err();
        assert_eq!(error("ping", json!(3)), None);
        assert_eq!(error("ping", json!(-1)).unwrap(), "ping must be at least 0");
        assert_eq!(error("ping", json!(11)).unwrap(), "ping must be at most 10");
        assert_eq!(error("ping", json!(1.5)).unwrap(), "ping must be a whole number");
        assert_eq!(error("on", json!("yes")).unwrap(), "on must be true or false or null");
        assert_eq!(error("on", json!(null)), None);
        assert_eq!(error("kind", json!("c")).unwrap(), "kind must be one of \"a\", \"b\"");
        assert_eq!(error("url", json!("ftp://x")).unwrap(), "url must be text like ^https?://");
        assert_eq!(error("url", json!("https://much.too.long")).unwrap(), "url must be text of 0 to 12 characters");
    }
}
