//! `print_started`, `print_done`, `print_failed`, `print_cancelled`.

use crate::context::Context;
use crate::fields::{Fields, Payload, error, fitting, known, name, seconds, word_or_empty};
use crate::state::Job;
use serde_json::Value;

/// A print started: remembered, as its end may say less.
pub fn started(payload: &Payload, cx: &mut Context) {
    let value = |key| payload.get(key).cloned().unwrap_or_default();
    cx.state.job = Some(Job { origin: value("origin"), file: value("path") });
}

/// A print started or ended. `event` is OctoPrint's name for it.
pub fn report(event: &str, payload: &Payload, cx: &mut Context) {
    let (started, failed) = (event == "PrintStarted", event == "PrintFailed");
    let was_printing = std::mem::replace(&mut cx.state.printing, false);
    if !cx.on.printjob {
        return;
    }
    let job = cx.state.job.as_ref().filter(|_| failed);
    let before = |value: fn(&Job) -> &Value| job.map(value);
    // The host shows the hash of the path, never the path itself.
    let file = match known(payload.get("path")) {
        None if was_printing => known(before(|job| &job.file)),
        file => file,
    };
    let Some(file) = fitting(file, |_| true) else { return };
    let mut fields = Fields::default();
    let origin = fitting(payload.get("origin"), is_origin).or_else(|| fitting(before(|job| &job.origin), is_origin));
    fields.put_known("origin", origin).put("file", file);
    if cx.state.environment.has_connectors() {
        fields.copy("printer_connector", payload, "connector", name);
    }
    if !started {
        fields.copy("elapsed", payload, "time", seconds);
    }
    if failed {
        fields.copy_or_unknown("reason", payload, "reason", word_or_empty);
        if cx.on.commerror {
            fields.copy("commerror_text", payload, "error", error);
        }
    }
    cx.add_throttle_fields(&mut fields);
    let report = match event {
        "PrintStarted" => "print_started",
        "PrintDone" => "print_done",
        "PrintFailed" => "print_failed",
        _ => "print_cancelled",
    };
    cx.report(report, &fields);
    cx.state.printing = started;
}

fn is_origin(text: &str) -> bool {
    ["local", "sdcard", "printer"].contains(&text)
}
