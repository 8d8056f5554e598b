//! Events as JSON Lines: `{"event": .., "payload": ..}`, one on each line. What is done with them is not known here.
//! The fuzz target `event_line` builds this file alone, so it must not use other files of this crate.

use glassbox_util::encoding;
use glassbox_util::json::repaired;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead};

/// The longest line that is read, in bytes; a longer one is ignored. OctoPrint's largest events have some ten thousand.
pub const LINE: usize = 1 << 20;

/// What a line holds.
#[derive(Debug, PartialEq, Eq)]
pub enum JsonLine {
    /// An event, and its payload as JSON text.
    Event(String, String),
    /// A line that is not an event: its number, counted from 1, and what is wrong with it, for people.
    Bad(u64, String),
}

/// Reads lines. Empty lines are skipped; a malformed one does not stop those after it.
pub struct Lines<R> {
    input: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Read from this input.
    pub fn new(input: R) -> Self {
        Self { input, number: 0 }
    }

    /// The next line; none at the end.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<JsonLine>> {
        loop {
            let mut line = Vec::new();
            let whole = match read_bounded(&mut self.input, &mut line)? {
                Read::End => return Ok(None),
                Read::Line => true,
                Read::TooLong => false,
            };
            self.number += 1;
            if !whole {
                let reason = format!("it is longer than {} KiB", LINE >> 10);
                return Ok(Some(JsonLine::Bad(self.number, reason)));
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Ok(Some(match parse(&line) {
                Ok((event, payload)) => JsonLine::Event(event, payload),
                Err(reason) => JsonLine::Bad(self.number, reason),
            }));
        }
    }
}

/// The entries of a JSON object, each as it is written. Of a key that is there twice the last one holds, as for Python's
/// `json` and for JavaScript, so that all that read OctoPrint's events see the same one.
///
/// # Errors
/// When it is not a JSON object.
pub fn entries(text: &str) -> serde_json::Result<BTreeMap<Cow<'_, str>, &RawValue>> {
    serde_json::from_str(text)
}

/// Read one event: its name, and its payload as JSON text (`null` for none).
///
/// # Errors
/// What is wrong with the line, as a sentence for people and nothing else.
pub fn parse(line: &[u8]) -> Result<(String, String), String> {
    let text = repaired(line);
    let not = |what: &str| format!("it is not {{\"event\": .., \"payload\": ..}}: {what}");
    let entries = entries(&text).map_err(|error| match encoding::text(line) {
        // What is JSON but another shape is not the encoding's fault.
        Err(reason) if !error.is_data() => reason,
        _ => not(&error.to_string()),
    })?;
    let event = entries.get("event").ok_or_else(|| not("there is no event"))?;
    let event = serde_json::from_str(event.get()).map_err(|_| not("the event is not a text"))?;
    Ok((event, entries.get("payload").map_or("null", |payload| payload.get()).into()))
}

enum Read {
    End,
    Line,
    TooLong,
}

/// Read up to a line feed; nothing is kept of a line that is too long.
fn read_bounded(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Read> {
    let mut any = false;
    let mut too_long = false;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            break;
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        too_long |= line.len() + part.len() > LINE;
        if too_long {
            line.clear();
        } else {
            line.extend_from_slice(part);
        }
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    Ok(match (any, too_long) {
        (false, _) => Read::End,
        (true, true) => Read::TooLong,
        (true, false) => Read::Line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<JsonLine> {
        let mut lines = Lines::new(text);
        std::iter::from_fn(|| lines.next_line().unwrap()).collect()
    }

    #[test]
    fn events_come_with_their_payload_as_it_was_written() {
        let text = b"{\"event\": \"A\", \"payload\": {\"x\":1.0}}\n\n{\"payload\":null,\"event\":\"B\",\"t\":3}\r\n{\"event\":\"C\"}";
        let event = |name: &str, payload: &str| JsonLine::Event(name.into(), payload.into());
        assert_eq!(all(text), [event("A", "{\"x\":1.0}"), event("B", "null"), event("C", "null")]);
    }

    #[test]
    fn bad_lines_are_numbered_and_ignored() {
        let mut text = b"no\n\xff\xfe\n[1]\n{\"event\":3}\n{\"event\":\"A\",\"payload\":{\"x\":nan}}\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', LINE + 1));
        text.extend(b"\n{\"event\":\"last\"}\n");
        let lines = all(&text);
        assert_eq!(lines.len(), 7);
        for (i, line) in lines[..6].iter().enumerate() {
            assert!(matches!(line, JsonLine::Bad(number, _) if *number == i as u64 + 1), "{line:?}");
        }
        assert_eq!(lines[6], JsonLine::Event("last".into(), "null".into()));
    }

    #[test]
    fn what_python_writes_costs_no_event() {
        let line = br#"{"event": "A", "payload": {"path": "ok", "name": "t\udce4st", "time": NaN}}"#;
        let [JsonLine::Event(name, payload)] = &all(line)[..] else { panic!() };
        let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
        assert_eq!((name.as_str(), &payload["path"], &payload["time"]), ("A", &"ok".into(), &().into()));
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_last_one_holds() {
        let line = "\u{feff}{\"event\":3,\"payload\":1,\"event\":\"A\",\"p\\u0061yload\":{\"x\":1,\"x\":2}}\r\n";
        let twice = JsonLine::Event("A".into(), r#"{"x":1,"x":2}"#.into());
        assert_eq!(all(line.as_bytes()), [twice]);
        assert!(matches!(&all(br#"{"event":"A","event":3}"#)[..], [JsonLine::Bad(1, _)]));
    }

    #[test]
    fn a_payload_of_any_depth_is_only_skipped() {
        let deep = format!("{{\"event\":\"A\",\"payload\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(matches!(all(deep.as_bytes())[0], JsonLine::Event(..)));
    }
}
