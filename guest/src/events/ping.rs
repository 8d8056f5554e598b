//! `ping` says that the server is running, `pong` describes the installation. The host says when they are due.

use crate::context::Context;
use crate::fields::{Fields, digits, fitting, word};

/// Report that the server is running, and the printer's state.
pub fn ping(cx: &Context) {
    let Some(start) = cx.state.server_start else { return };
    let uptime = (cx.now().saturating_sub(start).max(0) / 1000).to_string();
    let state = match &cx.state.printer_state {
        None => Some(cx.state.environment.offline_state().to_string()),
        state => fitting(state.as_ref(), word),
    };
    let Some(state) = state.filter(|_| digits(&uptime, 12)) else { return };
    let mut fields = Fields::default();
    fields.put("octoprint_uptime", uptime).put("printer_state", state);
    cx.report("ping", &fields);
}

/// Describe the installation.
pub fn pong(cx: &Context) {
    if !cx.on.pong {
        return;
    }
    let environment = &cx.state.environment;
    let mut fields = environment.describe(cx.host.machine());
    fields.put_known("plugins", environment.plugins());
    if cx.on.achievements {
        fields.put_known("achievements", environment.achievements());
    }
    cx.post("pong", &fields);
}
