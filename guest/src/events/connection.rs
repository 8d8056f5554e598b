//! `printer_connected`: sent when the firmware of a new connection is known, or from 1.12 on when
//! it stays unknown for 15 s.

use crate::fields::{Fields, NAME_CHARS, Payload, short};
use crate::state::{Instant, Reader, SECOND, Writer, object};
use crate::tracker::Context;
use serde_json::Value;

/// How long a connection waits for the printer to name its firmware.
const PATIENCE: Instant = 15 * SECOND;

/// A connection whose firmware is not known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    connector: Option<String>,
    port: Option<String>,
    baudrate: Option<String>,
    /// When it is reported without firmware.
    deadline: Option<Instant>,
}

impl Pending {
    /// For the next instance.
    pub fn save(&self, writer: &Writer) -> Value {
        object(vec![
            ("connector", self.connector.clone().into()),
            ("port", self.port.clone().into()),
            ("baudrate", self.baudrate.clone().into()),
            ("deadline_ns", writer.instant(self.deadline)),
        ])
    }

    /// From the last instance.
    pub fn restore(saved: &Reader) -> Self {
        Self {
            connector: saved.text("connector"),
            port: saved.text("port"),
            baudrate: saved.text("baudrate"),
            deadline: saved.instant("deadline_ns"),
        }
    }
}

/// The printer was connected. A second connection takes the place of the first.
pub fn connected(payload: &Payload, cx: &mut Context) {
    cx.state.connection = Some(Pending {
        connector: short(payload.get("connector"), NAME_CHARS),
        port: short(payload.get("port"), NAME_CHARS),
        baudrate: short(payload.get("baudrate"), NAME_CHARS).filter(|text| is_baudrate(text)),
        deadline: cx.state.environment.has_connectors().then(|| cx.now() + PATIENCE),
    });
}

/// The printer named its firmware; only the first time counts.
pub fn firmware(payload: &Payload, cx: &mut Context) {
    if let Some(pending) = cx.state.connection.take() {
        report(&pending, payload.get("name"), cx);
    }
}

/// The connection is gone: whatever waited for its firmware is not reported on a timer any more.
pub fn disconnected(cx: &mut Context) {
    if let Some(pending) = &mut cx.state.connection {
        pending.deadline = None;
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

fn report(pending: &Pending, firmware: Option<&Value>, cx: &Context) {
    if !cx.on(|events| events.printer) {
        return;
    }
    let firmware = short(firmware, NAME_CHARS);
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

/// A whole or fractional number of at most ten digits before the point.
fn is_baudrate(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| part.len() <= 10 && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(fraction)
}
