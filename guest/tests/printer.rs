//! `printer_connected`: when the firmware is known, or when the host says that it is due without.
#![allow(missing_docs)]

mod common;

use common::Bench;
use serde_json::{Value, json};

const NOTHING: [&str; 0] = [];

fn serial() -> Value {
    json!({"port": "/dev/ttyUSB0", "baudrate": 115_200, "connector": "serial"})
}

#[test]
fn below_1_12_it_says_port_and_baud_rate_when_the_firmware_is_known() {
    let mut bench = Bench::running("1.11.8");
    bench.event("Connected", serial());
    assert_eq!(bench.said(), NOTHING);
    bench.sleep_until(60.0);
    bench.event("FirmwareData", json!({"name": "Marlin 2.1", "data": {"X": "y"}}));
    let expected = "printer_connected firmware_name=Marlin 2.1 printer_port=/dev/ttyUSB0 printer_baudrate=115200";
    assert_eq!(bench.said(), [expected]);
}

#[test]
fn from_1_12_it_says_the_connector_when_the_firmware_is_known() {
    for version in ["1.12.0", "2.1.0.dev12+g744c8359", "not a version"] {
        let mut bench = Bench::running(version);
        bench.event("Connected", serial());
        bench.event("FirmwareData", json!({"name": "Klipper"}));
        assert_eq!(bench.said(), ["printer_connected printer_connector=serial firmware_name=Klipper"], "{version}");
    }
}

#[test]
fn when_it_is_due_it_is_said_without_the_firmware() {
    let mut bench = Bench::running("1.12.0");
    bench.event("Connected", serial());
    bench.tick(&["printer_connected"]);
    assert_eq!(bench.said(), ["printer_connected printer_connector=serial"]);
    bench.event("FirmwareData", json!({"name": "late"}));
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn when_it_is_due_without_a_connection_nothing_is_said() {
    let mut bench = Bench::running("1.12.0");
    bench.tick(&["printer_connected"]);
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn only_the_first_firmware_counts() {
    for version in ["1.11.8", "1.12.0"] {
        let mut bench = Bench::running(version);
        bench.event("FirmwareData", json!({"name": "before"}));
        assert_eq!(bench.said(), NOTHING, "{version}");
        bench.event("Connected", serial());
        bench.event("FirmwareData", json!({"name": "first"}));
        bench.event("FirmwareData", json!({"name": "second"}));
        let said = bench.said();
        assert!(said.len() == 1 && said[0].contains("firmware_name=first"), "{version}: {said:?}");
        bench.event("Connected", serial());
        bench.event("FirmwareData", json!({"name": "third"}));
        let said = bench.said();
        assert!(said.len() == 1 && said[0].contains("firmware_name=third"), "{version}: {said:?}");
    }
}

#[test]
fn a_second_connection_takes_the_place_of_the_first() {
    let mut bench = Bench::running("1.12.0");
    bench.event("Connected", json!({"connector": "serial"}));
    bench.event("Connected", json!({"connector": "moonraker"}));
    bench.event("FirmwareData", json!({"name": "Klipper"}));
    bench.event("FirmwareData", json!({"name": "Klipper"}));
    assert_eq!(bench.said(), ["printer_connected printer_connector=moonraker firmware_name=Klipper"]);
}

#[test]
fn what_is_not_known_is_left_out() {
    for (version, connected, firmware, expected) in [
        ("1.12.0", json!({"connector": ""}), json!({"name": "M"}), " firmware_name=M"),
        ("1.12.0", json!({"connector": null}), json!({"name": null}), ""),
        ("1.12.0", json!({}), json!({}), ""),
        ("1.12.0", json!({"connector": ["serial"]}), json!({"name": {}}), ""),
        ("1.12.0", json!({"connector": "x".repeat(257)}), json!({"name": "x".repeat(257)}), ""),
        ("1.11.8", json!({"port": null, "baudrate": null}), json!({"name": null}), ""),
        ("1.11.8", json!({}), json!({"name": "M"}), " firmware_name=M"),
        ("1.11.8", json!({"port": {}, "baudrate": []}), json!({"name": []}), ""),
        ("1.11.8", json!({"port": "AUTO"}), json!({}), " printer_port=AUTO"),
    ] {
        let mut bench = Bench::running(version);
        bench.event("Connected", connected.clone());
        bench.event("FirmwareData", firmware);
        assert_eq!(bench.said(), [format!("printer_connected{expected}")], "{version} {connected}");
    }
}

#[test]
fn baud_rates_print_as_python_prints_them() {
    for (rate, expected) in [
        (json!(250_000), " printer_baudrate=250000"),
        (json!(115_200.0), " printer_baudrate=115200.0"),
        (json!("115200"), " printer_baudrate=115200"),
        (json!(0), " printer_baudrate=0"),
        (json!("fast"), ""),
        (json!(-1), ""),
        (json!(true), ""),
        (json!("1."), ""),
        (json!("12345678901"), ""),
    ] {
        let mut bench = Bench::running("1.11.8");
        bench.event("Connected", json!({"baudrate": rate}));
        bench.event("FirmwareData", json!({"name": null}));
        assert_eq!(bench.said(), [format!("printer_connected{expected}")], "{rate}");
    }
}

#[test]
fn the_switch_is_asked_when_it_would_be_sent() {
    let off = json!({"events": {"printer": false}});
    let mut bench = Bench::running("1.12.0");
    bench.event("Connected", serial());
    bench.change(off.clone());
    bench.event("FirmwareData", json!({"name": "M"}));
    bench.change(json!({}));
    bench.event("FirmwareData", json!({"name": "M"}));
    assert_eq!(bench.said(), NOTHING);

    bench.change(off);
    bench.event("Connected", serial());
    bench.change(json!({}));
    bench.event("FirmwareData", json!({"name": "M"}));
    assert_eq!(bench.names(), ["printer_connected"]);
}

#[test]
fn a_server_that_stops_forgets_the_connection() {
    let mut bench = Bench::running("1.12.0");
    bench.event("Connected", serial());
    bench.event("octoprint_stopping", Value::Null);
    bench.event("octoprint_started", json!({"uptime": 0}));
    bench.event("FirmwareData", json!({"name": "M"}));
    bench.tick(&["printer_connected"]);
    assert_eq!(bench.names(), ["shutdown"]);
}
