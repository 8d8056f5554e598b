//! JSON values as Python's `str()` prints them, since OctoPrint's own tracking sends them that way.

use serde_json::{Number, Value};

/// From here on, a JSON number may have been an integer that a double cannot hold, of which Python
/// would have printed every digit: such numbers count as not known.
const TOO_LARGE: f64 = u64::MAX as f64;

/// A scalar as Python prints it. None for null, for lists and objects, and for numbers of 2^64 or
/// more, which OctoPrint never reports.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(boolean(*value).to_string()),
        Value::Number(number) => self::number(number),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `True` or `False`, as Python prints them.
#[must_use]
pub fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

fn number(number: &Number) -> Option<String> {
    if number.is_f64() { number.as_f64().and_then(float) } else { Some(number.to_string()) }
}

/// A float as Python's `repr` prints it: the fewest digits that read back as the same number, with
/// an exponent if it is below 1e-4 or at least 1e16. None if it is not finite, or 2^64 or more.
#[must_use]
pub fn float(value: f64) -> Option<String> {
    if !value.is_finite() || value.abs() >= TOO_LARGE {
        return None;
    }
    // serde_json finds the same digits ("1.25e-10", "1e-5", "0.001", "3.0"), and is needed
    // anyway: core's own float formatting would make the component a tenth larger.
    let text = Number::from_f64(value)?.to_string();
    let (sign, text) = text.strip_prefix('-').map_or(("", &*text), |rest| ("-", rest));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // value = 0.digits * 10^point
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let zeros = all.len() - digits.len();
    let point = exponent.parse::<i32>().ok()? + i32::try_from(whole.len()).ok()? - i32::try_from(zeros).ok()?;
    let digits = digits.trim_end_matches('0');
    let out = match usize::try_from(point) {
        _ if digits.is_empty() => "0.0".into(),
        Ok(point @ 1..=16) if digits.len() > point => format!("{}.{}", &digits[..point], &digits[point..]),
        Ok(point @ 1..=16) => format!("{digits}{}.0", "0".repeat(point - digits.len())),
        _ if (-3..=0).contains(&point) => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
        _ => exponential(digits, point - 1),
    };
    Some(format!("{sign}{out}"))
}

fn exponential(digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at(1);
    let dot = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let exponent = exponent.unsigned_abs();
    let zero = if exponent < 10 { "0" } else { "" };
    format!("{first}{dot}{rest}e{sign}{zero}{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn floats_print_as_pythons_repr_does() {
        for (value, expected) in [
            (115_200.0, "115200.0"),
            (3.0, "3.0"),
            (1.5, "1.5"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e-7, "1e-07"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (-0.000_099, "-9.9e-05"),
            (0.00001, "1e-05"),
            (0.000_009_9, "9.9e-06"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e18, "1.5e+18"),
            (1.25e-10, "1.25e-10"),
            (2793.436, "2793.436"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(float(value).as_deref(), Some(expected));
        }
        assert_eq!(float(f64::NAN), None);
        assert_eq!(float(1e21), None);
    }

    #[test]
    fn only_scalars_have_text() {
        assert_eq!(text(&json!("a")).as_deref(), Some("a"));
        assert_eq!(text(&json!(true)).as_deref(), Some("True"));
        assert_eq!(text(&json!(false)).as_deref(), Some("False"));
        assert_eq!(text(&json!(-5)).as_deref(), Some("-5"));
        assert_eq!(text(&json!(18_446_744_073_709_551_615_u64)).as_deref(), Some("18446744073709551615"));
        assert_eq!(text(&json!(null)), None);
        assert_eq!(text(&json!(["a"])), None);
        assert_eq!(text(&json!({"a": 1})), None);
    }
}
