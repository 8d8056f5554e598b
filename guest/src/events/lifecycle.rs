//! `startup` and `shutdown`: the server starts and stops.

use crate::context::Context;
use crate::fields::{Fields, Payload};
use serde_json::Value;

/// The server has finished starting, `age` milliseconds ago: a new run of it began.
pub fn started(payload: &Payload, age: u64, cx: &mut Context) {
    let uptime = payload.get("uptime").and_then(Value::as_f64).filter(|uptime| *uptime > 0.0).unwrap_or(0.0);
    // A cast from a float saturates.
    #[allow(clippy::cast_possible_truncation)]
    let uptime = (uptime * 1000.0).round() as i64;
    cx.state.server_start = Some(cx.now().saturating_sub_unsigned(age).saturating_sub(uptime));
}

/// The server is stopping. A second event of the same stop changes nothing.
pub fn stopping(cx: &mut Context) {
    if cx.state.server_start.is_some() && cx.on.startup {
        cx.report("shutdown", &Fields::default());
    }
    cx.state.end_server_run();
}

/// Report the start.
pub fn report_start(cx: &Context) {
    if cx.on.startup {
        cx.report("startup", &cx.state.environment.describe(cx.host.machine()));
    }
}
