//! The connection under the push API, or to a broker: TCP or TLS, within a time limit until it is set up, and
//! never waiting afterwards.

use super::connect_error::unreachable;
use super::{ConnectError, TlsTrust};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// TCP that keeps to a time limit, however slowly the other side drips.
pub struct Wire {
    /// The socket.
    pub tcp: TcpStream,
    until: Option<Instant>,
}

/// Plain or within TLS.
pub enum Stream {
    /// TCP as it is.
    Plain(Wire),
    /// Within TLS.
    Tls(Box<StreamOwned<ClientConnection, Wire>>),
}

impl Stream {
    /// Connect; all that follows until `run_free` must be over at `until`.
    pub fn connect(to: (&str, u16), is_tls: bool, roots: &TlsTrust, until: Instant) -> Result<Self, ConnectError> {
        let wire = Wire { tcp: tcp(to, until)?, until: Some(until) };
        if !is_tls {
            return Ok(Self::Plain(wire));
        }
        let connection = connection(to.0, roots)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, wire))))
    }

    /// From now on nothing waits.
    pub fn run_free(&mut self) -> io::Result<()> {
        let wire = match self {
            Self::Plain(wire) => wire,
            Self::Tls(tls) => &mut tls.sock,
        };
        wire.until = None;
        wire.tcp.set_nonblocking(true)
    }

    /// The socket below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(wire) => &wire.tcp,
            Self::Tls(tls) => &tls.sock.tcp,
        }
    }

    /// Whether something waits for the socket to take it.
    pub fn wants_write(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.conn.wants_write())
    }
}

/// What speaks TLS to this host.
pub fn connection(host: &str, roots: &TlsTrust) -> Result<ClientConnection, ConnectError> {
    let name = ServerName::try_from(host.to_string())
        .map_err(|_| ConnectError::Wrong(format!("{host}: a certificate cannot name this host")))?;
    let connection = roots.for_others().and_then(|config| ClientConnection::new(config, name));
    connection.map_err(|error| ConnectError::away(error.to_string()))
}

fn tcp(to: (&str, u16), until: Instant) -> Result<TcpStream, ConnectError> {
    let found = to.to_socket_addrs();
    let found = found.map_err(|error| ConnectError::away(format!("its name cannot be looked up: {error}")))?;
    let mut trouble = ConnectError::away("its name leads nowhere");
    for one in found {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&one, left) {
            Ok(tcp) => {
                // Small messages that are waited for.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Err(error) => trouble = unreachable(&error),
        }
    }
    Err(trouble)
}

impl Wire {
    fn limit(&self) -> io::Result<()> {
        let Some(until) = self.until else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.tcp.set_read_timeout(Some(left))?;
        self.tcp.set_write_timeout(Some(left))
    }

    /// A limit that ran out is an end, and not "nothing yet".
    fn timed<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock if self.until.is_some() => ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.limit()?;
        let done = self.tcp.read(buffer);
        self.timed(done)
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.limit()?;
        let done = self.tcp.write(buffer);
        self.timed(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.write(buffer),
            Self::Tls(tls) => tls.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(wire) => wire.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
