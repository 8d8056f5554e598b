//! `printer_connected`: sent as soon as a new connection's firmware is known; from OctoPrint 1.12
//! on also if it is still unknown after 15 s. And the printer's state, for `ping`.

use crate::context::Context;
use crate::fields::{Fields, NAME_CHARS, Payload, bounded_text, word};
use crate::state::PendingConnection;
use crate::time::{Instant, SECOND};
use serde_json::Value;

/// How long a connection waits for the printer to name its firmware.
const FIRMWARE_TIMEOUT: Instant = 15 * SECOND;

/// A printer was connected. A second connection takes the place of the first.
pub fn connected(payload: &Payload, cx: &mut Context) {
    cx.state.connection = Some(PendingConnection {
        connector: bounded_text(payload.get("connector"), NAME_CHARS),
        port: bounded_text(payload.get("port"), NAME_CHARS),
        baudrate: bounded_text(payload.get("baudrate"), NAME_CHARS).filter(|text| is_baudrate(text)),
        deadline: cx.state.environment.has_connectors().then(|| cx.now() + FIRMWARE_TIMEOUT),
    });
}

/// The printer named its firmware; only the first time counts.
pub fn firmware(payload: &Payload, cx: &mut Context) {
    if let Some(pending) = cx.state.connection.take() {
        report(&pending, payload.get("name"), cx);
    }
}

/// The printer was disconnected: the timeout is cancelled.
pub fn disconnected(cx: &mut Context) {
    if let Some(pending) = &mut cx.state.connection {
        pending.deadline = None;
    }
}

/// The printer's state changed: remembered for `ping`.
pub fn state_changed(payload: &Payload, cx: &mut Context) {
    if let Some(state) = payload.get("state_id").and_then(word) {
        cx.state.printer_state = Some(state);
    }
}

/// Report a connection that has waited long enough.
pub fn tick(cx: &mut Context) {
    if next_tick(cx).is_some_and(|deadline| deadline <= cx.now())
        && let Some(pending) = cx.state.connection.take()
    {
        report(&pending, None, cx);
    }
}

/// When the waiting connection has waited long enough.
pub fn next_tick(cx: &Context) -> Option<Instant> {
    cx.state.connection.as_ref()?.deadline
}

fn report(pending: &PendingConnection, firmware: Option<&Value>, cx: &Context) {
    if !cx.is_on(|events| events.printer) {
        return;
    }
    let firmware = bounded_text(firmware, NAME_CHARS);
    let mut fields = Fields::default();
    if cx.state.environment.has_connectors() {
        fields
            .put_known("printer_connector", pending.connector.clone().filter(|name| !name.is_empty()))
            .put_known("firmware_name", firmware);
    } else {
        fields
            .put_known("firmware_name", firmware)
            .put_known("printer_port", pending.port.clone())
            .put_known("printer_baudrate", pending.baudrate.clone());
    }
    cx.report("printer_connected", &fields);
}

/// Whether this is a number with at most ten digits before the point and ten after it.
fn is_baudrate(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| part.len() <= 10 && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(fraction)
}
