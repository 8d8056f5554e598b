//! A connection to a broker: set up within a time limit, then listened to without ever waiting for
//! longer than is asked; a broker that fell silent is noticed.

use super::config::Broker;
use super::packet::{self, BYE, Heard, Message, PING, Packet};
use super::published::TOPICS;
use crate::octoprint::Trouble;
use crate::octoprint::poll::{Bell, bell};
use crate::octoprint::push::Patience;
use crate::octoprint::wire::{Stream, unreachable};
use crate::roots::Roots;
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
    patience: Patience,
    /// When we last said a word: that is what keeps the connection alive.
    said: Instant,
    asked: Option<Instant>,
    bell: Bell,
    /// Nobody rings; without it the bell would not be silent.
    _rope: Box<dyn Fn() + Send + Sync>,
}

impl Client {
    /// Connect, and ask for what its OctoPrints publish.
    ///
    /// # Errors
    /// When it cannot be reached, or does not let us.
    pub fn connect(broker: &Broker, roots: &Roots, patience: Patience) -> Result<Self, Trouble> {
        let until = Instant::now() + patience.setup;
        let address = &broker.address;
        let stream = Stream::connect((&address.host, address.port), address.is_tls, roots, until)?;
        let (rope, bell) = bell().map_err(|error| Trouble::away(error.to_string()))?;
        let (heard, early) = (Heard::default(), VecDeque::new());
        let mut client = Self { stream, heard, early, patience, said: Instant::now(), asked: None, bell, _rope: rope };
        client.greet(broker)?;
        client.stream.run_free().map_err(|error| unreachable(&error))?;
        Ok(client)
    }

    fn greet(&mut self, broker: &Broker) -> Result<(), Trouble> {
        // One of many that the same program may have at one broker.
        let number = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        let login = broker.login.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        self.say(&packet::connect(&format!("glassbox{:012x}", number >> 16), login, ALIVE))?;
        match self.answer()? {
            Packet::Connected(0) => {}
            Packet::Connected(code) => return Err(refused(broker, code)),
            _ => return Err(Trouble::away("it does not say whether it lets us in")),
        }
        let bases = broker.octoprints.iter().map(|(_, base)| base);
        let topics: Vec<_> = bases.flat_map(|base| TOPICS.map(|topic| format!("{base}{topic}"))).collect();
        self.say(&packet::subscribe(topics.iter().map(String::as_str)))?;
        match self.answer()? {
            Packet::Subscribed(codes) if codes.len() == topics.len() => {
                match codes.iter().zip(&topics).find(|(code, _)| **code == 0x80) {
                    Some((_, topic)) => Err(Trouble::Wrong(format!(
                        "the broker at {} does not let us hear {topic}: allow its user to read that",
                        broker.address
                    ))),
                    None => Ok(()),
                }
            }
            _ => Err(Trouble::away("it does not say whether it lets us listen")),
        }
    }

    fn say(&mut self, packet: &[u8]) -> Result<(), Trouble> {
        self.said = Instant::now();
        self.stream.write_all(packet).and_then(|()| self.stream.flush()).map_err(|error| unreachable(&error))
    }

    /// While it is set up: the next that is no message. What is published meanwhile is kept.
    fn answer(&mut self) -> Result<Packet, Trouble> {
        loop {
            match self.heard.next_packet().map_err(Trouble::away)? {
                Some(Packet::Message(message)) => self.early.push_back(message),
                Some(packet) => return Ok(packet),
                None => drop(self.read()?),
            }
        }
    }

    /// Whether anything came.
    fn read(&mut self) -> Result<bool, Trouble> {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(Trouble::away("it closed the connection")),
            Ok(count) => {
                self.heard.add(&bytes[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Trouble::away("it closed the connection")),
            Err(error) => Err(Trouble::Away { down: false, reason: unreachable(&error).reason().into() }),
        }
    }

    /// What was published next; nothing at the latest at `until`.
    ///
    /// # Errors
    /// When the connection is gone, or nobody is there any more.
    pub fn next(&mut self, until: Option<Instant>) -> Result<Option<Message>, Trouble> {
        if let Some(early) = self.early.pop_front() {
            return Ok(Some(early));
        }
        let mut waited = false;
        loop {
            match self.heard.next_packet().map_err(Trouble::away)? {
                Some(Packet::Message(message)) => return Ok(Some(message)),
                Some(Packet::Pong) => self.asked = None,
                Some(_) => return Err(Trouble::away("it answers what was not asked")),
                None if self.read()? => {}
                None if waited => return Ok(None),
                None => {
                    self.wait(until)?;
                    waited = true;
                }
            }
        }
    }

    fn wait(&mut self, until: Option<Instant>) -> Result<(), Trouble> {
        let now = Instant::now();
        if self.asked.is_some_and(|asked| now >= asked + self.patience.answer) {
            return Err(Trouble::away("nothing is heard from it any more"));
        }
        if now >= self.said + self.patience.quiet {
            self.say(&PING)?;
            self.asked.get_or_insert(now);
        }
        let due = self.asked.map(|asked| asked + self.patience.answer);
        let due = due.into_iter().chain(until).fold(self.said + self.patience.quiet, Instant::min);
        let longest = due.saturating_duration_since(now).max(Duration::from_millis(1));
        let write = self.stream.wants_write();
        self.bell.wait(self.stream.tcp(), write, longest).map_err(|error| Trouble::away(error.to_string()))?;
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
fn refused(broker: &Broker, code: u8) -> Trouble {
    let at = &broker.address;
    match code {
        3 => Trouble::away("it says that it is not available"),
        4 | 5 => Trouble::Wrong(format!(
            "the broker at {at} does not let us in: set user and password_file of its [[mqtt]] entry to a user that it \
             knows"
        )),
        code => Trouble::Wrong(format!("the broker at {at} refuses us (code {code}); it must speak MQTT 3.1.1")),
    }
}
