//! JSON as programs write it that do not quite write JSON: Python's `json` above all, which writes a file name that is not
//! UTF-8 with half a surrogate pair, and `NaN` for a number. A strict reader would refuse the whole document for that, and
//! with it whatever else it says. What holds events or answers of OctoPrint's is read through here, whatever brings it.

use crate::text::push_byte;
use std::borrow::Cow;
use std::str::from_utf8;

/// The document with all of that made into JSON; what has none of it is not copied. What is broken in any other way is
/// left for the reader to refuse. It takes time and memory in proportion to the document, whatever is in it.
///
/// - A byte that is not UTF-8, and the half of a surrogate pair that Python writes for one (`\udce4` for the byte `e4`), are
///   kept as [`crate::text::push_byte`] keeps them. Any other half becomes U+FFFD.
/// - `NaN`, `Infinity` and numbers beyond every range become `null`: "not known".
/// - What is nested deeper than [`DEEPEST`] becomes `null` as well: a reader refuses the whole document for it.
/// - A control character in a text is written as an escape, and byte order marks at the start are left out.
///
/// ```
/// use glassbox_util::json::repaired;
/// use glassbox_util::text::{with_bytes, without_bytes};
///
/// let value: serde_json::Value = serde_json::from_str(&repaired(br#"{"name": "t\udce4st", "time": NaN}"#))?;
/// let name = value["name"].as_str().unwrap_or_default();
/// assert_eq!((&*without_bytes(name), &*with_bytes(name)), ("t\u{fffd}st", &b"t\xe4st"[..]));
/// assert!(value["time"].is_null());
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn repaired(document: &[u8]) -> Cow<'_, str> {
    let mut document = document;
    while let Some(rest) = document.strip_prefix(b"\xef\xbb\xbf") {
        document = rest;
    }
    match from_utf8(document) {
        Ok(text) => Repair::of(text).map_or(Cow::Borrowed(text), Cow::Owned),
        Err(_) => {
            let mut text = String::with_capacity(document.len());
            for chunk in document.utf8_chunks() {
                text.push_str(chunk.valid());
                chunk.invalid().iter().for_each(|byte| push_byte(&mut text, *byte));
            }
            Cow::Owned(Repair::of(&text).unwrap_or(text))
        }
    }
}

/// As deep may something be nested; serde's limit is 128, and nothing that OctoPrint says goes beyond ten.
pub const DEEPEST: usize = 100;

/// A text that is being repaired.
struct Repair<'a> {
    text: &'a str,
    out: String,
    /// How much of the text is in `out`, or replaced there.
    done: usize,
}

impl<'a> Repair<'a> {
    /// The repaired text; none if there is nothing to repair.
    fn of(text: &'a str) -> Option<String> {
        let mut repair = Self { text, out: String::new(), done: 0 };
        let (mut at, mut depth) = (0, 0_usize);
        while let Some(byte) = text.as_bytes().get(at) {
            at = match byte {
                b'"' => repair.string(at + 1),
                b'[' | b'{' if depth == DEEPEST => repair.nested(at),
                b'[' | b'{' => {
                    depth += 1;
                    at + 1
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    at + 1
                }
                b'-' | b'0'..=b'9' | b'N' | b'I' => repair.number(at),
                _ => at + 1,
            };
        }
        if repair.done == 0 {
            return None;
        }
        repair.out.push_str(&text[repair.done..]);
        Some(repair.out)
    }

    /// Put something else in the place of these bytes.
    fn replace(&mut self, from: usize, to: usize, with: &str) {
        self.out.push_str(&self.text[self.done..from]);
        self.out.push_str(with);
        self.done = to;
    }

    /// Go over a list or an object that is nested too deep, which is left to the reader if it has no end.
    fn nested(&mut self, from: usize) -> usize {
        let bytes = self.text.as_bytes();
        let (mut at, mut depth, mut in_text) = (from, 0_usize, false);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\\' if in_text => at += 1,
                b'"' => in_text = !in_text,
                b'[' | b'{' if !in_text => depth += 1,
                b']' | b'}' if !in_text => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                self.replace(from, at, "null");
                return at;
            }
        }
        bytes.len()
    }

    /// Go over a text, from after its first quotation mark to after its last one.
    fn string(&mut self, mut at: usize) -> usize {
        while let Some(byte) = self.text.as_bytes().get(at) {
            at = match byte {
                b'"' => return at + 1,
                b'\\' => self.escape(at),
                0..0x20 => {
                    self.replace(at, at + 1, &format!("\\u{byte:04x}"));
                    at + 1
                }
                _ => at + 1,
            };
        }
        at
    }

    /// Go over an escape.
    fn escape(&mut self, at: usize) -> usize {
        let Some(half) = self.code_unit(at) else {
            // It may be a quotation mark that is escaped; a control character is not.
            return at + if self.text.as_bytes().get(at + 1).is_some_and(|byte| *byte >= 0x20) { 2 } else { 1 };
        };
        let (high, low) = (0xd800..0xdc00, 0xdc00..0xe000);
        match half {
            _ if high.contains(&half) && self.code_unit(at + 6).is_some_and(|half| low.contains(&half)) => at + 12,
            0xdc80..0xdd00 => {
                let mut byte = String::new();
                push_byte(&mut byte, (half & 0xff) as u8);
                self.replace(at, at + 6, &byte);
                at + 6
            }
            0xd800..0xe000 => {
                self.replace(at, at + 6, "\u{fffd}");
                at + 6
            }
            _ => at + 6,
        }
    }

    /// The number in an escape like `\u00e9`, if one is here.
    fn code_unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
        let digits = from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    }

    /// Go over a number, or what Python writes for one.
    fn number(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        let word = rest.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))).next();
        let end = at + word.map_or(0, str::len).max(1);
        let number = &self.text[at..end];
        let unknown = match number {
            "NaN" | "Infinity" | "-Infinity" => true,
            // Rust also knows `inf` and `nan` by name.
            _ => number.ends_with(|c: char| c.is_ascii_digit()) && number.parse().is_ok_and(f64::is_infinite),
        };
        if unknown {
            self.replace(at, end, "null");
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{with_bytes, without_bytes};
    use serde_json::{Value, json};

    #[test]
    fn what_python_writes_is_made_into_json() {
        for (document, seen) in [
            (&br#"{"a": "t\udce4st"}"#[..], json!({"a": "t\u{fffd}st"})),
            (br#"{"a": "\uD83D\uDE00\ud83d\ud83d\ude00\ude00"}"#, json!({"a": "\u{1f600}\u{fffd}\u{1f600}\u{fffd}"})),
            (br#"["\\udce4", "\"\udce4", "\\\\\\\udce4"]"#, json!(["\\udce4", "\"\u{fffd}", "\\\\\\\u{fffd}"])),
            (b"{\"a\": \"t\xe4st\"}", json!({"a": "t\u{fffd}st"})),
            (b"\xef\xbb\xbf[1]", json!([1])),
            (b"[\"a\tb\x00\"]", json!(["a\tb\0"])),
            (br#"[NaN, Infinity,-Infinity,"NaN",1e999,-1e999,1e5]"#, json!([null, null, null, "NaN", null, null, 1e5])),
            (br#"{"\udce4": 1}"#, json!({"\u{fffd}": 1})),
        ] {
            let value: Value = serde_json::from_str(&repaired(document)).unwrap();
            let text = without_bytes(&value.to_string());
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), seen, "{}", String::from_utf8_lossy(document));
        }
        let many = format!("[{}]", "9".repeat(400));
        assert_eq!(repaired(many.as_bytes()), "[null]");
    }

    #[test]
    fn what_is_nested_too_deep_costs_only_itself() {
        let nested = |depth: usize, inside: &str| format!("{}{inside}{}", "[".repeat(depth), "]".repeat(depth));
        for (document, seen) in [
            (format!(r#"{{"a": {}, "b": 1}}"#, nested(5000, r#""]\"]""#)), true),
            (format!(r#"{{"a": {}, "b": 1}}"#, nested(98, "[[{}],{}],[]")), true),
            (format!(r#"{{"b": {}"#, nested(5000, "")), false),
            (format!(r#"{{"b": 1, "a": {}"#, "[".repeat(5000)), false),
            (format!(r#"{{"b": 1, "a": {}"]}}"#, "[".repeat(5000)), false),
        ] {
            let value = serde_json::from_str::<Value>(&repaired(document.as_bytes()));
            assert_eq!(value.is_ok_and(|value| value["b"] == 1), seen, "{document:.300}");
        }
        let most = nested(DEEPEST, "1");
        assert_eq!(repaired(most.as_bytes()), most);
        assert_eq!(repaired(nested(DEEPEST + 1, "1").as_bytes()), nested(DEEPEST, "null"));
    }

    #[test]
    fn the_bytes_of_a_name_are_known() {
        let name = |document: &[u8]| {
            let value: Value = serde_json::from_str(&repaired(document)).unwrap();
            with_bytes(value.as_str().unwrap())
        };
        assert_eq!(name(br#""t\udce4\u00e4""#), b"t\xe4\xc3\xa4");
        assert_eq!(name(b"\"t\xe4\xff\""), b"t\xe4\xff");
        assert_eq!(name(br#""t\ud800""#), "t\u{fffd}".as_bytes());
    }

    #[test]
    fn what_is_json_is_not_touched_and_what_is_broken_otherwise_is_left_to_the_reader() {
        for document in [
            r#"{"a": [1, -2.5e3, "\u00e9\ud83d\ude00 é", true, null, "NaN"]}"#,
            "",
            "{",
            "\"\\",
            "\"\\u12",
            "\"\\x\"",
            "[nan, inf, infinity, Inf, -inf, NaNa, 1x, +1]",
            "é\"é",
        ] {
            assert!(matches!(repaired(document.as_bytes()), Cow::Borrowed(text) if text == document), "{document}");
        }
    }
}
