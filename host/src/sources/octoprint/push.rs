//! OctoPrint's push API: a WebSocket with one JSON document in each frame. Frames are read and sorted here, and an
//! OctoPrint that no longer answers pings is noticed. What to subscribe to, and what is done with events, is not decided
//! here.
//!
//! The messages are those of the chapter "Push updates" of OctoPrint's documentation: `connected`, `event` and
//! `reauthRequired` from the server, `auth` and `subscribe` (since 1.8) from us.

use crate::net::stream::Stream;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::Waiter;
use crate::net::{Address, ConnectError, Timeouts};
use crate::sources::jsonl::LINE;
use glassbox_util::text::printable;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::ErrorKind;
use std::time::Instant;
use tungstenite::client::IntoClientRequest;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Bytes, Error, Message, WebSocket};

/// The largest message that is read, in bytes; the connection is closed for a larger one. OctoPrint's largest,
/// `history`, has about 100 KB.
const LARGEST: usize = 4 << 20;

/// The read buffer of each connection, in bytes: most messages are small.
const BUFFER: usize = 2 << 10;

/// What came over the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum PushMessage {
    /// The first message of all: OctoPrint's version.
    Connected(String),
    /// An event, and its payload as JSON text.
    Event(String, String),
    /// We have to log in again.
    Reauth,
    /// The answer to a ping: OctoPrint has read all that we sent before that.
    Pong,
    /// Nothing: the time is over, or the waiter was woken.
    Nothing,
}

/// A connection.
pub struct Push {
    socket: WebSocket<Stream>,
    timeouts: Timeouts,
    /// When something last came.
    received: Instant,
    /// When we sent a ping that is not answered yet.
    pinged: Option<Instant>,
    /// Whether tungstenite keeps something that the socket did not take yet.
    unsent: bool,
    /// A message that was larger than the buffer, and how many bytes came after it.
    large: Option<(Message, usize)>,
    /// Whether a malformed message was logged.
    warned: bool,
}

#[derive(Deserialize)]
struct Frame<'a> {
    connected: Option<Connected>,
    #[serde(borrow)]
    event: Option<Event<'a>>,
    #[serde(rename = "reauthRequired")]
    reauth: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Connected {
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

impl Push {
    /// Connect, and upgrade to a WebSocket.
    ///
    /// # Errors
    /// When it cannot be reached, or there is no push API.
    pub fn connect(address: &Address, trust: &TlsTrust, timeouts: Timeouts) -> Result<Self, ConnectError> {
        let stream = Stream::connect(
            (address.host(), address.port()),
            address.is_tls(),
            trust,
            Instant::now() + timeouts.setup,
        )?;
        let url = address.push();
        let request = url.as_str().into_client_request();
        let request = request.map_err(|error| ConnectError::wrong(format!("{url}: {error}"), "check the URL"))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(LARGEST))
            .max_frame_size(Some(LARGEST));
        let (mut socket, _) = match tungstenite::client::client_with_config(request, stream, Some(config)) {
            Ok(done) => done,
            Err(HandshakeError::Failure(error)) => return Err(refused(address, error)),
            Err(HandshakeError::Interrupted(_)) => return Err(ConnectError::away("there was no answer in time")),
        };
        socket.get_mut().stop_blocking()?;
        Ok(Self { socket, timeouts, received: Instant::now(), pinged: None, unsent: false, large: None, warned: false })
    }

    /// Authenticate, with the session of a login.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn auth(&mut self, name: &str, session: &str) -> Result<(), ConnectError> {
        self.send(Message::text(json!({"auth": format!("{name}:{session}")}).to_string()))
    }

    /// Subscribe to these events, and to nothing else.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn subscribe<'a>(&mut self, events: impl IntoIterator<Item = &'a String>) -> Result<(), ConnectError> {
        let events: Vec<_> = events.into_iter().collect();
        let wanted = json!({"subscribe": {"state": false, "plugins": false, "events": events}});
        self.send(Message::text(wanted.to_string()))
    }

    /// Send a ping.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn ping(&mut self) -> Result<(), ConnectError> {
        self.pinged = Some(Instant::now());
        self.send(Message::Ping(Bytes::new()))
    }

    /// The next message; `Nothing` at the latest at `until`, and whenever the waiter is woken.
    ///
    /// # Errors
    /// When the connection is lost, or OctoPrint no longer answers.
    pub fn next(&mut self, waiter: &Waiter, until: Option<Instant>) -> Result<PushMessage, ConnectError> {
        let mut waited = false;
        loop {
            match self.socket.read() {
                Ok(message) => {
                    self.received = Instant::now();
                    let found = self.sort(&message)?;
                    self.keep_if_large(message);
                    if let Some(found) = found {
                        return Ok(found);
                    }
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    if waited {
                        return Ok(PushMessage::Nothing);
                    }
                    self.wait(waiter, until)?;
                    waited = true;
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(error)),
            }
        }
    }

    /// tungstenite's read buffer grows to the size of its largest message and then keeps that memory, if the message is
    /// dropped before the buffer is full again: `history`, the first message, would make each connection take a hundred
    /// times what it needs. So a large message is kept until tungstenite has had to allocate another buffer.
    fn keep_if_large(&mut self, message: Message) {
        let size = message.len();
        match &mut self.large {
            _ if size > BUFFER => self.large = Some((message, 0)),
            Some((_, after)) if *after + size > BUFFER => self.large = None,
            Some((_, after)) => *after += size,
            None => {}
        }
    }

    fn wait(&mut self, waiter: &Waiter, until: Option<Instant>) -> Result<(), ConnectError> {
        let sent = self.socket.flush();
        self.sent(sent)?;
        let due = match self.pinged {
            Some(pinged) => pinged + self.timeouts.answer,
            None => self.received + self.timeouts.quiet,
        };
        let now = Instant::now();
        if due <= now {
            if self.pinged.is_some() {
                return Err(ConnectError::away("it no longer answers"));
            }
            return self.ping();
        }
        let longest = until.map_or(due, |until| until.min(due)).saturating_duration_since(now);
        let stream = self.socket.get_ref();
        let write = self.unsent || stream.wants_write();
        Ok(waiter.wait(stream.tcp(), write, longest)?)
    }

    fn send(&mut self, message: Message) -> Result<(), ConnectError> {
        let sent = self.socket.send(message);
        self.sent(sent)
    }

    /// tungstenite keeps what the socket does not take yet.
    fn sent(&mut self, sent: tungstenite::Result<()>) -> Result<(), ConnectError> {
        self.unsent = match sent {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) => return Err(lost(error)),
            Ok(()) => false,
        };
        Ok(())
    }

    fn sort(&mut self, message: &Message) -> Result<Option<PushMessage>, ConnectError> {
        match message {
            Message::Text(text) => match sort(text) {
                Ok(found) => Ok(found),
                Err(reason) => {
                    if !std::mem::replace(&mut self.warned, true) {
                        let reason = printable(&reason, usize::MAX);
                        tracing::warn!("ignoring a malformed message from OctoPrint, and more of that kind: {reason}");
                    }
                    Ok(None)
                }
            },
            Message::Pong(_) => {
                self.pinged = None;
                Ok(Some(PushMessage::Pong))
            }
            Message::Close(_) => Err(ConnectError::away("it closed the connection")),
            _ => Ok(None),
        }
    }
}

/// The message in a frame; most frames have none for us.
fn sort(text: &str) -> Result<Option<PushMessage>, String> {
    // Serde would also accept a list of the fields' values.
    if !text.trim_start().starts_with('{') {
        return Err("it is not a JSON object".into());
    }
    let frame: Frame = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if let Some(Event { name, payload }) = frame.event {
        let payload = payload.map_or("null", RawValue::get);
        if payload.len() > LINE {
            return Err(format!("an event has more than {LINE} bytes"));
        }
        return Ok(Some(PushMessage::Event(name.into_owned(), payload.into())));
    }
    Ok(match frame {
        Frame { connected: Some(connected), .. } => Some(PushMessage::Connected(connected.version)),
        Frame { reauth: Some(_), .. } => Some(PushMessage::Reauth),
        _ => None,
    })
}

/// Why there was no WebSocket.
fn refused(address: &Address, error: Error) -> ConnectError {
    match error {
        Error::Http(answer) => {
            let status = answer.status().as_u16();
            let at = address.below("sockjs/websocket");
            match status {
                500..=599 => ConnectError::Away {
                    down: super::rest::is_down(status),
                    what: format!("it answered {status}"),
                    advice: None,
                },
                _ => ConnectError::wrong(
                    format!("{at} answered {status} instead of opening a WebSocket"),
                    "let the proxy in front of OctoPrint pass WebSockets on",
                ),
            }
        }
        Error::Io(error) => error.into(),
        error => ConnectError::away(error.to_string()),
    }
}

/// Why a connection was lost.
fn lost(error: Error) -> ConnectError {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => ConnectError::away("it closed the connection"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => ConnectError::away("it closed the connection"),
        Error::Protocol(error) => ConnectError::away(format!("what it sends is not a WebSocket message: {error}")),
        Error::Capacity(_) => ConnectError::away(format!("it sent a message of more than {} MiB", LARGEST >> 20)),
        error => ConnectError::away(error.to_string()),
    }
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
            (
                r#"{"connected":{"version":"1.11.8","permissions":[]}}"#,
                Ok(Some(PushMessage::Connected("1.11.8".into()))),
            ),
            (r#"{"reauthRequired":{"reason":"stale"}}"#, Ok(Some(PushMessage::Reauth))),
            (r#"{"timelapse":null}"#, Ok(None)),
            (r#"{"current":{"state":{}}}"#, Ok(None)),
        ];
        for (text, expected) in cases {
            assert_eq!(sort(text), expected, "{text}");
        }
        for text in ["", "[1]", "o", "{", r#"{"event":3}"#, r#"{"event":{"type":"A","payload":NaN}}"#, &huge] {
            assert!(sort(text).is_err(), "{text}");
        }
    }
}
