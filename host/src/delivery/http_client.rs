//! Sends one request to its server, once: connections, TLS, limits on time and size, and whether the server can have
//! received it. When to send a request, and whether to send it again, is decided in `worker.rs`.

use super::MayLeave;
use super::only_to::OnlyTo;
use crate::net::ConnectError;
use crate::net::http_connector::{HEAD, HEADERS, HttpConnector, INPUT, has_too_many_headers};
use crate::net::proxy::proxy_for;
use crate::net::resolver::NameResolver;
use crate::net::tls_trust::TlsTrust;
use glassbox_sandbox::{Method, Outgoing};
use std::borrow::Cow;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use ureq::http::{StatusCode, Uri};
// Not stable over minor versions of ureq; the workspace's Cargo.toml holds it to one.
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Agent, Error, Timeout};

/// The time limit for one attempt, from looking up the name to the end of the answer. OctoPrint's own tracker has the
/// same (a connect and read timeout of 3.05 s).
const ATTEMPT: Duration = Duration::from_millis(3050);

/// How long an idle connection is kept. Reports come in bursts. Servers close a connection that was idle for some
/// seconds, and a request that is sent at that moment is lost, so we close it first.
pub const IDLE: Duration = Duration::from_secs(1);

/// How much of an answer is read, in bytes with its headers. Nobody looks at it; but only when an answer was read to
/// its end can the connection be used again.
const ANSWER: usize = HEAD + (64 << 10);

/// The write buffer of each connection, in bytes. A request's URL and headers must fit.
const OUTPUT: usize = 8 << 10;
/// The same for the few requests that do not fit: each of them gets a connection of its own.
const LARGE: usize = 128 << 10;

/// How an attempt ended.
#[derive(Debug)]
pub enum Attempt {
    /// The server answered with this status of 2xx.
    Sent(StatusCode),
    /// The server answered with another status, or not at all although it may have received the request, which would
    /// be counted twice if it were sent again. The status if there was one, and what happened, for people.
    Failed(Option<StatusCode>, String),
    /// Not a byte of the request was written to a connection, so the server cannot have received it. What happened, for
    /// people.
    NotSent(String),
    /// Not a byte of the request was written to a connection, as it may not leave any more: why.
    Refused(String),
}

/// Sends requests, one after the other.
pub struct HttpClient {
    agent: Agent,
    trust: TlsTrust,
    /// The one address that it may connect to; any if there is none.
    only: Option<SocketAddr>,
    current: Current,
}

/// The current request, shared with its connection.
#[derive(Clone, Default)]
struct Current(Arc<CurrentState>);

#[derive(Default)]
struct CurrentState {
    /// Whether a byte of it was written to a connection.
    written: AtomicBool,
    /// The request, and who is asked whether it may leave; none between two requests.
    asks: Mutex<Option<(Arc<Outgoing>, MayLeave)>>,
    /// Why it may not leave, if that was the answer.
    refused: Mutex<Option<String>>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(a request)")
    }
}

impl Current {
    fn set_written(&self, written: bool) {
        self.0.written.store(written, Ordering::SeqCst);
    }

    fn is_written(&self) -> bool {
        self.0.written.load(Ordering::SeqCst)
    }

    /// Ask whether the first byte may be written.
    fn ask(&self) -> Result<(), Error> {
        let asks = lock(&self.0.asks).clone();
        // A connection that nobody asked for must not carry anything.
        let answer = asks.map_or(Err(String::new()), |(request, may_leave)| may_leave(&request));
        answer.map_err(|reason| {
            *lock(&self.0.refused) = Some(reason.clone());
            std::io::Error::other(reason).into()
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpClient {
    /// A client without a connection. Servers' certificates must be signed by one of these CAs. With `only`, it connects to
    /// that address and to nothing else, neither a proxy nor a name service.
    pub fn new(trust: &TlsTrust, only: Option<SocketAddr>) -> Self {
        let current = Current::default();
        Self { agent: agent(trust, &current, OUTPUT, only), trust: trust.clone(), only, current }
    }

    /// Send a request to its server and wait for the answer.
    pub fn send(&self, request: &Arc<Outgoing>, may_leave: &MayLeave) -> Attempt {
        // Before the name is looked up, which tells somebody something too.
        if let Err(reason) = may_leave(request) {
            return Attempt::Refused(reason);
        }
        self.current.set_written(false);
        *lock(&self.current.0.refused) = None;
        *lock(&self.current.0.asks) = Some((request.clone(), may_leave.clone()));
        let exchanged = self.exchange(request);
        *lock(&self.current.0.asks) = None;
        match exchanged {
            Ok(status) if status.is_success() => Attempt::Sent(status),
            Ok(status) => Attempt::Failed(Some(status), format!("the server answered {status}")),
            Err(error) if self.current.is_written() => Attempt::Failed(None, not_answered(error)),
            Err(error) => match lock(&self.current.0.refused).take() {
                Some(reason) => Attempt::Refused(reason),
                None => Attempt::NotSent(not_sent(error) + &self.through(request)),
            },
        }
    }

    /// By which proxy a request goes, in words: without them it looks as if the server were to blame.
    fn through(&self, request: &Outgoing) -> String {
        let url = if self.only.is_some() { None } else { request.url.parse::<Uri>().ok() };
        let through = |proxy: ureq::Proxy| {
            format!(" (through the proxy {}:{}, which the environment names)", proxy.host(), proxy.port())
        };
        url.as_ref().and_then(proxy_for).map_or_else(String::new, through)
    }

    fn exchange(&self, request: &Outgoing) -> Result<StatusCode, Error> {
        let user_agent = request.user_agent.as_str();
        // The headers need some more.
        let is_large = request.url.len() + request.form.len() > OUTPUT - 1024;
        let larger = is_large.then(|| agent(&self.trust, &self.current, LARGE, self.only));
        let agent = larger.as_ref().unwrap_or(&self.agent);
        let url = match request.method {
            Method::Get if !request.form.is_empty() => Cow::Owned(format!("{}?{}", request.url, request.form)),
            _ => Cow::Borrowed(request.url.as_str()),
        };
        let url: Uri = url.parse().map_err(|_| Error::BadUri(request.url.clone()))?;
        let proxy = if self.only.is_some() { None } else { proxy_for(&url) };
        let mut answer = match request.method {
            Method::Get => agent.get(url).config().proxy(proxy).build().header("user-agent", user_agent).call(),
            Method::Post => agent
                .post(url)
                .config()
                .proxy(proxy)
                .build()
                .header("user-agent", user_agent)
                .header("content-type", "application/x-www-form-urlencoded")
                .send(request.form.as_bytes()),
        }?;
        // If it cannot be read to its end within the limits, the connection is closed, and nothing else happens.
        let _ = answer.body_mut().read_to_vec();
        Ok(answer.status())
    }
}

/// An agent whose connections have a write buffer of this many bytes. It uses no proxy unless a request says so.
fn agent(trust: &TlsTrust, current: &Current, output: usize, only: Option<SocketAddr>) -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(ATTEMPT))
        // A little less, so that the error says at which stage the time ran out.
        .timeout_resolve(Some(ATTEMPT - Duration::from_millis(50)))
        .timeout_connect(Some(ATTEMPT - Duration::from_millis(50)))
        .max_idle_age(IDLE)
        .input_buffer_size(INPUT)
        // Less than the buffer, or the error would not say that it is the headers that are too long.
        .max_response_header_size(HEAD)
        .output_buffer_size(output)
        .http_status_as_error(false)
        // A redirect would send a report to a server that nobody named.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .build();
    let connector = ObservedConnector { inner: HttpConnector::new(trust), current: current.clone() };
    match only {
        Some(address) => Agent::with_parts(config, connector, OnlyTo(address)),
        None => Agent::with_parts(config, connector, NameResolver),
    }
}

/// Makes connections that note whether something was written to them.
#[derive(Debug)]
struct ObservedConnector {
    inner: HttpConnector,
    current: Current,
}

impl Connector for ObservedConnector {
    type Out = ObservedTransport;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<ObservedTransport>, Error> {
        let connected = self.inner.connect(details, chained);
        // What was written so far was for a proxy, and not the request.
        self.current.set_written(false);
        Ok(connected?.map(|inner| ObservedTransport { inner, current: self.current.clone(), read: 0 }))
    }
}

#[derive(Debug)]
struct ObservedTransport {
    inner: Box<dyn Transport>,
    current: Current,
    /// How many bytes of the answer were read.
    read: usize,
}

impl Transport for ObservedTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        // A connection takes seconds to make, in which the user may have said no.
        if !self.current.is_written() {
            self.current.ask()?;
            self.current.set_written(true);
        }
        self.read = 0;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.read > ANSWER {
            return Err(std::io::Error::other("its answer has no end").into());
        }
        let before = self.buffers().input().len();
        let progress = self.inner.await_input(timeout)?;
        self.read += self.buffers().input().len() - before;
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Why there was no connection.
fn not_sent(error: Error) -> String {
    match error {
        Error::Timeout(Timeout::Resolve) => "its name could not be looked up in time".into(),
        Error::Timeout(_) => "there was no connection in time".into(),
        Error::Io(error) => ConnectError::from(error).to_string(),
        // The URL holds the id.
        Error::BadUri(_) => "the tracking server's URL cannot be used".into(),
        error => error.to_string(),
    }
}

/// Why there was no answer.
fn not_answered(error: Error) -> String {
    match error {
        Error::Timeout(_) => format!("there was no answer within {} s", ATTEMPT.as_secs_f32()),
        Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "the connection was closed before the answer was there".into()
        }
        Error::Io(error) => error.to_string(),
        Error::LargeResponseHeader(..) => format!("its answer has more than {} KiB of headers", HEAD >> 10),
        error if has_too_many_headers(&error) => {
            format!("its answer has more than {HEADERS} headers, which is as many as can be read")
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn it_is_asked_twice_whether_a_request_may_leave() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let request = Arc::new(Outgoing {
            method: Method::Get,
            name: "ping".into(),
            fields: Vec::new(),
            url: format!("http://{}/track", listener.local_addr().unwrap()),
            form: String::new(),
            user_agent: "Test/1".into(),
            shown: String::new(),
        });
        let client = HttpClient::new(&TlsTrust::default(), None);
        let refused = |attempt: Attempt| matches!(attempt, Attempt::Refused(reason) if reason == "no");
        assert!(refused(client.send(&request, &(Arc::new(|_: &Outgoing| Err("no".to_string())) as MayLeave))));
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "somebody was told that there is a report");
        listener.set_nonblocking(false).unwrap();

        let asked = AtomicBool::new(false);
        let once: MayLeave = Arc::new(move |_| match asked.swap(true, Ordering::SeqCst) {
            false => Ok(()),
            true => Err("no".to_string()),
        });
        assert!(refused(client.send(&request, &once)));
        let (mut connection, _) = listener.accept().unwrap();
        assert_eq!(connection.read_to_end(&mut Vec::new()).unwrap(), 0, "a byte of it left");

        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let read = connection.read(&mut [0; 1024]).unwrap();
            connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            read
        });
        assert!(matches!(client.send(&request, &(Arc::new(|_: &Outgoing| Ok(())) as MayLeave)), Attempt::Sent(_)));
        assert!(server.join().unwrap() > 0);
    }
}
