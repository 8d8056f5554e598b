//! Recorded cases as they stand in a corpus file, one a line.

use anyhow::{Context, Result, bail};
use glassbox_sandbox::Outgoing;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::path::{Path, PathBuf};

/// One recorded case.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// `family/what`.
    #[serde(rename = "case")]
    pub name: String,
    /// The settings document in force.
    pub settings: Map<String, Value>,
    /// Environment variables that were set.
    #[serde(default)]
    pub env: Map<String, Value>,
    /// What the throttle query answers; none for no such query.
    #[serde(default)]
    pub throttled: Option<String>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What OctoPrint sent because of the last event.
    pub expect: Vec<Request>,
    /// Whether ours must be the same bytes.
    pub exact: bool,
    /// Why they need not be.
    #[serde(default)]
    pub why: Option<String>,
}

/// One event of a case.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// Its name.
    pub event: String,
    /// Its payload.
    #[serde(default)]
    pub payload: Value,
}

/// A request as it was on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// The path, encoded.
    pub path: String,
    /// The query, encoded; empty for none.
    pub query: String,
    /// The body, encoded; empty for none.
    pub body: String,
    /// The whole `User-Agent` header.
    pub user_agent: String,
}

impl From<&Outgoing> for Request {
    fn from(request: &Outgoing) -> Self {
        Self {
            method: request.method.to_string(),
            path: request.path().into(),
            query: request.query().into(),
            body: request.body().into(),
            user_agent: request.user_agent.clone(),
        }
    }
}

impl Request {
    /// What is reported: the last segment of the path that is not empty.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// Names and values of query or body, still encoded, in order.
    #[must_use]
    pub fn fields(&self) -> Vec<(&str, &str)> {
        let form = if self.method == "POST" { &self.body } else { &self.query };
        form.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect()
    }

    /// The value of a field, decoded.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(field, _)| *field == name).map(|(_, value)| decode(value))
    }
}

impl fmt::Display for Request {
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

/// Undo percent-encoding; what is not UTF-8 then is replaced.
#[must_use]
pub fn decode(text: &str) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let pair = bytes.get(i + 1).copied().and_then(hex).zip(bytes.get(i + 2).copied().and_then(hex));
        match pair {
            Some((high, low)) if bytes[i] == b'%' => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                i += 3;
            }
            _ => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Case {
    /// The part of the name before the slash.
    #[must_use]
    pub fn family(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// The payload of the last event; null if there is no event.
    #[must_use]
    pub fn last_payload(&self) -> &Value {
        self.events.last().map_or(&Value::Null, |event| &event.payload)
    }

    /// The name of the last event.
    #[must_use]
    pub fn last_event(&self) -> &str {
        self.events.last().map_or("", |event| &event.event)
    }
}

/// The cases of one corpus.
#[derive(Clone, Debug)]
pub struct Cases {
    /// The file that they stand in.
    pub file: PathBuf,
    /// At least one.
    pub cases: Vec<Case>,
}

/// Read these corpora.
///
/// # Errors
/// As of [`read`], for the first that cannot be read.
pub fn read_all(files: &[PathBuf]) -> Result<Vec<Cases>> {
    files.iter().map(|file| read(file)).collect()
}

/// Read a corpus.
///
/// # Errors
/// When the file cannot be read, has no case, or a line is none; the message names the line.
pub fn read(file: &Path) -> Result<Cases> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading the corpus {}", file.display()))?;
    let mut cases = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let case: Case = serde_json::from_str(line)
            .with_context(|| format!("{}, line {}: this is not a recorded case", file.display(), i + 1))?;
        cases.push(case);
    }
    if cases.is_empty() {
        bail!("{} has no cases", file.display());
    }
    Ok(Cases { file: file.into(), cases })
}

/// A payload as JSON text for a component. JSON has no word for NaN and infinity, which stand as
/// `{"$float": ..}` in a corpus: as null, they are not known.
#[must_use]
pub fn payload_text(payload: &Value) -> String {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Object(object) if object.len() == 1 && object.contains_key("$float") => Value::Null,
            Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
            Value::Array(list) => list.iter().map(plain).collect(),
            scalar => scalar.clone(),
        }
    }
    plain(payload).to_string()
}
