//! The connection below the push API or to a broker: TCP, or TLS over TCP. Setting it up is limited in time;
//! afterwards it never blocks, and [`super::waker`] waits for it. What is sent over it is not known here.

use super::dial::dial;
use super::{ConnectError, TlsTrust};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A TCP socket with a deadline for all that happens on it, however slowly the other side sends.
pub struct TimedTcp {
    socket: TcpStream,
    /// None once it no longer blocks.
    until: Option<Instant>,
    /// How long nothing may come before that.
    silence: Duration,
}

/// A connection with or without TLS.
pub enum Stream {
    /// Without TLS.
    Plain(TimedTcp),
    /// With TLS.
    Tls(Box<StreamOwned<ClientConnection, TimedTcp>>),
}

impl Stream {
    /// Connect to a host and port. The connection blocks until [`Self::stop_blocking`] is called, and all that is done
    /// with it before that must be over at `until`.
    ///
    /// # Errors
    /// When it cannot be reached, or no certificate can name this host. A bad certificate shows at the first read.
    pub fn connect(to: (&str, u16), is_tls: bool, trust: &TlsTrust, until: Instant) -> Result<Self, ConnectError> {
        let tcp = TimedTcp { socket: dial(to.0, to.1, until)?, until: Some(until), silence: Duration::MAX };
        if !is_tls {
            return Ok(Self::Plain(tcp));
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(tls_client(to.0, trust)?, tcp))))
    }

    /// For a slow line: what is done until [`Self::stop_blocking`] may take until then, as long as it is never silent for
    /// longer than this.
    pub fn be_patient(&mut self, until: Instant, silence: Duration) {
        let tcp = self.timed();
        (tcp.until, tcp.silence) = (Some(until), silence);
    }

    /// From now on nothing blocks, and there is no time limit.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop_blocking(&mut self) -> io::Result<()> {
        let tcp = self.timed();
        tcp.until = None;
        tcp.socket.set_nonblocking(true)
    }

    fn timed(&mut self) -> &mut TimedTcp {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &mut tls.sock,
        }
    }

    /// The socket, to wait for.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => &tcp.socket,
            Self::Tls(tls) => &tls.sock.socket,
        }
    }

    /// Whether TLS has data that the socket did not take yet.
    pub fn wants_write(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.conn.wants_write())
    }
}

/// The client's side of TLS with this host.
///
/// # Errors
/// When no certificate can name this host, or rustls rejects its own defaults.
pub fn tls_client(host: &str, trust: &TlsTrust) -> Result<ClientConnection, ConnectError> {
    let name = server_name(host)?;
    let client = trust.client_config().and_then(|config| ClientConnection::new(config, name));
    client.map_err(|error| ConnectError::away(error.to_string()))
}

/// The name that a certificate of this host must have.
///
/// # Errors
/// When no certificate can have it.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, ConnectError> {
    ServerName::try_from(host.to_string()).map_err(|_| {
        ConnectError::wrong(format!("a certificate cannot name the host '{host}'"), "use its DNS name or IP address")
    })
}

impl TimedTcp {
    fn limit(&self) -> io::Result<()> {
        let Some(until) = self.until else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now()).min(self.silence);
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.set_write_timeout(Some(left))
    }

    /// When the deadline has passed, the connection has failed; it is not that there is nothing yet.
    fn timed<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock if self.until.is_some() => ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl Read for TimedTcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.limit()?;
        let done = self.socket.read(buffer);
        self.timed(done)
    }
}

impl Write for TimedTcp {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.limit()?;
        let done = self.socket.write(buffer);
        self.timed(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(buffer),
            Self::Tls(tls) => tls.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
