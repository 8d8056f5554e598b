//! OctoPrint's push API: a WebSocket with one JSON document a frame. What is heard is sorted here
//! and nothing more; a peer that fell silent is noticed.

use crate::net::connect_error::unreachable;
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

/// A message that is larger costs the connection. The largest, `history`, has some 100 KB.
const LARGEST: usize = 4 << 20;

/// What is read at once, of which each connection keeps as much memory: most messages are small.
const BUFFER: usize = 2 << 10;

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// The first word: OctoPrint's version.
    Connected(String),
    /// An event, and its payload as JSON text.
    Event(String, String),
    /// We have to say anew who we are.
    Reauth,
    /// All that we said before we asked for this was taken.
    Echo,
    /// Nothing, until the time was over or it was woken.
    Nothing,
}

/// A connection.
pub struct Push {
    socket: WebSocket<Stream>,
    patience: Timeouts,
    heard: Instant,
    asked: Option<Instant>,
    unsent: bool,
    /// A message that was larger than the buffer, and how much was heard after it.
    large: Option<(Message, usize)>,
    /// Whether it was said that something could not be understood.
    complained: bool,
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
    /// Connect.
    ///
    /// # Errors
    /// When there is no push API, or it cannot be reached.
    pub fn connect(address: &Address, roots: &TlsTrust, patience: Timeouts) -> Result<Self, ConnectError> {
        let stream = Stream::connect(
            (address.host(), address.port()),
            address.is_tls(),
            roots,
            Instant::now() + patience.setup,
        )?;
        let url = address.push();
        let request = url.as_str().into_client_request().map_err(|error| ConnectError::Wrong(error.to_string()))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(LARGEST))
            .max_frame_size(Some(LARGEST));
        let (mut socket, _) = match tungstenite::client::client_with_config(request, stream, Some(config)) {
            Ok(done) => done,
            Err(HandshakeError::Failure(error)) => return Err(refused(address, &error)),
            Err(HandshakeError::Interrupted(_)) => return Err(ConnectError::away("there was no answer in time")),
        };
        socket.get_mut().run_free().map_err(|error| unreachable(&error))?;
        Ok(Self { socket, patience, heard: Instant::now(), asked: None, unsent: false, large: None, complained: false })
    }

    /// Say who we are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn auth(&mut self, name: &str, session: &str) -> Result<(), ConnectError> {
        self.send(Message::text(json!({"auth": format!("{name}:{session}")}).to_string()))
    }

    /// Say which events we want.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn subscribe<'a>(&mut self, events: impl IntoIterator<Item = &'a String>) -> Result<(), ConnectError> {
        let events: Vec<_> = events.into_iter().collect();
        let wanted = json!({"subscribe": {"state": false, "plugins": false, "events": events}});
        self.send(Message::text(wanted.to_string()))
    }

    /// Ask for an echo.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn ask(&mut self) -> Result<(), ConnectError> {
        self.asked = Some(Instant::now());
        self.send(Message::Ping(Bytes::new()))
    }

    /// Hear the next; `Nothing` at the latest at `until`, and whenever the waiter rings.
    ///
    /// # Errors
    /// When the connection is gone, or nobody is there any more.
    pub fn next(&mut self, waiter: &Waiter, until: Option<Instant>) -> Result<Heard, ConnectError> {
        let mut waited = false;
        loop {
            match self.socket.read() {
                Ok(message) => {
                    self.heard = Instant::now();
                    let heard = self.sort(&message)?;
                    self.outlive(message);
                    if let Some(heard) = heard {
                        return Ok(heard);
                    }
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    if waited {
                        return Ok(Heard::Nothing);
                    }
                    self.wait(waiter, until)?;
                    waited = true;
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    /// tungstenite's buffer grows to its largest message, and stays so as long as it gets the memory back: `history`,
    /// the first message, would cost each connection a hundred times what it needs. So a large message is kept
    /// until the buffer had to become another.
    fn outlive(&mut self, message: Message) {
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
        let due = match self.asked {
            Some(asked) => asked + self.patience.answer,
            None => self.heard + self.patience.quiet,
        };
        let now = Instant::now();
        if due <= now {
            if self.asked.is_some() {
                return Err(ConnectError::away("nothing is heard from it any more"));
            }
            return self.ask();
        }
        let longest = until.map_or(due, |until| until.min(due)).saturating_duration_since(now);
        let stream = self.socket.get_ref();
        let write = self.unsent || stream.wants_write();
        waiter.wait(stream.tcp(), write, longest).map_err(|error| ConnectError::away(error.to_string()))
    }

    fn send(&mut self, message: Message) -> Result<(), ConnectError> {
        let sent = self.socket.send(message);
        self.sent(sent)
    }

    /// What the socket does not take yet, tungstenite keeps.
    fn sent(&mut self, sent: tungstenite::Result<()>) -> Result<(), ConnectError> {
        self.unsent = match sent {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) => return Err(lost(&error)),
            Ok(()) => false,
        };
        Ok(())
    }

    fn sort(&mut self, message: &Message) -> Result<Option<Heard>, ConnectError> {
        match message {
            Message::Text(text) => match sort(text) {
                Ok(heard) => Ok(heard),
                Err(reason) => {
                    if !std::mem::replace(&mut self.complained, true) {
                        let reason = printable(&reason, usize::MAX);
                        tracing::warn!("ignoring a malformed message from OctoPrint, and more of that kind: {reason}");
                    }
                    Ok(None)
                }
            },
            Message::Pong(_) => {
                self.asked = None;
                Ok(Some(Heard::Echo))
            }
            Message::Close(_) => Err(ConnectError::away("it closed the connection")),
            _ => Ok(None),
        }
    }
}

/// What a frame says to us; nothing, mostly.
fn sort(text: &str) -> Result<Option<Heard>, String> {
    // Serde would take a list for the fields in their order, too.
    if !text.trim_start().starts_with('{') {
        return Err("it is not a JSON object".into());
    }
    let frame: Frame = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if let Some(Event { name, payload }) = frame.event {
        let payload = payload.map_or("null", RawValue::get);
        if payload.len() > LINE {
            return Err(format!("an event has more than {LINE} bytes"));
        }
        return Ok(Some(Heard::Event(name.into_owned(), payload.into())));
    }
    Ok(match frame {
        Frame { connected: Some(connected), .. } => Some(Heard::Connected(connected.version)),
        Frame { reauth: Some(_), .. } => Some(Heard::Reauth),
        _ => None,
    })
}

/// Why there was no WebSocket.
fn refused(address: &Address, error: &Error) -> ConnectError {
    match error {
        Error::Http(answer) => {
            let status = answer.status().as_u16();
            let at = address.below("sockjs/websocket");
            match status {
                500..=599 => {
                    ConnectError::Away { down: super::rest::is_down(status), reason: format!("it answered {status}") }
                }
                _ => ConnectError::Wrong(format!(
                    "{at} answered {status} and no WebSocket; have the proxy before OctoPrint pass WebSockets on"
                )),
            }
        }
        Error::Io(error) => unreachable(error),
        error => ConnectError::away(error.to_string()),
    }
}

fn lost(error: &Error) -> ConnectError {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => ConnectError::away("it closed the connection"),
        Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => ConnectError::away("the connection was closed"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => ConnectError::away("the connection was closed"),
        Error::Protocol(error) => ConnectError::away(format!("what it sends is no WebSocket: {error}")),
        Error::Capacity(_) => ConnectError::away(format!("it sent a message of more than {} MiB", LARGEST >> 20)),
        error => ConnectError::away(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_sorted_and_payloads_are_left_as_they_came() {
        let event = |name: &str, payload: &str| Ok(Some(Heard::Event(name.into(), payload.into())));
        let huge = format!(r#"{{"event":{{"type":"A","payload":"{}"}}}}"#, "x".repeat(LINE));
        let cases = [
            (r#"{"event":{"type":"A","payload":{"x":1.0}}}"#, event("A", r#"{"x":1.0}"#)),
            (r#"{"event":{"payload":null,"type":"B"}}"#, event("B", "null")),
            (r#"{"event":{"type":"C"}}"#, event("C", "null")),
            (r#"{"connected":{"version":"1.11.8","permissions":[]}}"#, Ok(Some(Heard::Connected("1.11.8".into())))),
            (r#"{"reauthRequired":{"reason":"stale"}}"#, Ok(Some(Heard::Reauth))),
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
