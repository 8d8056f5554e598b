//! A connection to a broker: set up within a time limit, then read without blocking for longer than the caller
//! wants. A broker that no longer answers pings is noticed. What the messages mean is not known here.
//!
//! A broker decides neither how much memory this takes, nor how much time: what waits is bounded, and what comes faster
//! than [`super::pace`] allows is left to the broker.

use super::pace::Pace;
use super::packet::{self, DISCONNECT, Fault, Message, PINGREQ, Packet, PacketReader};
use super::topics::TOPICS;
use crate::home::config::mqtt::Broker;
use crate::net::stream::Stream;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::{Waiter, waker};
use crate::net::{ConnectError, Timeouts};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// The keep-alive in seconds: a broker drops a client that was silent for one and a half times as long
/// (MQTT 3.1.1, section 3.1.2.10).
const KEEP_ALIVE: u16 = 60;

/// The code in a SUBACK for a topic that was refused (MQTT 3.1.1, section 3.9.3).
const REFUSED: u8 = 0x80;

/// How many bytes of messages are kept until the broker says that we are subscribed: room for the presence of ten thousand
/// OctoPrints.
const EARLY: usize = 1 << 20;

/// What a message takes besides its bytes.
const MESSAGE: usize = 100;

/// A connection that is subscribed to all that its OctoPrints publish.
pub struct Client {
    stream: Stream,
    reader: PacketReader,
    /// What was published while the connection was being set up.
    early: VecDeque<Message>,
    /// How many bytes these take.
    early_bytes: usize,
    pace: Pace,
    /// What the broker did wrong.
    fault: Option<Fault>,
    timeouts: Timeouts,
    /// When we last sent a packet: that is what keeps the connection alive.
    sent: Instant,
    /// When we sent a ping that is not answered yet.
    pinged: Option<Instant>,
    waiter: Waiter,
    /// Nobody calls it; but without it the waiter would wake all the time.
    _waker: Box<dyn Fn() + Send + Sync>,
}

impl Client {
    /// Connect, log in, and subscribe to what the broker's OctoPrints publish.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses us or one of the topics.
    pub fn connect(broker: &Broker, trust: &TlsTrust, timeouts: Timeouts) -> Result<Self, ConnectError> {
        let until = Instant::now() + timeouts.setup;
        let address = &broker.address;
        let stream = Stream::connect((address.host(), address.port()), address.is_tls(), trust, until)?;
        let (waker, waiter) = waker()?;
        let mut client = Self {
            stream,
            reader: PacketReader::default(),
            early: VecDeque::new(),
            early_bytes: 0,
            pace: Pace::new(Instant::now()),
            fault: None,
            timeouts,
            sent: Instant::now(),
            pinged: None,
            waiter,
            _waker: waker,
        };
        client.log_in(broker)?;
        client.subscribe(broker)?;
        client.stream.stop_blocking()?;
        Ok(client)
    }

    fn log_in(&mut self, broker: &Broker) -> Result<(), ConnectError> {
        // Several of us may be connected to one broker, and a broker drops the older of two with the same id.
        let id = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        let login = broker.login.as_ref().map(|(user, password)| (user.as_str(), password.as_deref()));
        self.send(&packet::connect(&format!("glassbox{:012x}", id >> 16), login, KEEP_ALIVE))?;
        match self.answer().map_err(|error| before_login(error, broker))? {
            Packet::Connack(0) => Ok(()),
            Packet::Connack(code) => Err(refused(broker, code)),
            _ => Err(ConnectError::away("it does not say whether it lets us in")),
        }
    }

    fn subscribe(&mut self, broker: &Broker) -> Result<(), ConnectError> {
        let bases = broker.octoprints.iter().map(|(_, base)| base);
        let topics: Vec<_> = bases.flat_map(|base| TOPICS.map(|topic| format!("{base}{topic}"))).collect();
        self.send(&packet::subscribe(topics.iter().map(String::as_str)))?;
        match self.answer()? {
            Packet::Suback(codes) => match codes.iter().zip(&topics).find(|(code, _)| **code == REFUSED) {
                Some((_, topic)) => Err(ConnectError::wrong(
                    format!("the broker at {} does not let us subscribe to {topic}", broker.address),
                    "allow its user to read that topic",
                )),
                None => Ok(()),
            },
            _ => Err(ConnectError::away("it does not say whether it lets us subscribe")),
        }
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), ConnectError> {
        self.sent = Instant::now();
        Ok(self.stream.write_all(packet).and_then(|()| self.stream.flush())?)
    }

    /// During set-up: the next packet that is not a message. Messages that come before it are kept, as far as there is
    /// room.
    fn answer(&mut self) -> Result<Packet, ConnectError> {
        loop {
            self.pace.rest(Instant::now()).into_iter().for_each(std::thread::sleep);
            match self.next_packet()? {
                Some(Packet::Publish(message, reply)) => {
                    reply.map_or(Ok(()), |reply| self.send(&reply))?;
                    self.early_bytes += MESSAGE + message.topic.len() + message.payload.len();
                    match self.early_bytes <= EARLY {
                        true => self.early.push_back(message),
                        false => self.fault = Some(Fault::TooEarly),
                    }
                }
                Some(Packet::Asks(reply)) => self.send(&reply)?,
                Some(Packet::Faulty(fault)) => self.fault = Some(fault),
                Some(packet) => return Ok(packet),
                None => drop(self.read()?),
            }
        }
    }

    fn next_packet(&mut self) -> Result<Option<Packet>, ConnectError> {
        let packet = self.reader.next_packet().map_err(|error| ConnectError::away(error.to_string()))?;
        packet.iter().for_each(|_| self.pace.packet());
        Ok(packet)
    }

    /// Whether anything came.
    fn read(&mut self) -> Result<bool, ConnectError> {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(ConnectError::away("it closed the connection")),
            Ok(count) => {
                self.reader.add(&bytes[..count]);
                self.pace.bytes(count);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The next message; none when nothing was published until `until`, or when we were woken early.
    ///
    /// # Errors
    /// When the connection is lost, or the broker no longer answers.
    pub fn next(&mut self, until: Option<Instant>) -> Result<Option<Message>, ConnectError> {
        if let Some(early) = self.early.pop_front() {
            return Ok(Some(early));
        }
        let mut waited = false;
        loop {
            let now = Instant::now();
            self.keep_alive(now)?;
            if let Some(rest) = self.pace.rest(now) {
                std::thread::sleep(rest);
                return Ok(None);
            }
            match self.next_packet()? {
                Some(packet) => return self.take(packet),
                None if self.read()? => {}
                None if waited => return Ok(None),
                None => {
                    self.wait(until)?;
                    waited = true;
                }
            }
        }
    }

    /// The message in a packet, if it has one.
    fn take(&mut self, packet: Packet) -> Result<Option<Message>, ConnectError> {
        match packet {
            Packet::Publish(message, reply) => {
                reply.map_or(Ok(()), |reply| self.send(&reply))?;
                return Ok(Some(message));
            }
            Packet::Asks(reply) => self.send(&reply)?,
            Packet::Pingresp => self.pinged = None,
            Packet::Faulty(fault) => self.fault = Some(fault),
            Packet::Connack(_) => self.fault = Some(Fault::Unasked(0x20)),
            Packet::Suback(_) => self.fault = Some(Fault::Unasked(0x90)),
        }
        Ok(None)
    }

    /// What the broker did wrong since this was last asked: that packet was passed over.
    pub fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// Send a ping if it is time to, and see whether the last one was answered.
    fn keep_alive(&mut self, now: Instant) -> Result<(), ConnectError> {
        if self.pinged.is_some_and(|pinged| now >= pinged + self.timeouts.answer) {
            return Err(ConnectError::away("it no longer answers"));
        }
        if now >= self.sent + self.timeouts.quiet {
            self.send(&PINGREQ)?;
            self.pinged.get_or_insert(now);
        }
        Ok(())
    }

    fn wait(&mut self, until: Option<Instant>) -> Result<(), ConnectError> {
        let now = Instant::now();
        let due = self.pinged.map(|pinged| pinged + self.timeouts.answer);
        let due = due.into_iter().chain(until).fold(self.sent + self.timeouts.quiet, Instant::min);
        let longest = due.saturating_duration_since(now).max(Duration::from_millis(1));
        let write = self.stream.wants_write();
        self.waiter.wait(self.stream.tcp(), write, longest)?;
        if write {
            let _ = self.stream.flush();
        }
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A courtesy: otherwise the broker finds out by itself.
        let _ = self.stream.write_all(&DISCONNECT).and_then(|()| self.stream.flush());
    }
}

/// What it may be that a connection is lost before the broker has said anything, which most do for one reason.
fn before_login(error: ConnectError, broker: &Broker) -> ConnectError {
    match error {
        ConnectError::Away { down: false, what, advice: None } => {
            let advice = match broker.address.is_tls() {
                true => {
                    "check that the port is the broker's for MQTT, and not for WebSockets; the broker's log may say more"
                }
                false => {
                    "if it speaks TLS at this port, begin the URL with mqtts://; otherwise check that the port is the \
                     broker's for MQTT, and not for WebSockets; the broker's log may say more"
                }
            };
            ConnectError::Away { down: false, what, advice: Some(advice.into()) }
        }
        error => error,
    }
}

/// Why a broker refuses us, by the code in its CONNACK (MQTT 3.1.1, section 3.2.2.3).
fn refused(broker: &Broker, code: u8) -> ConnectError {
    let at = &broker.address;
    match code {
        3 => ConnectError::away("it says that it is not available"),
        4 | 5 => ConnectError::wrong(
            format!("the broker at {at} does not let us in"),
            "set user and password_file of its [[mqtt]] entry to a user that it knows",
        ),
        code => ConnectError::wrong(
            format!("the broker at {at} refuses us (code {code})"),
            "use a broker that speaks MQTT 3.1.1",
        ),
    }
}
