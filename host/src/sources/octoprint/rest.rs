//! OctoPrint's REST API: logging in, and reading what the push API does not bring.

use super::permissions::STATUS;
use crate::home::ApiKey;
use crate::net::connect_error::unreachable;
use crate::net::tls_trust::TlsTrust;
use crate::net::{Address, ConnectError};
use glassbox_util::text::printable;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use ureq::http::Response;
// Not stable over minor versions of ureq; the workspace's Cargo.toml holds it to one.
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Body, Error};

/// One request, to the end of its answer. A Pi takes its time while it starts.
const LIMIT: Duration = Duration::from_secs(20);

/// A longer answer is none. A long list of plugins has some 100 KB.
const ANSWER: u64 = 4 << 20;

/// What is read or written at once; a head must fit.
const BUFFER: usize = 8 << 10;

/// What every message about a key says.
const MAKE_A_KEY: &str = "make one in OctoPrint, in Settings > Application Keys, or for a user of its own";

/// A way to ask.
pub struct Rest {
    agent: Agent,
    address: Address,
    key: ApiKey,
}

/// Who we are to OctoPrint.
#[derive(Debug)]
pub struct Login {
    /// The user.
    pub name: String,
    /// For the push API.
    pub session: String,
    /// What the user may do, by OctoPrint's words for it.
    pub may: BTreeSet<String>,
}

impl Login {
    /// Whether events may be heard.
    ///
    /// # Errors
    /// When not; nothing goes without that.
    pub fn must_hear(&self, address: &Address) -> Result<(), ConnectError> {
        if self.may.contains(STATUS.role) {
            return Ok(());
        }
        Err(ConnectError::Wrong(format!(
            "at {address} the user of the API key may not hear events; give it the permission STATUS"
        )))
    }
}

#[derive(Deserialize)]
struct Answer {
    name: String,
    session: String,
    #[serde(default)]
    needs: Needs,
}

#[derive(Default, Deserialize)]
struct Needs {
    #[serde(default)]
    role: BTreeSet<String>,
}

impl Rest {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(address: &Address, key: &ApiKey, roots: &TlsTrust) -> Self {
        let (tls, connector) = roots.for_requests();
        let config = Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false)
            // A redirect would take the key to somebody whom nobody named; nor has a proxy to see it.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            // It is asked a few things at a time, and then not for days.
            .max_idle_connections(0)
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .user_agent(concat!("Glassbox/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let agent = Agent::with_parts(config, connector, DefaultResolver::default());
        Self { agent, address: address.clone(), key: key.clone() }
    }

    /// Log in.
    ///
    /// # Errors
    /// When it cannot be reached, is not an OctoPrint, or does not know the key.
    pub fn login(&self) -> Result<Login, ConnectError> {
        let request = self.agent.post(self.address.below("api/login")).content_type("application/json");
        let answer = request.header("x-api-key", self.key.reveal()).send(r#"{"passive": true}"#);
        let mut answer = answer.map_err(|error| away(&error))?;
        let address = &self.address;
        match answer.status().as_u16() {
            200 => {}
            // To a request without a key that it knows, OctoPrint 1.11 answers 400.
            status @ (400 | 401 | 403) => {
                return Err(ConnectError::Wrong(format!(
                    "{address} does not accept the API key (it answered {status}); {MAKE_A_KEY}"
                )));
            }
            status @ 300..=399 => return Err(ConnectError::Wrong(redirected(address, status, &answer))),
            status @ (429 | 500..=599) => {
                return Err(ConnectError::Away {
                    down: is_down(status),
                    reason: format!(
                        "it answered {status}: it is starting, or whoever stands before it does not reach it"
                    ),
                });
            }
            status => return Err(ConnectError::Wrong(no_octoprint(address, &format!("api/login answered {status}")))),
        }
        let body = read(&mut answer).map_err(ConnectError::away)?;
        // What serde says of it might hold a part of it, and it holds the key.
        let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
            let json: Result<Value, _> = serde_json::from_slice(&body);
            return Err(ConnectError::Wrong(match json {
                // Nobody in particular is logged in.
                Ok(Value::Object(_)) => format!("{address} does not know whose the API key is; {MAKE_A_KEY}"),
                _ => no_octoprint(address, "what api/login answered is not JSON"),
            }));
        };
        Ok(Login { name: answer.name, session: answer.session, may: answer.needs.role })
    }

    /// Read something.
    ///
    /// # Errors
    /// Why there is no JSON document, in words.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        let request = self.agent.get(self.address.below(path)).header("x-api-key", self.key.reveal());
        let mut answer = request.call().map_err(|error| away(&error).reason().to_string())?;
        if answer.status() != 200 {
            return Err(format!("it answered {}", answer.status().as_u16()));
        }
        let body = read(&mut answer)?;
        serde_json::from_slice(&body).map_err(|error| format!("its answer is not JSON: {error}"))
    }
}

fn read(answer: &mut Response<Body>) -> Result<Vec<u8>, String> {
    answer.body_mut().with_config().limit(ANSWER).read_to_vec().map_err(|error| match error {
        Error::BodyExceedsLimit(_) => format!("its answer has more than {} MiB", ANSWER >> 20),
        error => away(&error).reason().to_string(),
    })
}

fn away(error: &Error) -> ConnectError {
    match error {
        Error::Timeout(_) => ConnectError::away("there was no answer in time"),
        Error::Io(error) => unreachable(error),
        error => ConnectError::away(error.to_string()),
    }
}

/// Whether this is the answer of somebody who stands in for a server that does not run: a proxy, or
/// what OctoPrint shows while it starts.
pub fn is_down(status: u16) -> bool {
    matches!(status, 501..=504)
}

fn redirected(address: &Address, status: u16, answer: &Response<Body>) -> String {
    let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
    let to = printable(to.strip_suffix("api/login").unwrap_or(to), usize::MAX);
    format!("{address} leads elsewhere ({status} to {to}); give the URL that it leads to")
}

fn no_octoprint(address: &Address, what: &str) -> String {
    format!("there is no OctoPrint at {address}: {what}; check the URL, and the path that a proxy may add to it")
}
