//! A tracking server over real sockets, with or without TLS, that misbehaves as its script says and
//! keeps what it received. What the program must do about it is tested in `network.rs` and `tls.rs`.

use crate::support::LONG;
use glassbox_audit::conformance::RecordedRequest;
use glassbox_audit::conformance::receiver::read_request;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The most that a flood brings.
pub const GIGABYTE: usize = 1 << 30;

/// One step of the script: what is done with the next connection, or with the next request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Close the next connection before anything is read from it.
    HangUp,
    /// Keep the next connection, and never read from it.
    Ignore,
    /// Read a request and answer with these bytes; the connection stays.
    Answer(Vec<u8>),
    /// Read a request, write these bytes and close.
    Close(Vec<u8>),
    /// Read a request, write the first, then the second at ten bytes a second.
    Drip(Vec<u8>, Vec<u8>),
    /// Read a request, write the first, then the second again and again, a gigabyte if somebody
    /// takes it.
    Flood(Vec<u8>, Vec<u8>),
    /// Read a request and say nothing.
    Silence,
}

/// An answer with this status and an empty body.
pub fn status(status: &str) -> Act {
    Act::Answer(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into())
}

/// What is done when the script is at its end, and how a good server answers.
pub fn good() -> Act {
    status("204 No Content")
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    pub request: RecordedRequest,
    /// On the how manieth connection.
    pub connection: usize,
    pub at: Instant,
}

#[derive(Default)]
struct Seen {
    script: VecDeque<Act>,
    /// When each came.
    connections: Vec<Instant>,
    /// Those that are still there, by their numbers.
    open: BTreeMap<usize, TcpStream>,
    heard: Vec<Heard>,
    /// Bytes that floods could bring home.
    flooded: usize,
}

struct Shared {
    tls: Option<Arc<ServerConfig>>,
    stop: AtomicBool,
    seen: Mutex<Seen>,
    more: Condvar,
}

/// The server. It serves until it is stopped.
pub struct Faulty {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl Faulty {
    /// Over plain TCP, on this port or on any that is free.
    pub fn http(port: u16, script: Vec<Act>) -> Self {
        Self::start(port, None, script)
    }

    /// Over TLS, with one of the certificates beside this file.
    pub fn https(certificate: &str, script: Vec<Act>) -> Self {
        Self::start(0, Some(server_config(certificate)), script)
    }

    fn start(port: u16, tls: Option<Arc<ServerConfig>>, script: Vec<Act>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Mutex::new(Seen { script: script.into(), ..Seen::default() });
        let shared = Arc::new(Shared { tls, stop: AtomicBool::new(false), seen, more: Condvar::new() });
        let own = shared.clone();
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if own.stop.load(Ordering::SeqCst) {
                    break;
                }
                accept(stream, &own);
            }
        });
        Self { address, shared, listener: Some(listener) }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its URL, as the setting `server` has it.
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/track/{{id}}/{{event}}/", self.address)
    }

    /// All requests so far, in the order in which they came.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.seen.lock().unwrap().heard.clone()
    }

    /// When each connection so far came.
    pub fn connections(&self) -> Vec<Instant> {
        self.shared.seen.lock().unwrap().connections.clone()
    }

    /// Bytes that floods could bring home.
    pub fn flooded(&self) -> usize {
        self.shared.seen.lock().unwrap().flooded
    }

    /// Wait until so many requests have come.
    #[track_caller]
    pub fn wait_for(&self, requests: usize) -> Vec<Heard> {
        self.wait(LONG, |seen| seen.heard.len() >= requests);
        self.heard()
    }

    /// Wait until so many connections have come.
    #[track_caller]
    pub fn wait_for_connections(&self, count: usize, longest: Duration) {
        self.wait(longest, |seen| seen.connections.len() >= count);
    }

    #[track_caller]
    fn wait(&self, longest: Duration, is_so: impl Fn(&Seen) -> bool) {
        let seen = self.shared.seen.lock().unwrap();
        let (seen, timeout) = self.shared.more.wait_timeout_while(seen, longest, |seen| !is_so(seen)).unwrap();
        let so_far = (seen.connections.len(), seen.heard.clone());
        drop(seen);
        assert!(!timeout.timed_out(), "in vain; connections and requests so far: {so_far:?}");
    }

    /// Close all connections that are open; whoever asks next gets a new one.
    pub fn close_connections(&self) {
        // The answer to what was heard last may still be on its way, and would be cut off.
        std::thread::sleep(crate::support::SILENCE);
        let open = std::mem::take(&mut self.shared.seen.lock().unwrap().open);
        for stream in open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Close everything: connections are refused from now on. Returns what was heard.
    pub fn stop(mut self) -> Vec<Heard> {
        // The answer to what was heard last may still be on its way, and would be cut off.
        std::thread::sleep(crate::support::SILENCE);
        self.end();
        self.heard()
    }

    fn end(&mut self) {
        if let Some(listener) = self.listener.take() {
            self.shared.stop.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.address);
            let _ = listener.join();
            self.close_connections();
        }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.end();
    }
}

/// TLS for a server with one of the certificates beside this file.
pub fn server_config(certificate: &str) -> Arc<ServerConfig> {
    server_config_of(certificate, rustls::DEFAULT_VERSIONS)
}

/// The same, with these versions of TLS. The certificate is not looked at, as other servers do not look at theirs.
pub fn server_config_of(certificate: &str, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(certificate_file(certificate)).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificate_file("server.key")).unwrap();
    let key = CertifiedKey::new(vec![certificate], any_supported_type(&key).unwrap());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    Arc::new(config)
}

/// One of the certificates beside this file, or their key.
pub fn certificate_file(name: &str) -> std::path::PathBuf {
    crate::support::workspace("tests/end_to_end/certificates").join(name)
}

fn accept(stream: TcpStream, shared: &Arc<Shared>) {
    let mut seen = shared.seen.lock().unwrap();
    seen.connections.push(Instant::now());
    let connection = seen.connections.len();
    shared.more.notify_all();
    // Only one of them talks to us, and one request at a time: the next step is this connection's.
    match seen.script.front() {
        Some(Act::HangUp) => drop(seen.script.pop_front()),
        Some(Act::Ignore) => {
            seen.script.pop_front();
            seen.open.insert(connection, stream);
        }
        _ => {
            seen.open.insert(connection, stream.try_clone().unwrap());
            let shared = shared.clone();
            std::thread::spawn(move || match &shared.tls {
                Some(config) => {
                    let session = ServerConnection::new(config.clone()).unwrap();
                    serve(StreamOwned::new(session, stream), connection, &shared);
                }
                None => serve(stream, connection, &shared),
            });
        }
    }
}

/// Read requests and do as the script says, until the connection ends.
fn serve(stream: impl Read + Write, connection: usize, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream) {
        let act = {
            let mut seen = shared.seen.lock().unwrap();
            seen.heard.push(Heard { request, connection, at: Instant::now() });
            shared.more.notify_all();
            seen.script.pop_front().unwrap_or_else(good)
        };
        let goes_on = match act {
            Act::Answer(bytes) => stream.get_mut().write_all(&bytes).is_ok(),
            Act::Drip(first, slowly) => {
                let out = stream.get_mut();
                out.write_all(&first).is_ok()
                    && slowly.iter().all(|byte| {
                        std::thread::sleep(Duration::from_millis(100));
                        out.write_all(&[*byte]).is_ok()
                    })
            }
            Act::Flood(first, more) => flood(stream.get_mut(), &first, &more, shared),
            Act::Close(bytes) => {
                let _ = stream.get_mut().write_all(&bytes);
                false
            }
            Act::Silence => {
                // Until the other side has had enough.
                let _ = stream.read(&mut [0]);
                false
            }
            Act::HangUp | Act::Ignore => unreachable!("a request came where the script has a new connection"),
        };
        if !goes_on {
            break;
        }
    }
    // The clone would keep it open.
    if let Some(stream) = shared.seen.lock().unwrap().open.remove(&connection) {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn flood(stream: &mut impl Write, first: &[u8], more: &[u8], shared: &Shared) -> bool {
    let mut written = first.len();
    let mut ok = stream.write_all(first).is_ok();
    while ok && written < GIGABYTE {
        ok = stream.write_all(more).is_ok();
        written += more.len();
    }
    shared.seen.lock().unwrap().flooded += written;
    ok
}
