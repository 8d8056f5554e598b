//! A WebSocket, as its client: one message after the other, of any size, in bounded memory. Nothing here blocks once the
//! connection is made. What the messages mean is not known here.

mod frames;
mod upgrade;

pub use frames::BEGINNING;
pub use upgrade::{Head, no_http};

use super::stream::Stream;
use super::waker::Waiter;
use super::{Address, ConnectError, Timeouts, TlsTrust};
use frames::{Frame, FrameReader};
use glassbox_util::text::printable;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// How much is read at once, in bytes. It is on the stack, so that a connection that is quiet takes no memory for it.
const READ: usize = 16 << 10;

/// While more than this is not sent yet, in bytes, pings are not answered: who does not read what we send, and asks for
/// more, must not decide how much we keep.
const UNSENT: usize = 4 << 10;

/// Of the reason for a server's end, this many characters are shown.
const REASON: usize = 200;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message, text or binary.
    Message(Vec<u8>),
    /// A message that is not wanted, or is too large: its beginning.
    PassedOver(Vec<u8>),
    /// The answer to a ping.
    Pong,
}

/// A connection.
pub struct WebSocket {
    stream: Stream,
    reader: FrameReader,
    /// What was read and not looked at yet, and how much of it was.
    input: Vec<u8>,
    at: usize,
    /// What the socket did not take yet.
    output: Vec<u8>,
    received: Instant,
}

impl WebSocket {
    /// Connect to something below an address, and turn the connection into a WebSocket. Messages may have `largest` bytes;
    /// one that is longer than [`BEGINNING`] is kept only if what it begins with is `wanted`. Where there is no
    /// WebSocket, what answered instead.
    ///
    /// # Errors
    /// When it cannot be reached, or does not speak HTTP.
    pub fn connect(
        (address, path): (&Address, &str),
        trust: &TlsTrust,
        timeouts: Timeouts,
        largest: usize,
        wanted: fn(&[u8]) -> bool,
    ) -> Result<Result<Self, Head>, ConnectError> {
        let now = Instant::now();
        let to = (address.host(), address.port());
        let mut stream = Stream::connect(to, address.is_tls(), trust, now + timeouts.setup)?;
        stream.be_patient(now + timeouts.patience, timeouts.setup);
        let (head, input) = upgrade::upgrade(&mut stream, address, path)?;
        if head.status != 101 {
            return Ok(Err(head));
        }
        stream.stop_blocking()?;
        let reader = FrameReader::new(largest, wanted);
        Ok(Ok(Self { stream, reader, input, at: 0, output: Vec::new(), received: Instant::now() }))
    }

    /// When something last came, be it a part of a message.
    pub fn received(&self) -> Instant {
        self.received
    }

    /// Send a text. What the socket does not take now is sent later, when [`Self::read`] or [`Self::wait`] is called.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn send(&mut self, text: &str) -> Result<(), ConnectError> {
        self.output.extend(frames::text(text, mask()));
        self.flush()
    }

    /// Send a ping.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn ping(&mut self) -> Result<(), ConnectError> {
        self.output.extend(frames::ping(None, mask()));
        self.flush()
    }

    /// What came next; none if there is nothing at the moment. It returns after each piece that it reads, so that a
    /// message without end holds up nobody.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn read(&mut self) -> Result<Next, ConnectError> {
        if self.at == self.input.len() {
            self.flush()?;
            let mut bytes = [0; READ];
            let count = match self.stream.read(&mut bytes) {
                Ok(0) => return Err(ConnectError::away("it closed the connection")),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Next::Nothing),
                Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Next::More),
                Err(error) => return Err(error.into()),
            };
            self.received = Instant::now();
            // Not more than it has to be: there are many connections, and most are quiet.
            (self.input, self.at) = (bytes[..count].to_vec(), 0);
        }
        let mut rest = &self.input[self.at..];
        let read = self.reader.read(&mut rest);
        self.at = self.input.len() - rest.len();
        if rest.is_empty() {
            (self.input, self.at) = (Vec::new(), 0);
        }
        let frame = read.map_err(|why| ConnectError::away(format!("what it sends is no WebSocket: {why}")))?;
        Ok(match frame {
            None => Next::More,
            Some(Frame::Message(message)) => Next::Came(Incoming::Message(message)),
            Some(Frame::PassedOver(beginning)) => Next::Came(Incoming::PassedOver(beginning)),
            Some(Frame::Pong) => Next::Came(Incoming::Pong),
            Some(Frame::Ping(bytes)) => {
                if self.output.len() <= UNSENT {
                    self.output.extend(frames::ping(Some(&bytes), mask()));
                    self.flush()?;
                }
                Next::More
            }
            Some(Frame::Close(reason)) => {
                let reason = printable(&reason, REASON);
                let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
                return Err(ConnectError::away(format!("it closed the connection{reason}")));
            }
        })
    }

    /// Wait until something comes, the waiter is woken, or `longest` has passed.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn wait(&mut self, waiter: &Waiter, longest: Duration) -> Result<(), ConnectError> {
        self.flush()?;
        let write = !self.output.is_empty() || self.stream.wants_write();
        Ok(waiter.wait(self.stream.tcp(), write, longest)?)
    }

    fn flush(&mut self) -> Result<(), ConnectError> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return Err(ConnectError::away("it closed the connection")),
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        match self.stream.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Whether something came.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Something.
    Came(Incoming),
    /// Only a part of something, or what is of no interest: ask again.
    More,
    /// Nothing.
    Nothing,
}

/// It need not be a secret over a connection that we made: it keeps proxies from taking a text for a request of theirs.
fn mask() -> [u8; 4] {
    getrandom::u32().unwrap_or_default().to_ne_bytes()
}
