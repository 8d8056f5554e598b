//! Values of OctoPrint's settings as OctoPrint reads them, whatever is written there: its command line writes `true` and
//! `300` as texts unless it is told otherwise.
//!
//! Source: `getBoolean`, `getInt` and `getFloat` in `octoprint/settings/__init__.py`, which are the same in 1.11.8 and
//! 2.0.0rc7, and Python's `int`, `float` and `str`.

use serde_json::{Map, Value};

/// As `getBoolean` reads it; none for null, which is not set.
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(*value),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        Value::String(text) => Some(matches!(&*text.to_lowercase(), "true" | "yes" | "y" | "1")),
        // Whatever else there is, there is something.
        Value::Array(_) | Value::Object(_) => Some(true),
    }
}

/// As `getInt` reads it; none if it cannot.
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(value) => Some((*value).into()),
        // Python's `int` cuts off what is behind the point.
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(number) => {
            number.as_i64().or_else(|| number.as_f64().filter(|n| n.abs() < 1e15).map(|number| number as i64))
        }
        Value::String(text) => python_digits(text)?.parse().ok(),
        _ => None,
    }
}

/// As `getFloat` reads it; none if it cannot.
pub fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => python_digits(text)?.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// As Python writes it where it needs a text; none for what is no text in any sense.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(if *value { "True" } else { "False" }.into()),
        _ => None,
    }
}

/// As it is read for a setting with this schema. What cannot be read stays as it is, for the schema to refuse.
pub fn of_kind(value: &Value, schema: &Map<String, Value>) -> Value {
    let is = |kind: &str| match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
        one => one.is_some_and(|one| one == kind),
    };
    let read = match value {
        Value::Null => None,
        _ if is("boolean") => boolean(value).map(Value::from),
        _ if is("integer") => integer(value).map(Value::from),
        _ if is("number") => float(value).map(Value::from),
        _ if is("string") => text(value).map(Value::from),
        _ => None,
    };
    read.unwrap_or_else(|| value.clone())
}

/// The text of a number as Rust reads it: without blanks around it, and the single underscores that Python takes between
/// digits.
fn python_digits(text: &str) -> Option<String> {
    let text = text.trim();
    let between = |at: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
        digit(at.checked_sub(1)) && digit(Some(at + 1))
    };
    text.match_indices('_').all(|(at, _)| between(at)).then(|| text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_read_as_octoprint_reads_them() {
        for (value, on) in [
            (json!(null), None),
            (json!(true), Some(true)),
            (json!(0), Some(false)),
            (json!(1), Some(true)),
            (json!(0.5), Some(true)),
            (json!("TRUE"), Some(true)),
            (json!("Yes"), Some(true)),
            (json!("y"), Some(true)),
            (json!("1"), Some(true)),
            (json!("on"), Some(false)),
            (json!("false"), Some(false)),
            (json!(" true"), Some(false)),
            (json!(""), Some(false)),
            (json!([]), Some(true)),
        ] {
            assert_eq!(boolean(&value), on, "{value}");
        }
        for (value, number) in [
            (json!(300), Some(300)),
            (json!("300"), Some(300)),
            (json!(" +86_400\n"), Some(86400)),
            (json!(-2.9), Some(-2)),
            (json!(true), Some(1)),
            (json!("3.5"), None),
            (json!("often"), None),
            (json!("1__0"), None),
            (json!("_1"), None),
            (json!(1e300), None),
            (json!([]), None),
            (json!(null), None),
        ] {
            assert_eq!(integer(&value), number, "{value}");
        }
        assert_eq!((float(&json!("1_0.5")), float(&json!("inf")), float(&json!({}))), (Some(10.5), None, None));
        assert_eq!(text(&json!(12345)).as_deref(), Some("12345"));
    }
}
