//! OctoPrint's REST API: logging in, and reading a JSON document. What is in the documents is not known here.
//!
//! `api/login`, its answer, and the header `x-api-key` are in the chapter "REST API" of OctoPrint's documentation.

use super::permissions::STATUS;
use super::{SHOWN, refusal};
use crate::home::ApiKey;
use crate::net::http_connector::{HEAD, HEADERS, HttpConnector, INPUT, has_too_many_headers};
use crate::net::resolver::NameResolver;
use crate::net::tls_trust::TlsTrust;
use crate::net::{Address, ConnectError};
use glassbox_util::json::repaired;
use glassbox_util::text::printable;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;
use ureq::http::Response;
// Not stable over minor versions of ureq; the workspace's Cargo.toml holds it to one.
use ureq::{Agent, Body, Error, RequestBuilder};

/// The time limit for one request, to the end of its answer. A Pi that is starting is slow.
const LIMIT: Duration = Duration::from_secs(20);

/// The largest answer that is read, in bytes. A long list of plugins has about 100 KB.
const ANSWER: u64 = 4 << 20;

/// The most values in an answer, by the marks before them: a value takes some hundred times as much memory as its text,
/// and whoever answers must not decide how much. A long list of plugins has about 5,000.
const VALUES: usize = 100_000;

/// The write buffer, in bytes; our own headers must fit.
const OUTPUT: usize = 16 << 10;

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
    name: Option<String>,
    session: Option<String>,
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
    pub fn new(address: &Address, key: &ApiKey, trust: &TlsTrust) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false)
            // Only the server that the user named may see the key: not one that it redirects to, and no proxy.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            // Requests come a few at a time, and then not for days.
            .max_idle_connections(0)
            .input_buffer_size(INPUT)
            .max_response_header_size(HEAD)
            .output_buffer_size(OUTPUT)
            .user_agent(concat!("Glassbox/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = Agent::with_parts(config, HttpConnector::new(trust), NameResolver);
        Self { agent, address: address.clone(), key: key.clone() }
    }

    /// Log in.
    ///
    /// # Errors
    /// When it cannot be reached, is not an OctoPrint, or does not know the key.
    pub fn login(&self) -> Result<Login, ConnectError> {
        let request = self.agent.post(self.address.below("api/login")).content_type("application/json");
        let mut answer = self.known(request).send(r#"{"passive": true}"#).map_err(|error| self.unanswered(error))?;
        let address = &self.address;
        let status = answer.status().as_u16();
        let header =
            |name: &str| answer.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        match (status, header("www-authenticate")) {
            (200, _) => {}
            // OctoPrint itself never asks like this.
            (401, Some(wanted)) => return Err(refusal::wants_login(address, &wanted)),
            (300..=399, _) => return Err(refusal::redirected(address, status, header("location").as_deref())),
            (429 | 500..=599, _) => {
                return Err(ConnectError::Away {
                    down: refusal::is_down(status),
                    what: format!("it answered {status}: it is starting, or a proxy in front of it cannot reach it"),
                    advice: None,
                });
            }
            // OctoPrint 1.11 answers 400 to a request with an unknown key.
            (400 | 401 | 403, _) => {
                let body = read(&mut answer)?;
                if status == 400 && String::from_utf8_lossy(&body).contains("HTTPS port") {
                    let what = format!("{address} speaks TLS at this port");
                    return Err(ConnectError::wrong(what, "begin the URL with https://"));
                }
                return Err(match self.other_than_octoprint() {
                    Some(name) => refusal::not_octoprint(address, &format!("api/login answered {status}"), Some(&name)),
                    None => refusal::key(address, status),
                });
            }
            _ => {
                let what = format!("api/login answered {status}");
                return Err(refusal::not_octoprint(address, &what, self.other_than_octoprint().as_deref()));
            }
        }
        let body = read(&mut answer)?;
        // The answer has the key in it, and serde's message may show a part of the answer.
        let Ok(answer) = serde_json::from_str::<Answer>(&repaired(&body)) else {
            if refusal::is_web_page(&body) {
                return Err(refusal::web_page(address, status, &body));
            }
            let what = "what api/login answers is not OctoPrint's answer";
            return Err(refusal::not_octoprint(address, what, self.other_than_octoprint().as_deref()));
        };
        match answer {
            Answer { name: Some(name), session: Some(session), needs } => Ok(Login { name, session, may: needs.role }),
            Answer { name, .. } => Err(match self.other_than_octoprint() {
                Some(other) => refusal::not_octoprint(address, "api/login gives no session", Some(&other)),
                None => refusal::no_session(address, name.as_deref()),
            }),
        }
    }

    /// Why there is no answer to the first request: whoever hangs up at once may wait for TLS.
    fn unanswered(&self, error: Error) -> ConnectError {
        match &error {
            Error::Io(lost)
                if matches!(
                    lost.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) && !self.address.is_tls() =>
            {
                ConnectError::Away {
                    down: false,
                    what: "it closed the connection without an answer".into(),
                    advice: Some(
                        "if it speaks TLS at this port, begin the URL with https://; otherwise it may be starting"
                            .into(),
                    ),
                }
            }
            _ => failed(error),
        }
    }

    /// What something calls itself that answers like OctoPrint and is none; nothing if it does not say.
    fn other_than_octoprint(&self) -> Option<String> {
        let version = self.get("api/version").ok()?;
        let text = version.get("text")?.as_str()?;
        (!refusal::is_octoprint(text)).then(|| text.into())
    }

    /// Read the JSON document at this path, which does not begin with a slash.
    ///
    /// # Errors
    /// When there is no answer, or it is an error, too large, or not JSON.
    pub fn get(&self, path: &str) -> Result<Value, ConnectError> {
        let mut answer = self.known(self.agent.get(self.address.below(path))).call().map_err(failed)?;
        if answer.status() != 200 {
            return Err(ConnectError::away(format!("it answered {}", answer.status().as_u16())));
        }
        let body = read(&mut answer)?;
        serde_json::from_str(&repaired(&body))
            .map_err(|error| ConnectError::away(format!("its answer is not JSON: {error}")))
    }

    /// The request, with the key, and with what a proxy asks for.
    fn known<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let request = request.header("x-api-key", self.key.reveal());
        match self.address.login() {
            Some(login) => request.header("authorization", login.header()),
            None => request,
        }
    }
}

fn read(answer: &mut Response<Body>) -> Result<Vec<u8>, ConnectError> {
    let body = answer.body_mut().with_config().limit(ANSWER).read_to_vec().map_err(failed)?;
    if body.iter().filter(|byte| b",[{".contains(byte)).count() > VALUES {
        return Err(ConnectError::away(format!("its answer has more than {VALUES} values")));
    }
    Ok(body)
}

/// Why there is no answer.
fn failed(error: Error) -> ConnectError {
    match error {
        Error::Timeout(_) => ConnectError::away("there was no answer in time"),
        Error::BodyExceedsLimit(_) => ConnectError::away(format!("its answer has more than {} MiB", ANSWER >> 20)),
        Error::LargeResponseHeader(..) => {
            ConnectError::away(format!("its answer has more than {} KiB of headers", HEAD >> 10))
        }
        error if has_too_many_headers(&error) => ConnectError::Away {
            down: false,
            what: format!("its answer has more than {HEADERS} headers, which is as many as can be read"),
            advice: Some(
                "have the proxy in front of it add fewer, or give OctoPrint's own address (often http://HOST:5000)"
                    .into(),
            ),
        },
        // It is HTTP, with a fault somewhere in it.
        Error::Protocol(error) if !error.to_string().contains("HTTP version") => ConnectError::Away {
            down: false,
            what: format!("its answer breaks the rules of HTTP ({})", printable(&error.to_string(), SHOWN)),
            advice: Some(
                "correct what the proxy in front of it adds, or give OctoPrint's own address (often http://HOST:5000)"
                    .into(),
            ),
        },
        Error::Protocol(error) => ConnectError::Away {
            down: false,
            what: format!("what it answers is not HTTP ({})", printable(&error.to_string(), SHOWN)),
            advice: Some("if it speaks TLS, begin the URL with https://; otherwise check its host and port".into()),
        },
        Error::Io(error) => error.into(),
        error => ConnectError::away(error.to_string()),
    }
}
