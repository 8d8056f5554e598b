//! What OctoPrint-MQTT publishes of an event: its payload, to which the plugin adds the event's name and the time.

use crate::sources::jsonl::{LINE, entries};
use glassbox_util::json::repaired;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The fields that the plugin adds to each payload. The second is the default of its setting `timestamp_fieldname`.
const NAME: &str = "_event";
const TIME: &str = "_timestamp";

/// An event's payload as it was on OctoPrint's bus: without the fields that the plugin adds, and the others as they were
/// written.
#[derive(Debug, PartialEq)]
pub(super) struct Payload {
    /// The JSON. The plugin makes an empty object of an event without a payload, so an empty object is `null` again.
    pub(super) json: String,
    /// When it was published, in seconds since 1970, as the clock of OctoPrint's machine has it.
    pub(super) time: Option<i64>,
}

impl Payload {
    /// Read what was published as the event `name`.
    ///
    /// # Errors
    /// When it is no event's payload, or another's; in words.
    pub(super) fn read(name: &str, published: &[u8]) -> Result<Self, String> {
        if published.len() > LINE {
            return Err(format!("it has more than {LINE} bytes"));
        }
        let text = repaired(published);
        let mut fields = entries(&text).map_err(|error| format!("it is not a JSON object: {error}"))?;
        if let Some(said) = fields.remove(NAME)
            && serde_json::from_str(said.get()).ok() != Some(Cow::<str>::from(name))
        {
            return Err(format!("{} was published as {name}", said.get()));
        }
        let time = fields.remove(TIME).and_then(seconds);
        let json = match fields.is_empty() {
            true => "null".into(),
            false => serde_json::to_string(&fields).map_err(|error| error.to_string())?,
        };
        Ok(Self { json, time })
    }
}

/// The plugin writes an integer; some who bridge brokers make a fraction or a text of it.
fn seconds(time: &RawValue) -> Option<i64> {
    let seconds: f64 = time.get().trim_matches('"').parse().ok()?;
    // Far beyond any clock, and far below what a float counts exactly.
    (0.0..1e12).contains(&seconds).then_some(seconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_what_it_was_on_the_bus() {
        for (published, on_the_bus, time) in [
            (
                r#"{"path": "a", "time": 1.50, "_event": "E", "_timestamp": 17}"#,
                r#"{"path":"a","time":1.50}"#,
                Some(17),
            ),
            (
                r#"{"n":12345678901234567890123,"o":{"_event":1}}"#,
                r#"{"n":12345678901234567890123,"o":{"_event":1}}"#,
                None,
            ),
            (r#"{"\u0061":"\u00e9"}"#, r#"{"a":"\u00e9"}"#, None),
            (r#"{"_event":"E","_timestamp":1.75}"#, "null", Some(1)),
            (r#"{"_timestamp":"1790000000"}"#, "null", Some(1_790_000_000)),
            (r#"{"_timestamp":null}"#, "null", None),
            (r#"{"_timestamp":-1}"#, "null", None),
            (r#"{"_timestamp":1e300}"#, "null", None),
            (r#"{"_timestamp":[1]}"#, "null", None),
            ("{}", "null", None),
            ("\u{feff}{\"a\":1,\"_event\":1,\"a\":2,\"_event\":\"E\"}", r#"{"a":2}"#, None),
            (r#"{"a":"\ud800","time":NaN}"#, "{\"a\":\"\u{fffd}\",\"time\":null}", None),
        ] {
            let expected = Payload { json: on_the_bus.into(), time };
            assert_eq!(Payload::read("E", published.as_bytes()), Ok(expected), "{published}");
        }
        let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(LINE));
        for wrong in ["", "[1]", "null", "connected", r#"{"a":nan}"#, r#"{"_event":"F"}"#, r#"{"_event":1}"#, &huge] {
            assert!(Payload::read("E", wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Payload::read("E", b"\xff").is_err());
    }
}
