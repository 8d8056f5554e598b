//! A connection to a broker: set up within a time limit, then listened to without ever waiting for
//! longer than is asked; a broker that fell silent is noticed.

use super::packet::{self, BYE, Heard, Message, PING, Packet};
use super::topics::TOPICS;
use crate::home::config::mqtt::Broker;
use crate::net::ConnectError;
use crate::net::Timeouts;
use crate::net::connect_error::unreachable;
use crate::net::stream::Stream;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::{Waiter, waker};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// A broker forgets who is silent for one and a half times so long, in seconds.
const ALIVE: u16 = 60;

/// A connection.
pub struct Client {
    stream: Stream,
    heard: Heard,
    early: VecDeque<Message>,
    patience: Timeouts,
    /// When we last said a word: that is what keeps the connection alive.
    said: Instant,
    asked: Option<Instant>,
    waiter: Waiter,
    /// Nobody rings; without it the waiter would wake all the time.
    _waker: Box<dyn Fn() + Send + Sync>,
}

impl Client {
    /// Connect, and ask for what its OctoPrints publish.
    ///
    /// # Errors
    /// When it cannot be reached, or does not let us.
    pub fn connect(broker: &Broker, roots: &TlsTrust, patience: Timeouts) -> Result<Self, ConnectError> {
        let until = Instant::now() + patience.setup;
        let address = &broker.address;
        let stream = Stream::connect((address.host(), address.port()), address.is_tls(), roots, until)?;
        let (waker, waiter) = waker().map_err(|error| ConnectError::away(error.to_string()))?;
        let (heard, early) = (Heard::default(), VecDeque::new());
        let mut client =
            Self { stream, heard, early, patience, said: Instant::now(), asked: None, waiter, _waker: waker };
        client.greet(broker)?;
        client.stream.run_free().map_err(|error| unreachable(&error))?;
        Ok(client)
    }

    fn greet(&mut self, broker: &Broker) -> Result<(), ConnectError> {
        // One of many that the same program may have at one broker.
        let number = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        let login = broker.login.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        self.say(&packet::connect(&format!("glassbox{:012x}", number >> 16), login, ALIVE))?;
        match self.answer()? {
            Packet::Connected(0) => {}
            Packet::Connected(code) => return Err(refused(broker, code)),
            _ => return Err(ConnectError::away("it does not say whether it lets us in")),
        }
        let bases = broker.octoprints.iter().map(|(_, base)| base);
        let topics: Vec<_> = bases.flat_map(|base| TOPICS.map(|topic| format!("{base}{topic}"))).collect();
        self.say(&packet::subscribe(topics.iter().map(String::as_str)))?;
        match self.answer()? {
            Packet::Subscribed(codes) if codes.len() == topics.len() => {
                match codes.iter().zip(&topics).find(|(code, _)| **code == 0x80) {
                    Some((_, topic)) => Err(ConnectError::Wrong(format!(
                        "the broker at {} does not let us hear {topic}: allow its user to read that",
                        broker.address
                    ))),
                    None => Ok(()),
                }
            }
            _ => Err(ConnectError::away("it does not say whether it lets us listen")),
        }
    }

    fn say(&mut self, packet: &[u8]) -> Result<(), ConnectError> {
        self.said = Instant::now();
        self.stream.write_all(packet).and_then(|()| self.stream.flush()).map_err(|error| unreachable(&error))
    }

    /// While it is set up: the next that is not a message. What is published meanwhile is kept.
    fn answer(&mut self) -> Result<Packet, ConnectError> {
        loop {
            match self.heard.next_packet().map_err(ConnectError::away)? {
                Some(Packet::Message(message)) => self.early.push_back(message),
                Some(packet) => return Ok(packet),
                None => drop(self.read()?),
            }
        }
    }

    /// Whether anything came.
    fn read(&mut self) -> Result<bool, ConnectError> {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(ConnectError::away("it closed the connection")),
            Ok(count) => {
                self.heard.add(&bytes[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(ConnectError::away("it closed the connection"))
            }
            Err(error) => Err(ConnectError::Away { down: false, reason: unreachable(&error).reason().into() }),
        }
    }

    /// What was published next; nothing at the latest at `until`.
    ///
    /// # Errors
    /// When the connection is gone, or nobody is there any more.
    pub fn next(&mut self, until: Option<Instant>) -> Result<Option<Message>, ConnectError> {
        if let Some(early) = self.early.pop_front() {
            return Ok(Some(early));
        }
        let mut waited = false;
        loop {
            match self.heard.next_packet().map_err(ConnectError::away)? {
                Some(Packet::Message(message)) => return Ok(Some(message)),
                Some(Packet::Pong) => self.asked = None,
                Some(_) => return Err(ConnectError::away("it answers what was not asked")),
                None if self.read()? => {}
                None if waited => return Ok(None),
                None => {
                    self.wait(until)?;
                    waited = true;
                }
            }
        }
    }

    fn wait(&mut self, until: Option<Instant>) -> Result<(), ConnectError> {
        let now = Instant::now();
        if self.asked.is_some_and(|asked| now >= asked + self.patience.answer) {
            return Err(ConnectError::away("nothing is heard from it any more"));
        }
        if now >= self.said + self.patience.quiet {
            self.say(&PING)?;
            self.asked.get_or_insert(now);
        }
        let due = self.asked.map(|asked| asked + self.patience.answer);
        let due = due.into_iter().chain(until).fold(self.said + self.patience.quiet, Instant::min);
        let longest = due.saturating_duration_since(now).max(Duration::from_millis(1));
        let write = self.stream.wants_write();
        self.waiter.wait(self.stream.tcp(), write, longest).map_err(|error| ConnectError::away(error.to_string()))?;
        if write {
            let _ = self.stream.flush();
        }
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A courtesy: else the broker finds out by itself.
        let _ = self.stream.write_all(&BYE).and_then(|()| self.stream.flush());
    }
}

/// Why we are not let in.
fn refused(broker: &Broker, code: u8) -> ConnectError {
    let at = &broker.address;
    match code {
        3 => ConnectError::away("it says that it is not available"),
        4 | 5 => ConnectError::Wrong(format!(
            "the broker at {at} does not let us in: set user and password_file of its [[mqtt]] entry to a user that it \
             knows"
        )),
        code => ConnectError::Wrong(format!("the broker at {at} refuses us (code {code}); it must speak MQTT 3.1.1")),
    }
}
