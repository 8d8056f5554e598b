//! `printer_connected`: sent as soon as a new connection's firmware is known; from OctoPrint 1.12
//! on also if it is still unknown after a while, of which the host tells. And the printer's state, for `ping`.

use crate::context::Context;
use crate::fields::{Fields, Payload, baudrate, fitting, known, name, name_not_empty};
use crate::state::Connection;
use serde_json::Value;

/// A printer was connected. A second connection takes the place of the first.
pub fn connected(payload: &Payload, cx: &mut Context) {
    let value = |key| payload.get(key).cloned().unwrap_or_default();
    let (connector, port, baudrate) = (value("connector"), value("port"), value("baudrate"));
    cx.state.connection = Some(Connection { connector, port, baudrate });
    cx.state.connection_waits = true;
}

/// The printer named its firmware; only the first time counts.
pub fn firmware(payload: &Payload, cx: &mut Context) {
    if std::mem::take(&mut cx.state.connection_waits) {
        report(payload.get("name"), cx);
    }
}

/// The printer's state changed: remembered for `ping`.
pub fn state_changed(payload: &Payload, cx: &mut Context) {
    cx.state.printer_state = known(payload.get("state_id")).cloned();
}

/// The firmware was not named for so long that it is reported without.
pub fn waited_long_enough(cx: &mut Context) {
    cx.state.connection_waits = false;
    report(None, cx);
}

fn report(firmware: Option<&Value>, cx: &Context) {
    let Some(connection) = cx.state.connection.as_ref().filter(|_| cx.on.printer) else { return };
    let firmware = fitting(firmware, name);
    let mut fields = Fields::default();
    if cx.state.environment.has_connectors() {
        fields
            .put_known("printer_connector", fitting(Some(&connection.connector), name_not_empty))
            .put_known("firmware_name", firmware);
    } else {
        fields
            .put_known("firmware_name", firmware)
            .put_known("printer_port", fitting(Some(&connection.port), name))
            .put_known("printer_baudrate", fitting(Some(&connection.baudrate), baudrate));
    }
    cx.report("printer_connected", &fields);
}
