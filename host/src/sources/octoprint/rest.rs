//! OctoPrint's REST API: logging in, and reading a JSON document. What is in the documents is not known here.
//!
//! `api/login`, its answer, and the header `x-api-key` are in the chapter "REST API" of OctoPrint's documentation.

use super::permissions::STATUS;
use crate::home::ApiKey;
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

/// The time limit for one request, to the end of its answer. A Pi that is starting is slow.
const LIMIT: Duration = Duration::from_secs(20);

/// The largest answer that is read, in bytes. A long list of plugins has about 100 KB.
const ANSWER: u64 = 4 << 20;

/// The read and the write buffer, in bytes; the headers must fit.
const BUFFER: usize = 8 << 10;

/// What to do about a key that is not accepted.
const MAKE_A_KEY: &str = "make one in OctoPrint, in Settings > Application Keys, or for a user of its own";

/// Sends requests to one OctoPrint, each with the API key.
pub struct RestClient {
    agent: Agent,
    address: Address,
    key: ApiKey,
}

/// What OctoPrint says of the key's user.
#[derive(Debug)]
pub struct Login {
    /// The user's name.
    pub name: String,
    /// The session, for authenticating at the push API.
    pub session: String,
    /// The user's permissions, by the names that the answer to a login has for them.
    pub may: BTreeSet<String>,
}

impl Login {
    /// Check that the user may see events.
    ///
    /// # Errors
    /// When it may not: nothing works without that.
    pub fn must_see_events(&self, address: &Address) -> Result<(), ConnectError> {
        if self.may.contains(STATUS.role) {
            return Ok(());
        }
        let what = format!("at {address} the API key's user may not see events");
        Err(ConnectError::wrong(what, "give it the permission STATUS"))
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

impl RestClient {
    /// A client without a connection.
    #[must_use]
    pub fn new(address: &Address, key: &ApiKey, trust: &TlsTrust) -> Self {
        let (tls, connector) = trust.for_ureq();
        let config = Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false)
            // Only the server that the user named may see the key: not one that it redirects to, and no proxy.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            // Requests come a few at a time, and then not for days.
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
        let mut answer = answer.map_err(failed)?;
        let address = &self.address;
        match answer.status().as_u16() {
            200 => {}
            // OctoPrint 1.11 answers 400 to a request with an unknown key.
            status @ (400 | 401 | 403) => {
                let what = format!("{address} does not accept the API key (it answered {status})");
                return Err(ConnectError::wrong(what, MAKE_A_KEY));
            }
            status @ 300..=399 => return Err(redirected(address, status, &answer)),
            status @ (429 | 500..=599) => {
                return Err(ConnectError::Away {
                    down: is_down(status),
                    what: format!("it answered {status}: it is starting, or a proxy in front of it cannot reach it"),
                    advice: None,
                });
            }
            status => return Err(not_octoprint(address, &format!("api/login answered {status}"))),
        }
        let body = read(&mut answer)?;
        // The answer has the key in it, and serde's message may show a part of the answer.
        let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
            let json: Result<Value, _> = serde_json::from_slice(&body);
            return Err(match json {
                // The key has no user.
                Ok(Value::Object(_)) => {
                    ConnectError::wrong(format!("{address} does not know whose API key this is"), MAKE_A_KEY)
                }
                _ => not_octoprint(address, "the answer of api/login is not JSON"),
            });
        };
        Ok(Login { name: answer.name, session: answer.session, may: answer.needs.role })
    }

    /// Read the JSON document at this path, which does not begin with a slash.
    ///
    /// # Errors
    /// When there is no answer, or it is an error, too large, or not JSON.
    pub fn get(&self, path: &str) -> Result<Value, ConnectError> {
        let request = self.agent.get(self.address.below(path)).header("x-api-key", self.key.reveal());
        let mut answer = request.call().map_err(failed)?;
        if answer.status() != 200 {
            return Err(ConnectError::away(format!("it answered {}", answer.status().as_u16())));
        }
        let body = read(&mut answer)?;
        serde_json::from_slice(&body).map_err(|error| ConnectError::away(format!("its answer is not JSON: {error}")))
    }
}

fn read(answer: &mut Response<Body>) -> Result<Vec<u8>, ConnectError> {
    answer.body_mut().with_config().limit(ANSWER).read_to_vec().map_err(failed)
}

/// Why there is no answer.
fn failed(error: Error) -> ConnectError {
    match error {
        Error::Timeout(_) => ConnectError::away("there was no answer in time"),
        Error::BodyExceedsLimit(_) => ConnectError::away(format!("its answer has more than {} MiB", ANSWER >> 20)),
        Error::Io(error) => error.into(),
        error => ConnectError::away(error.to_string()),
    }
}

/// Whether this is an answer in place of a server that is not running: from a proxy, or from OctoPrint's placeholder
/// while it starts (503).
pub fn is_down(status: u16) -> bool {
    matches!(status, 501..=504)
}

fn redirected(address: &Address, status: u16, answer: &Response<Body>) -> ConnectError {
    let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
    let to = printable(to.strip_suffix("api/login").unwrap_or(to), usize::MAX);
    ConnectError::wrong(
        format!("{address} redirects elsewhere ({status} to {to})"),
        "give the URL that it redirects to",
    )
}

fn not_octoprint(address: &Address, what: &str) -> ConnectError {
    let what = format!("there is no OctoPrint at {address}: {what}");
    ConnectError::wrong(what, "check the URL, and the path that a proxy may add to it")
}
