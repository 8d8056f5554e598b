//! `print_started`, `print_done`, `print_failed`, `print_cancelled`.

use crate::context::Context;
use crate::fields::{ERROR_CHARS, Fields, NAME_CHARS, Payload, bounded_text, count, known, word};
use crate::state::PrintJob;
use serde_json::Value;

/// A print started or ended. `event` is OctoPrint's name for it.
pub fn print(event: &str, payload: &Payload, cx: &mut Context) {
    if !cx.is_on(|events| events.printjob) {
        // The print that was reported may have ended.
        cx.state.job = None;
        return;
    }
    let failed = event == "PrintFailed";
    let job = match payload.get("path") {
        // The host shows the hash of the path, never the path itself.
        Some(Value::String(hash)) => PrintJob { origin: origin(payload), file: hash.clone() },
        None if failed && let Some(job) = cx.state.job.clone() => job,
        _ => return,
    };
    let mut fields = Fields::default();
    if let Some(origin) = &job.origin {
        fields.put("origin", origin);
    }
    fields.put("file", &job.file);
    if cx.state.environment.has_connectors() {
        fields.put_known("printer_connector", bounded_text(payload.get("connector"), NAME_CHARS));
    }
    let name = match event {
        "PrintStarted" => "print_started",
        "PrintDone" => "print_done",
        "PrintFailed" => "print_failed",
        _ => "print_cancelled",
    };
    let started = event == "PrintStarted";
    if !started {
        fields.put_known("elapsed", count(payload.get("time").filter(|time| time.is_number())));
    }
    if failed {
        put_failure(&mut fields, payload, cx);
    }
    cx.add_throttle_fields(&mut fields);
    cx.report(name, &fields);
    cx.state.job = started.then_some(job);
}

fn origin(payload: &Payload) -> Option<String> {
    let origin = payload.get("origin")?.as_str()?;
    ["local", "sdcard", "printer"].contains(&origin).then(|| origin.into())
}

/// Add why the print failed.
fn put_failure(fields: &mut Fields, payload: &Payload, cx: &Context) {
    match known(payload, "reason") {
        None => fields.put("reason", "unknown"),
        Some(Value::String(empty)) if empty.is_empty() => fields.put("reason", ""),
        Some(reason) => fields.put_known("reason", word(reason)),
    };
    if cx.is_on(|events| events.commerror) {
        fields.put_known("commerror_text", bounded_text(payload.get("error"), ERROR_CHARS));
    }
}
