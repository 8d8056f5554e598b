//! How ureq makes its connections: to the first of a name's addresses that answers, and over TLS to whom we trust. Its
//! own connector would wait for a dead address, and knows of no certificate that is trusted by its bytes.
//! What is sent over them belongs to the room that sends it.

use super::TlsTrust;
use super::dial::race;
use super::http_buffers::GrowingBuffers;
use super::stream::server_name;
use rustls::{ClientConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
// Not stable over minor versions of ureq; the workspace's Cargo.toml holds it to one.
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, Transport, TransportAdapter,
};

/// The longest head of an answer that is read, in bytes: its status and its headers. Proxies and firewalls add long ones
/// (policies, cookies); servers themselves stop at 64 KiB at the latest (Tornado, OctoPrint's, is such a one), and with
/// what comes on the way this is more than any needs. Without a bound, whoever answers would decide how much memory
/// that takes.
pub const HEAD: usize = 96 << 10;

/// The most headers of an answer that ureq reads. It has no setting for that.
pub const HEADERS: usize = 128;

/// The longest read buffer of a connection, in bytes: a head must fit.
pub const INPUT: usize = 128 << 10;

/// For a connection without a time limit, which we never ask for.
const LONGEST: Duration = Duration::from_secs(3600);

/// Makes connections. Clones share how TLS is set up.
#[derive(Clone, Debug)]
pub struct HttpConnector(Arc<dyn Connector<(), Out = Box<dyn Transport>>>);

impl HttpConnector {
    /// Trusting these.
    pub fn new(trust: &TlsTrust) -> Self {
        // In ureq's own order: a tunnel through a proxy is made first, and otherwise a connection to the server.
        Self(Arc::new(().chain(ConnectProxyConnector::default()).chain(Tcp).chain(Tls(trust.clone()))))
    }
}

impl Connector for HttpConnector {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<Self::Out>, Error> {
        self.0.connect(details, chained)
    }
}

/// Whether an answer could not be read as it has more than [`HEADERS`]. ureq shows the kind of this error only as text.
pub fn has_too_many_headers(error: &Error) -> bool {
    matches!(error, Error::Protocol(error) if error.to_string().contains("too many headers"))
}

/// The buffers that the configuration asks for.
fn buffers(details: &ConnectionDetails) -> GrowingBuffers {
    GrowingBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size())
}

#[derive(Debug)]
struct Tcp;

impl<In: Transport> Connector<In> for Tcp {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Box::new(tunnel)));
        }
        let addresses: Vec<_> = details.addrs.iter().copied().collect();
        let limit = details.timeout.not_zero().map_or(LONGEST, |limit| (*limit).min(LONGEST));
        let socket = race(&addresses, Instant::now() + limit).map_err(|error| timed(error, details.timeout))?;
        Ok(Some(Box::new(TcpTransport { socket, buffers: buffers(details) })))
    }
}

/// ureq has an error of its own for what took too long.
fn timed(error: std::io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

#[derive(Debug)]
struct TcpTransport {
    socket: TcpStream,
    buffers: GrowingBuffers,
}

impl TcpTransport {
    fn limit(timeout: NextTimeout) -> Result<Option<Duration>, Error> {
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        Ok(timeout.not_zero().map(|limit| *limit))
    }
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.socket.set_write_timeout(Self::limit(timeout)?)?;
        let output = &self.buffers.output()[..amount];
        self.socket.write_all(output).map_err(|error| timed(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.socket.set_read_timeout(Self::limit(timeout)?)?;
        let count = loop {
            match self.socket.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => break done.map_err(|error| timed(error, timeout))?,
            }
        };
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        // Nothing was asked for: whatever comes now, also an end, means that it cannot be used again.
        let quiet = |socket: &TcpStream| {
            socket.set_nonblocking(true)?;
            let peeked = socket.peek(&mut [0]);
            socket.set_nonblocking(false)?;
            Ok::<_, std::io::Error>(peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
        };
        quiet(&self.socket).unwrap_or(false)
    }
}

#[derive(Debug)]
struct Tls(TlsTrust);

impl<In: Transport> Connector<In> for Tls {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let Some(plain) = chained else { return Ok(None) };
        if !details.needs_tls() || plain.is_tls() {
            return Ok(Some(Box::new(plain)));
        }
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let name = server_name(host).map_err(std::io::Error::other)?;
        let config = self.0.client_config().map_err(std::io::Error::other)?;
        let mut tls = ClientConnection::new(config, name).map_err(std::io::Error::other)?;
        let mut socket = TransportAdapter::new(Box::new(plain) as Box<dyn Transport>, details.current_time.clone());
        socket.set_timeout(details.timeout);
        tls.complete_io(&mut socket)?;
        Ok(Some(Box::new(TlsTransport { tls: StreamOwned::new(tls, socket), buffers: buffers(details) })))
    }
}

struct TlsTransport {
    tls: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: GrowingBuffers,
}

impl std::fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(TLS)")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.tls.get_mut().set_timeout(timeout);
        Ok(self.tls.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.tls.get_mut().set_timeout(timeout);
        let count = self.tls.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        self.tls.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
