//! `print_started`, `print_done`, `print_failed`, `print_cancelled`.

use super::commerror::hex;
use super::throttle;
use crate::fields::{ERROR_CHARS, Fields, NAME_CHARS, Payload, known, short, word};
use crate::state::{Reader, object};
use crate::tracker::Context;
use serde_json::Value;
use sha1::{Digest, Sha1};

/// The longest print that is believed, in seconds: up to here a float counts every second.
const LONGEST_PRINT: f64 = 1e15;

/// The print that is running, as it was reported. OctoPrint 2.1 says nothing but the connector
/// when the printer's connection is lost in the middle of a print; the rest is known from here.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    origin: Option<String>,
    /// The salted hash, never the path.
    file: String,
}

impl Job {
    /// For the next instance.
    pub fn save(&self) -> Value {
        object(vec![("origin", self.origin.clone().into()), ("file", self.file.clone().into())])
    }

    /// From the last instance.
    pub fn restore(saved: &Reader) -> Option<Self> {
        Some(Self { origin: saved.text("origin"), file: saved.text("file")? })
    }
}

/// A print started or ended.
pub fn print(event: &str, payload: &Payload, cx: &mut Context) {
    if !cx.on(|events| events.printjob) {
        // It may be the end of the one that was reported.
        cx.state.job = None;
        return;
    }
    let failed = event == "PrintFailed";
    let job = match payload.get("path") {
        Some(Value::String(path)) => Job { origin: origin(payload), file: hash(path, cx) },
        None if failed && let Some(job) = cx.state.job.clone() => job,
        _ => return,
    };
    let mut fields = Fields::default();
    if let Some(origin) = &job.origin {
        fields.put("origin", origin);
    }
    fields.put("file", &job.file);
    if cx.state.environment.has_connectors() {
        fields.put_known("printer_connector", short(payload.get("connector"), NAME_CHARS));
    }
    let name = match event {
        "PrintStarted" => "print_started",
        "PrintDone" => "print_done",
        "PrintFailed" => "print_failed",
        _ => "print_cancelled",
    };
    let started = event == "PrintStarted";
    if !started {
        fields.put_known("elapsed", elapsed(payload));
    }
    if failed {
        why(&mut fields, payload, cx);
    }
    throttle::describe(&mut fields, cx);
    cx.report(name, &fields);
    cx.state.job = started.then_some(job);
}

fn origin(payload: &Payload) -> Option<String> {
    let origin = payload.get("origin")?.as_str()?;
    ["local", "sdcard", "printer"].contains(&origin).then(|| origin.into())
}

/// SHA-1 of path and salt: equal for equal files of one installation, useless to anybody who does
/// not have the salt.
fn hash(path: &str, cx: &Context) -> String {
    let salt = cx.settings.file_salt.as_deref().unwrap_or_default();
    hex(&Sha1::new().chain_update(path).chain_update(salt).finalize())
}

/// Whole seconds; left out if they are none or no number.
fn elapsed(payload: &Payload) -> Option<String> {
    let seconds = payload.get("time")?.as_f64()?.trunc();
    // In this range the cast is exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (1.0..LONGEST_PRINT).contains(&seconds).then(|| (seconds as u64).to_string())
}

fn why(fields: &mut Fields, payload: &Payload, cx: &Context) {
    match known(payload, "reason") {
        None => fields.put("reason", "unknown"),
        Some(Value::String(empty)) if empty.is_empty() => fields.put("reason", ""),
        Some(reason) => fields.put_known("reason", word(reason)),
    };
    if cx.on(|events| events.commerror) {
        fields.put_known("commerror_text", short(payload.get("error"), ERROR_CHARS));
    }
}
