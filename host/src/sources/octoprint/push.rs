//! OctoPrint's push API: a WebSocket with one JSON document in each message. Messages are read and sorted here, and an
//! OctoPrint that no longer answers pings is noticed. What to subscribe to, and what is done with events, is not decided
//! here.
//!
//! The messages are those of the chapter "Push updates" of OctoPrint's documentation: `connected`, `event` and
//! `reauthRequired` from the server, `auth` and `subscribe` (since 1.8) from us.

use super::refusal;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::Waiter;
use crate::net::websocket::{Incoming, Next, WebSocket};
use crate::net::{Address, ConnectError, Timeouts};
use crate::sources::jsonl::{LINE, entries};
use glassbox_util::json::repaired;
use glassbox_util::text::printable;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Where it is, below OctoPrint's URL: its raw WebSocket, as OctoPrint's documentation has it.
pub(super) const PATH: &str = "sockjs/websocket";

/// The largest message that is kept, in bytes: an event of the largest size that any source may bring. Of a larger one,
/// and of what we never asked for (`history`, which may have any size), no more than the beginning is kept.
const LARGEST: usize = LINE + 1024;

/// OctoPrint's event for a client that has said who it is. We ask for it because OctoPrint sends it to us when it has
/// taken both what we subscribe to and who we are.
const RECEIPT: &str = "ClientAuthed";

/// What OctoPrint sends only to those who may see events, besides the events.
const FOR_LISTENERS: [&str; 5] = ["history", "current", "timelapse", "slicingProgress", "renderProgress"];

/// Of what is said to be wrong with a message, this many characters are shown.
const WRONG: usize = 200;

/// What came over the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum PushMessage {
    /// The first message of all: OctoPrint's version.
    Connected(String),
    /// An event, and its payload as JSON text.
    Event(String, String),
    /// Something that shows that OctoPrint takes us for somebody who may see events.
    Listening,
    /// We have to log in again.
    Reauth,
    /// The answer to a ping: OctoPrint has read all that we sent before that.
    Pong,
    /// Nothing: the time is over, or the waiter was woken.
    Nothing,
}

/// A connection.
pub struct Push {
    socket: WebSocket,
    timeouts: Timeouts,
    /// When we sent a ping that is not answered yet.
    pinged: Option<Instant>,
    /// Whether a malformed message was logged.
    warned: bool,
}

impl Push {
    /// Connect, and upgrade to a WebSocket.
    ///
    /// # Errors
    /// When it cannot be reached, or there is no push API.
    pub fn connect(address: &Address, trust: &TlsTrust, timeouts: Timeouts) -> Result<Self, ConnectError> {
        match WebSocket::connect((address, PATH), trust, timeouts, LARGEST, is_wanted)? {
            Ok(socket) => Ok(Self { socket, timeouts, pinged: None, warned: false }),
            Err(head) => Err(refusal::no_websocket(address, &head)),
        }
    }

    /// Authenticate, with the session of a login.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn auth(&mut self, name: &str, session: &str) -> Result<(), ConnectError> {
        self.socket.send(&json!({"auth": format!("{name}:{session}")}).to_string())
    }

    /// Subscribe to these events, and to nothing else. Where that comes before [`Self::auth`], OctoPrint sends no history.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn subscribe<'a>(&mut self, events: impl IntoIterator<Item = &'a String>) -> Result<(), ConnectError> {
        let events: Vec<_> = events.into_iter().map(String::as_str).chain([RECEIPT]).collect();
        let wanted = json!({"subscribe": {"state": false, "plugins": false, "events": events}});
        self.socket.send(&wanted.to_string())
    }

    /// Send a ping.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn ping(&mut self) -> Result<(), ConnectError> {
        self.pinged = Some(Instant::now());
        self.socket.ping()
    }

    /// When something last came, be it a part of a message.
    pub fn received(&self) -> Instant {
        self.socket.received()
    }

    /// The next message; `Nothing` at the latest at `until`, and whenever the waiter is woken.
    ///
    /// # Errors
    /// When the connection is lost, or OctoPrint no longer answers.
    pub fn next(&mut self, waiter: &Waiter, until: Option<Instant>) -> Result<PushMessage, ConnectError> {
        let mut waited = false;
        loop {
            match self.socket.read()? {
                Next::Came(incoming) => {
                    if let Some(found) = self.sort(incoming) {
                        return Ok(found);
                    }
                }
                Next::Nothing if waited => return Ok(PushMessage::Nothing),
                Next::Nothing => {
                    self.wait(waiter, until)?;
                    waited = true;
                }
                Next::More => {}
            }
            // Also while a message comes that has no end.
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(PushMessage::Nothing);
            }
        }
    }

    fn wait(&mut self, waiter: &Waiter, until: Option<Instant>) -> Result<(), ConnectError> {
        // On a slow line the answer to a ping waits behind what was sent before it: as long as something comes, somebody
        // is there.
        let due = match self.pinged {
            Some(pinged) => pinged.max(self.received()) + self.timeouts.answer,
            None => self.received() + self.timeouts.quiet,
        };
        let now = Instant::now();
        if due <= now {
            if self.pinged.is_some() {
                return Err(ConnectError::away("it no longer answers"));
            }
            return self.ping();
        }
        let longest = until.map_or(due, |until| until.min(due)).saturating_duration_since(now);
        self.socket.wait(waiter, longest)
    }

    /// What a message is to us; most are nothing.
    fn sort(&mut self, incoming: Incoming) -> Option<PushMessage> {
        let sorted = match incoming {
            Incoming::Pong => {
                self.pinged = None;
                return Some(PushMessage::Pong);
            }
            Incoming::Message(message) => sort(&message),
            Incoming::PassedOver(beginning) => passed_over(&beginning),
        };
        sorted.unwrap_or_else(|reason| {
            if !std::mem::replace(&mut self.warned, true) {
                let reason = printable(&reason, WRONG);
                tracing::warn!("ignoring a malformed message from OctoPrint, and more of that kind: {reason}");
            }
            None
        })
    }
}

/// The key of the one entry that a message has; none if it does not begin like a message.
fn key(beginning: &[u8]) -> Option<&str> {
    let beginning = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning);
    let after = beginning.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    let end = after.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&after[..end]).ok()
}

/// Whether a message that begins like this has to be read as a whole.
fn is_wanted(beginning: &[u8]) -> bool {
    // What does not look like a message is kept, to say what is wrong with it.
    key(beginning).is_none_or(|key| ["connected", "event", "reauthRequired"].contains(&key))
}

/// What a message that was passed over is to us.
fn passed_over(beginning: &[u8]) -> Result<Option<PushMessage>, String> {
    match key(beginning) {
        Some(key) if FOR_LISTENERS.contains(&key) => Ok(Some(PushMessage::Listening)),
        Some(_) if !is_wanted(beginning) => Ok(None),
        _ => Err(format!("it has more than {} KiB", LARGEST >> 10)),
    }
}

/// The message in these bytes; most messages have nothing for us.
fn sort(message: &[u8]) -> Result<Option<PushMessage>, String> {
    let text = repaired(message);
    let frame = entries(&text).map_err(|error| error.to_string())?;
    let entry = |key| frame.get(key).map(|entry| entry.get()).filter(|entry| *entry != "null");
    if let Some(event) = entry("event") {
        let event = entries(event).map_err(|error| format!("its event: {error}"))?;
        let name = event.get("type").ok_or("its event has no type")?;
        let name = serde_json::from_str(name.get()).map_err(|error| format!("its event's type: {error}"))?;
        let payload = event.get("payload").map_or("null", |payload| payload.get());
        if payload.len() > LINE {
            return Err(format!("an event has more than {LINE} bytes"));
        }
        return Ok(Some(PushMessage::Event(name, payload.into())));
    }
    if let Some(connected) = entry("connected") {
        let connected: Map<String, Value> = serde_json::from_str(connected).map_err(|error| error.to_string())?;
        // A text; whatever else it is, OctoPrint says no version.
        let version = connected.get("version").and_then(Value::as_str).unwrap_or_default();
        return Ok(Some(PushMessage::Connected(version.into())));
    }
    if entry("reauthRequired").is_some() {
        return Ok(Some(PushMessage::Reauth));
    }
    Ok(key(message).filter(|key| FOR_LISTENERS.contains(key)).map(|_| PushMessage::Listening))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_sorted_and_payloads_are_left_as_they_came() {
        let event = |name: &str, payload: &str| Ok(Some(PushMessage::Event(name.into(), payload.into())));
        let huge = format!(r#"{{"event":{{"type":"A","payload":"{}"}}}}"#, "x".repeat(LINE));
        let cases = [
            (r#"{"event":{"type":"A","payload":{"x":1.0}}}"#, event("A", r#"{"x":1.0}"#)),
            (r#"{"event":{"payload":null,"type":"B"}}"#, event("B", "null")),
            (r#"{"event":{"type":"C"}}"#, event("C", "null")),
            (r#"{"event":{"type":"D","payload":["\ud800",NaN]}}"#, event("D", "[\"\u{fffd}\",null]")),
            (
                r#"{"connected":{"version":"1.11.8","permissions":[]}}"#,
                Ok(Some(PushMessage::Connected("1.11.8".into()))),
            ),
            (r#"{"connected":{"version":null}}"#, Ok(Some(PushMessage::Connected(String::new())))),
            (r#"{"connected":{"version":12}}"#, Ok(Some(PushMessage::Connected(String::new())))),
            (r#"{"reauthRequired":{"reason":"stale"}}"#, Ok(Some(PushMessage::Reauth))),
            // Without a timelapse there is none to tell of; but OctoPrint tells only listeners.
            (r#"{"timelapse":null}"#, Ok(Some(PushMessage::Listening))),
            (r#" { "current" : {"state":{}}}"#, Ok(Some(PushMessage::Listening))),
            (r#"{"plugin":{"plugin":"x","data":{}}}"#, Ok(None)),
            // As a proxy may make it; and as Python and JavaScript read it, for whom the last one holds.
            ("\u{feff}{\"event\":{\"type\":\"E\"}}", event("E", "null")),
            ("\u{feff}{\"current\":{}}", Ok(Some(PushMessage::Listening))),
            (r#"{"event":{"type":1,"payload":1,"type":"F","payload":{"x":1,"x":2}}}"#, event("F", r#"{"x":1,"x":2}"#)),
            (r#"{"event":1,"event":{"type":"G"}}"#, event("G", "null")),
            (r#"{"connected":{"version":1,"version":"2.0.0"}}"#, Ok(Some(PushMessage::Connected("2.0.0".into())))),
        ];
        for (text, expected) in cases {
            assert_eq!(sort(text.as_bytes()), expected, "{text}");
        }
        for text in ["", "[1]", "o", "{", r#"{"event":3}"#, r#"{"event":{"type":"A","payload":nan}}"#, &huge] {
            assert!(sort(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn of_what_was_not_asked_for_only_the_beginning_is_looked_at() {
        let long = |beginning: &str| beginning.to_string() + &"x".repeat(200);
        for (beginning, wanted) in [
            (r#"{"history": {"temps": ["#, false),
            (r#"{"current":{"#, false),
            (r#"{"plugin": {"#, false),
            (r#"{"event": {"type": "#, true),
            (r#"{"connected": {"#, true),
            (r#"{"reauthRequired": {"#, true),
            ("<html>", true),
        ] {
            assert_eq!(is_wanted(long(beginning).as_bytes()), wanted, "{beginning}");
        }
        assert_eq!(passed_over(br#"{"history": {"temps": ["#), Ok(Some(PushMessage::Listening)));
        assert_eq!(passed_over(br#"{"plugin": {"#), Ok(None));
        assert!(passed_over(br#"{"event": {"type": "#).unwrap_err().contains("more than 1025 KiB"));
        assert!(passed_over(b"<html>").is_err());
    }
}
