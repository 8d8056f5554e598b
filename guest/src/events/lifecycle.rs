//! `startup` and `shutdown`: the server starts and stops.

use crate::context::Context;
use crate::fields::{Fields, Payload};
use crate::time::{Instant, SECOND};
use serde_json::Value;

/// The server has finished starting: a new run of it begins.
pub fn started(payload: &Payload, cx: &mut Context) {
    let uptime = payload.get("uptime").and_then(Value::as_f64).filter(|uptime| *uptime > 0.0).unwrap_or(0.0);
    // A cast from a float saturates.
    #[allow(clippy::cast_possible_truncation)]
    let uptime = (uptime * SECOND as f64).round() as Instant;
    let now = cx.now();
    let state = &mut cx.state;
    state.server_start = Some(now.saturating_sub(uptime));
    state.start_reported = false;
    (state.next_ping, state.next_pong) = (None, None);
}

/// The server is stopping. A second event of the same stop changes nothing.
pub fn stopping(cx: &mut Context) {
    if cx.state.start_reported && cx.is_on(|events| events.startup) {
        cx.report("shutdown", &Fields::default());
    }
    cx.state.end_server_run();
}

/// Whether the server has started, and `ping`, `pong` and `startup` are still to be sent for that.
pub fn is_start_due(cx: &Context) -> bool {
    cx.state.server_start.is_some() && !cx.state.start_reported
}

/// Report the start.
pub fn report_start(cx: &mut Context) {
    cx.state.start_reported = true;
    if cx.is_on(|events| events.startup) {
        cx.report("startup", &cx.state.environment.describe(&cx.host.machine()));
    }
}

/// Now, if the start is still to be reported.
pub fn next_tick(cx: &Context) -> Option<Instant> {
    is_start_due(cx).then(|| cx.now())
}
