//! Sending one request to its server, once: connections, TLS, limits of time and size, and whether
//! the server can have heard it. When to try, and whether again, is not decided here.

use crate::net::connect_error::why;
use crate::net::tls_trust::{SharedConnector, TlsTrust};
use glassbox_sandbox::{Method, Outgoing};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use ureq::http::StatusCode;
// Not stable over minor versions of ureq; the workspace's Cargo.toml holds it to one.
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Agent, Error, Timeout};

/// One attempt, from resolving the name to the end of the answer. OctoPrint's own limit.
const ATTEMPT: Duration = Duration::from_millis(3050);

/// Reports come in bursts, for which a connection is kept. Servers close one that was idle for some
/// seconds, and a request that meets that on its way is lost: we are the first to close it.
pub const IDLE: Duration = Duration::from_secs(1);

/// As much of an answer is read, headers and all, so that the connection can be used again; nobody
/// looks at it.
const ANSWER: usize = 64 << 10;

/// What is read at once, of which each connection keeps as much memory. The head of an answer has half of it.
const INPUT: usize = 16 << 10;

/// What is written at once, kept as well; a request's URL must fit. The few that do not get a connection of their own.
const OUTPUT: usize = 8 << 10;
const LARGE: usize = 128 << 10;

/// How an attempt ended.
#[derive(Debug)]
pub enum Attempt {
    /// The server answered with this status of 2xx.
    Sent(StatusCode),
    /// It answered with another status, or not at all though it may have heard the request: again
    /// could count twice.
    Failed(Option<StatusCode>, String),
    /// Not a byte of the request was given to a connection: the server cannot have heard it.
    NotHeard(String),
}

/// Carries requests, one after the other.
pub struct HttpClient {
    agent: Agent,
    roots: TlsTrust,
    given: Given,
}

/// Whether anything of a request was given to a connection.
#[derive(Clone, Debug, Default)]
struct Given(Arc<AtomicBool>);

impl Given {
    fn set(&self, given: bool) {
        self.0.store(given, Ordering::SeqCst);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl HttpClient {
    /// Without a connection yet; servers must be vouched for by one of these.
    #[must_use]
    pub fn new(roots: &TlsTrust) -> Self {
        let given = Given::default();
        Self { agent: agent(roots, &given, OUTPUT), roots: roots.clone(), given }
    }

    /// Carry a request to its server and wait for the answer.
    #[must_use]
    pub fn send(&self, request: &Outgoing) -> Attempt {
        self.given.set(false);
        match self.exchange(request) {
            Ok(status) if status.is_success() => Attempt::Sent(status),
            Ok(status) => Attempt::Failed(Some(status), format!("the server answered {status}")),
            Err(error) if self.given.get() => Attempt::Failed(None, not_answered(&error)),
            Err(error) => Attempt::NotHeard(not_heard(&error)),
        }
    }

    fn exchange(&self, request: &Outgoing) -> Result<StatusCode, Error> {
        let user_agent = request.user_agent.as_str();
        // A head has some more in it.
        let is_large = request.url.len() + request.form.len() > OUTPUT - 1024;
        let own = is_large.then(|| agent(&self.roots, &self.given, LARGE));
        let agent = own.as_ref().unwrap_or(&self.agent);
        let mut answer = match request.method {
            Method::Get if request.form.is_empty() => agent.get(&request.url).header("user-agent", user_agent).call(),
            Method::Get => {
                let url = format!("{}?{}", request.url, request.form);
                agent.get(&url).header("user-agent", user_agent).call()
            }
            Method::Post => agent
                .post(&request.url)
                .header("user-agent", user_agent)
                .header("content-type", "application/x-www-form-urlencoded")
                .send(request.form.as_bytes()),
        }?;
        // What cannot be read to its end within the limits costs the connection, no more.
        let _ = answer.body_mut().read_to_vec();
        Ok(answer.status())
    }
}

/// What makes connections that can write so much at once.
fn agent(roots: &TlsTrust, given: &Given, output: usize) -> Agent {
    let (tls, inner) = roots.for_requests();
    let config = Agent::config_builder()
        .timeout_global(Some(ATTEMPT))
        // A little less, so that it is seen at which stage the time ran out.
        .timeout_resolve(Some(ATTEMPT - Duration::from_millis(50)))
        .timeout_connect(Some(ATTEMPT - Duration::from_millis(50)))
        .max_idle_age(IDLE)
        .input_buffer_size(INPUT)
        // It must fit, or it would not be seen that it is the head that is too long.
        .max_response_header_size(INPUT / 2)
        .output_buffer_size(output)
        .http_status_as_error(false)
        // A redirect would send a report to somebody whom nobody named.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .tls_config(tls)
        .build();
    let connector = Watched { inner, given: given.clone() };
    Agent::with_parts(config, connector, DefaultResolver::default())
}

/// Makes connections, and watches what happens on them.
#[derive(Debug)]
struct Watched {
    inner: SharedConnector,
    given: Given,
}

impl Connector for Watched {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<Connection>, Error> {
        let connected = self.inner.connect(details, chained);
        // What a proxy was asked, over a connection of ours too, was not the request.
        self.given.set(false);
        Ok(connected?.map(|inner| Connection { inner, given: self.given.clone(), read: 0 }))
    }
}

#[derive(Debug)]
struct Connection {
    inner: Box<dyn Transport>,
    given: Given,
    /// Bytes of the answer so far.
    read: usize,
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.given.set(true);
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

/// Why no connection came about.
fn not_heard(error: &Error) -> String {
    match error {
        Error::Timeout(Timeout::Resolve) => "its name could not be looked up in time".into(),
        Error::Timeout(_) => "there was no connection in time".into(),
        Error::Io(error) => why(error),
        error => error.to_string(),
    }
}

/// Why there was no answer.
fn not_answered(error: &Error) -> String {
    match error {
        Error::Timeout(_) => format!("there was no answer within {} s", ATTEMPT.as_secs_f32()),
        Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "the connection was closed before the answer was there".into()
        }
        Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}
