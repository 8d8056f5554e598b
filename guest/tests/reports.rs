//! What each event of OctoPrint's bus makes the tracker send: names, fields, and their order.
#![allow(missing_docs)]

mod common;

use common::Bench;
use serde_json::{Value, json};

const NOTHING: [&str; 0] = [];

/// What the host shows of a path.
const FILE: &str = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8";

/// What is sent for one event on a running server of this version; `FILE` stands for the file's hash.
fn said(version: &str, event: &str, payload: &Value) -> Vec<String> {
    let mut bench = Bench::running(version);
    bench.event(event, payload.clone());
    bench.said().iter().map(|said| said.replace(FILE, "FILE")).collect()
}

fn check(cases: &[(&str, Value, &str)]) {
    check_version("1.11.8", cases);
}

/// An empty expectation means that nothing is sent.
fn check_version(version: &str, cases: &[(&str, Value, &str)]) {
    for (event, payload, expected) in cases {
        let expected: Vec<_> = [*expected].into_iter().filter(|said| !said.is_empty()).collect();
        assert_eq!(said(version, event, payload), expected, "{event} {payload}");
    }
}

/// A payload as OctoPrint makes it, with some keys replaced or added.
fn print(other: Value) -> Value {
    let mut payload = json!({
        "name": "A", "path": FILE, "origin": "local", "size": 1, "owner": "me", "user": "me",
    });
    payload.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    payload
}

#[test]
fn prints() {
    let failed = print(json!({"time": 83, "reason": "error", "error": "Heater decoupled!"}));
    check(&[
        (
            "PrintStarted",
            print(json!({"time": 5, "reason": "x", "error": "y"})),
            "print_started origin=local file=FILE",
        ),
        ("PrintDone", print(json!({"time": 83})), "print_done origin=local file=FILE elapsed=83"),
        ("PrintCancelled", print(json!({"time": 83})), "print_cancelled origin=local file=FILE elapsed=83"),
        (
            "PrintFailed",
            failed,
            "print_failed origin=local file=FILE elapsed=83 reason=error commerror_text=Heater decoupled!",
        ),
    ]);
}

#[test]
fn from_1_12_prints_say_the_connector_if_the_payload_does() {
    let connector = |name: Value| print(json!({"connector": name, "time": 7}));
    check_version(
        "1.12.0",
        &[
            (
                "PrintStarted",
                connector(json!("serial")),
                "print_started origin=local file=FILE printer_connector=serial",
            ),
            ("PrintDone", connector(json!("")), "print_done origin=local file=FILE printer_connector= elapsed=7"),
            ("PrintDone", connector(json!(null)), "print_done origin=local file=FILE elapsed=7"),
            ("PrintDone", print(json!({})), "print_done origin=local file=FILE"),
            (
                "PrintFailed",
                connector(json!("serial")),
                "print_failed origin=local file=FILE printer_connector=serial elapsed=7 reason=unknown",
            ),
        ],
    );
    let expected = "print_done origin=local file=FILE elapsed=7";
    check(&[("PrintDone", connector(json!("serial")), expected)]);
}

#[test]
fn elapsed_is_whole_seconds() {
    for (time, expected) in [
        (json!(1), " elapsed=1"),
        (json!(999_999_999_999_999_u64), " elapsed=999999999999999"),
        (json!(0.99), ""),
        (json!(-3), ""),
        (json!(1e15), ""),
        (json!("83"), " elapsed=83"),
        (json!(null), ""),
        (json!([83]), ""),
    ] {
        let expected = format!("print_done origin=local file=FILE{expected}");
        assert_eq!(said("1.11.8", "PrintDone", &print(json!({"time": time}))), [expected], "{time}");
    }
}

#[test]
fn a_print_without_a_path_is_not_reported() {
    for event in ["PrintStarted", "PrintDone", "PrintFailed", "PrintCancelled"] {
        for payload in [json!({"origin": "local"}), json!({"path": null}), json!({"path": []})] {
            assert_eq!(said("1.11.8", event, &payload), NOTHING, "{event} {payload}");
        }
    }
}

#[test]
fn print_details_of_the_wrong_kind_are_left_out() {
    check(&[
        ("PrintStarted", print(json!({"origin": "elsewhere"})), "print_started file=FILE"),
        ("PrintStarted", print(json!({"origin": null})), "print_started file=FILE"),
        ("PrintStarted", print(json!({"origin": ["local"]})), "print_started file=FILE"),
        ("PrintStarted", print(json!({"origin": "sdcard"})), "print_started origin=sdcard file=FILE"),
        ("PrintStarted", print(json!({"origin": "printer"})), "print_started origin=printer file=FILE"),
    ]);
}

#[test]
fn a_failed_print_says_why() {
    for (why, expected) in [
        (json!({}), " reason=unknown"),
        (json!({"reason": null, "error": null}), " reason=unknown"),
        (json!({"reason": "cancelled"}), " reason=cancelled"),
        (json!({"reason": ""}), " reason="),
        (json!({"reason": 5}), " reason=5"),
        (json!({"reason": "two words"}), ""),
        (json!({"reason": ["x"], "error": ["y"]}), ""),
        (json!({"error": ""}), " reason=unknown commerror_text="),
        (json!({"error": "a b\nc"}), " reason=unknown commerror_text=a b\nc"),
        (json!({"error": "x".repeat(4097)}), " reason=unknown"),
    ] {
        let expected = format!("print_failed origin=local file=FILE{expected}");
        assert_eq!(said("1.11.8", "PrintFailed", &print(why.clone())), [expected], "{why}");
    }
}

#[test]
fn a_cancelled_print_is_reported_as_both() {
    let mut bench = Bench::running("1.11.8");
    bench.event("PrintCancelled", print(json!({"time": 9})));
    bench.event("PrintFailed", print(json!({"time": 9, "reason": "cancelled"})));
    let expected = [
        format!("print_cancelled origin=local file={FILE} elapsed=9"),
        format!("print_failed origin=local file={FILE} elapsed=9 reason=cancelled"),
    ];
    assert_eq!(bench.said(), expected);
}

#[test]
fn a_lost_connection_fails_the_print_that_runs() {
    let lost = json!({"connector": "serial"});
    let expected = format!("print_failed origin=sdcard file={FILE} printer_connector=serial reason=unknown");
    let mut bench = Bench::running("2.1.0.dev1");
    bench.event("PrintStarted", print(json!({"origin": "sdcard"})));
    bench.said();
    bench.event("PrintFailed", lost.clone());
    assert_eq!(bench.said(), [expected]);
    bench.event("PrintFailed", lost);
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn a_lost_connection_without_a_print_fails_nothing() {
    let lost = json!({"connector": "serial"});
    assert_eq!(said("2.1.0.dev1", "PrintFailed", &lost), NOTHING);
    for end in ["PrintDone", "PrintCancelled", "PrintFailed", "octoprint_stopping"] {
        let mut bench = Bench::running("2.1.0.dev1");
        bench.event("PrintStarted", print(json!({})));
        bench.event(end, print(json!({})));
        bench.said();
        for event in ["PrintFailed", "PrintDone", "PrintCancelled"] {
            bench.event(event, lost.clone());
        }
        assert_eq!(bench.said(), NOTHING, "{end}");
    }
}

#[test]
fn a_print_that_runs_does_not_end_without_a_path_but_by_failing() {
    for payload in [json!({"connector": "serial"}), json!({"path": null})] {
        let mut bench = Bench::running("2.1.0.dev1");
        bench.event("PrintStarted", print(json!({})));
        bench.said();
        bench.event("PrintDone", payload.clone());
        bench.event("PrintCancelled", payload.clone());
        assert_eq!(bench.said(), NOTHING, "{payload}");
    }
}

#[test]
fn a_print_that_ended_while_its_switch_was_off_does_not_run_any_more() {
    let mut bench = Bench::running("2.1.0.dev1");
    bench.event("PrintStarted", print(json!({})));
    bench.said();
    bench.change(json!({"events": {"printjob": false}}));
    bench.event("PrintDone", print(json!({})));
    bench.change(json!({}));
    bench.event("PrintFailed", json!({"connector": "serial"}));
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn a_print_that_was_not_reported_does_not_fail_without_a_path() {
    let mut bench = Bench::on();
    bench.change(json!({"events": {"printjob": false}}));
    bench.event("PrintStarted", print(json!({})));
    bench.change(json!({}));
    bench.event("PrintFailed", json!({"connector": "serial"}));
    assert_eq!(bench.said(), NOTHING);
}

#[test]
fn errors() {
    check(&[
        ("Error", json!({"reason": "firmware", "error": "Oh no"}), "commerror_firmware commerror_text=Oh no"),
        ("Error", json!({"reason": "autodetect_serial", "error": ""}), "commerror_autodetect_serial commerror_text="),
        ("Error", json!({"reason": "timeout", "error": null}), "commerror_timeout"),
        ("Error", json!({"reason": "timeout", "error": ["x"]}), "commerror_timeout"),
        ("Error", json!({"reason": "timeout", "error": "x".repeat(4097)}), "commerror_timeout"),
        ("Error", json!({"reason": "timeout"}), ""),
        ("Error", json!({"error": "Oh no"}), ""),
    ]);
}

#[test]
fn errors_of_odd_reasons_are_not_reported() {
    for reason in [
        json!(null),
        json!(""),
        json!("a/b"),
        json!("a?b=c"),
        json!("two words"),
        json!("ü"),
        json!("a\n"),
        json!("x".repeat(65)),
        json!(["timeout"]),
        json!({}),
    ] {
        let payload = json!({"reason": reason, "error": "Oh no"});
        assert_eq!(said("1.11.8", "Error", &payload), NOTHING, "{reason}");
    }
}

#[test]
fn the_same_error_twice_within_a_second_is_one() {
    let mut bench = Bench::running("2.1.0.dev1");
    let error = |text: &str| json!({"reason": "firmware", "error": text});
    for (seconds, reason) in [(0.0, error("a")), (0.9, error("a")), (2.0, error("a")), (2.1, error("b"))] {
        bench.sleep_until(seconds);
        bench.event("Error", reason);
    }
    bench.event("Error", json!({"reason": "timeout", "error": "b"}));
    bench.event("Error", json!({"reason": "timeout", "error": "b"}));
    assert_eq!(
        bench.said(),
        [
            "commerror_firmware commerror_text=a",
            "commerror_firmware commerror_text=a",
            "commerror_firmware commerror_text=b",
            "commerror_timeout commerror_text=b",
        ]
    );
}

#[test]
fn plugin_changes() {
    for action in ["install", "uninstall", "enable", "disable"] {
        let event = format!("plugin_pluginmanager_{action}_plugin");
        let full =
            json!({"version": "1.0", "id": "Some_Plugin", "source": "https://example.org", "source_type": "url"});
        let expected = format!("{action}_plugin plugin=Some_Plugin plugin_version=1.0");
        assert_eq!(said("1.11.8", &event, &full), [expected]);
        let null = json!({"id": null, "version": null});
        assert_eq!(said("1.11.8", &event, &null), [format!("{action}_plugin")]);
        let odd = json!({"id": ["x"], "version": 1.5});
        assert_eq!(said("1.11.8", &event, &odd), [format!("{action}_plugin plugin_version=1.5")]);
    }
}

#[test]
fn updates() {
    let full = json!({"to_version": "1.1", "target": "octoprint", "from_version": "1.0", "from_version_display": "x"});
    let fields = "target=octoprint from_version=1.0 to_version=1.1";
    let some = json!({"target": "octoprint", "from_version": null, "to_version": {}});
    for (end, name) in [("succeeded", "update_successful"), ("failed", "update_failed")] {
        let event = format!("plugin_softwareupdate_update_{end}");
        assert_eq!(said("1.11.8", &event, &full), [format!("{name} {fields}")]);
        assert_eq!(said("1.11.8", &event, &some), [format!("{name} target=octoprint")]);
        assert_eq!(said("1.11.8", &event, &json!({})), [name]);
    }
}

#[test]
fn firmware_warnings_under_either_name() {
    for event in ["plugin_printer_safety_check_warning", "plugin_firmware_check_warning"] {
        for (payload, expected) in [
            (
                json!({"check_name": "anet", "warning_type": "firmware-unsafe", "severity": "critical"}),
                "firmware-unsafe anet",
            ),
            (json!({"check_name": null}), "unknown unknown"),
        ] {
            let (kind, name) = expected.split_once(' ').unwrap();
            let expected =
                format!("printer_safety_warning printer_safety_warning_type={kind} printer_safety_check_name={name}");
            assert_eq!(said("1.11.8", event, &payload), [expected]);
        }
        let odd = json!({"warning_type": [], "check_name": "x".repeat(257)});
        assert_eq!(said("1.11.8", event, &odd), ["printer_safety_warning"]);
    }
}

#[test]
fn achievements_and_slicing() {
    let unlocked = "plugin_achievements_achievement_unlocked";
    let long = "x".repeat(257);
    check(&[
        (unlocked, json!({"key": "THE_wizard", "name": "Wizard"}), "achievement_unlocked achievement=THE_wizard"),
        (unlocked, json!({"key": null}), "achievement_unlocked achievement=unknown"),
        (unlocked, json!({}), "achievement_unlocked achievement=unknown"),
        (unlocked, json!({"key": {}}), "achievement_unlocked"),
        (
            "SlicingStarted",
            json!({"slicer": "cura", "stl": "a.stl", "gcode": "a.gcode"}),
            "slicing_started slicer=cura",
        ),
        ("SlicingStarted", json!({"slicer": null}), "slicing_started slicer=unknown"),
        ("SlicingStarted", json!({}), "slicing_started slicer=unknown"),
        ("SlicingStarted", json!({"slicer": long}), "slicing_started"),
    ]);
}

#[test]
fn webui_load_needs_all_four() {
    let full = json!({"os_version": "10", "os_name": "Windows", "browser_version": "120.0", "browser_name": "Firefox"});
    let expected = "webui_load browser_name=Firefox browser_version=120.0 os_name=Windows os_version=10";
    check(&[("webui_load", full.clone(), expected)]);
    for key in full.as_object().unwrap().keys() {
        for wrong in [json!(""), json!(null), json!([]), json!(0), json!(false), json!("x".repeat(257))] {
            let mut payload = full.clone();
            payload[key] = wrong.clone();
            assert_eq!(said("1.11.8", "webui_load", &payload), NOTHING, "{key}: {wrong}");
        }
        let mut payload = full.clone();
        payload.as_object_mut().unwrap().remove(key);
        assert_eq!(said("1.11.8", "webui_load", &payload), NOTHING, "no {key}");
    }
}

#[test]
fn text_has_at_most_256_characters_not_bytes() {
    let longest = "ü".repeat(256);
    let expected = format!("slicing_started slicer={longest}");
    check(&[("SlicingStarted", json!({"slicer": longest}), &expected)]);
    check(&[("SlicingStarted", json!({"slicer": "ü".repeat(257)}), "slicing_started")]);
}
