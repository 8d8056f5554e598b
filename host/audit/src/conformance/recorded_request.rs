//! A request as it was on the wire, in the form in which recordings hold it.

use glassbox_sandbox::{Method, Outgoing};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A request as it was on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// The path, percent-encoded.
    pub path: String,
    /// The query, percent-encoded and without `?`; empty for none.
    pub query: String,
    /// The body, percent-encoded; empty for none.
    pub body: String,
    /// The value of the `User-Agent` header.
    pub user_agent: String,
}

impl From<&Outgoing> for RecordedRequest {
    fn from(request: &Outgoing) -> Self {
        let after_scheme = request.url.split_once("://").map_or(&*request.url, |(_, rest)| rest);
        let path = after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..]);
        let form = request.form.clone();
        let (query, body) = if request.method == Method::Get { (form, String::new()) } else { (String::new(), form) };
        let (method, user_agent) = (request.method.to_string(), request.user_agent.clone());
        Self { method, path: path.into(), query, body, user_agent }
    }
}

impl RecordedRequest {
    /// The name of the report: the last segment of the path that is not empty.
    pub fn kind(&self) -> &str {
        self.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// Names and values in the query (in the body of a POST), still encoded, in order.
    pub fn fields(&self) -> Vec<(&str, &str)> {
        let form = if self.method == "POST" { &self.body } else { &self.query };
        form.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect()
    }

    /// The value of a field, decoded.
    pub fn value(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(field, _)| *field == name).map(|(_, value)| decode(value))
    }
}

impl fmt::Display for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        if !self.body.is_empty() {
            write!(f, " body {}", self.body)?;
        }
        write!(f, " ({})", self.user_agent)
    }
}

/// Undo percent-encoding. `+` stays as it is; bytes that are not UTF-8 are replaced.
pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
