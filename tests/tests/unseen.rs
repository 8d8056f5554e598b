//! Cases that were not recorded, made by the same facts: the component must do what is written, and
//! the comparison must know why it differs from what OctoPrint would send.
#![allow(missing_docs)]

use glassbox_audit::conformance::RecordedRequest;
use glassbox_audit::conformance::case::{Case, RecordedEvent};
use glassbox_audit::conformance::{CaseVerdict, Reason, replay};
use glassbox_tests::{ID, TRACKING, settings};
use serde_json::{Map, Value, json};

const AGENT: &str = "OctoPrint/1.11.8";

fn case(event: &str, payload: Value, why: Option<&str>, expect: Option<(&str, &str)>) -> Case {
    let Value::Object(mut settings) = json!(settings(&[])) else { unreachable!() };
    settings.insert("file_salt".into(), ID.into());
    let environment = json!({"octoprint": {"version": "1.11.8"}});
    let request = |(kind, query): (&str, &str)| RecordedRequest {
        method: "GET".into(),
        path: format!("/track/{ID}/{kind}/"),
        query: query.into(),
        body: String::new(),
        user_agent: AGENT.into(),
    };
    Case {
        name: format!("unseen/{event} {payload}"),
        settings,
        env: Map::new(),
        throttled: None,
        events: vec![
            RecordedEvent { event: "environment".into(), payload: environment },
            RecordedEvent { event: event.into(), payload },
        ],
        after: 0,
        expect: expect.map(request).into_iter().collect(),
        exact: why.is_none(),
        why: why.map(Into::into),
    }
}

fn throttle(change: &[(&str, Value)]) -> Value {
    let mut payload = json!({"raw_value": 327_685, "current_undervoltage": true, "past_undervoltage": true,
        "current_overheat": false, "past_overheat": false, "current_issue": true, "past_issue": true});
    for (key, value) in change {
        payload[*key] = value.clone();
    }
    payload
}

fn web(version: Value) -> Value {
    json!({"browser_name": "Firefox", "browser_version": version, "os_name": "Linux", "os_version": "x"})
}

#[test]
fn what_must_be_the_same_is() {
    let flags = "throttled_voltage_now=True&throttled_voltage_past=True&throttled_overheat_now=False&throttled_overheat_past=False";
    let throttled = format!("throttled_now=True&throttled_past=True&throttled_mask=327685&{flags}");
    let long = "x".repeat(3000);
    for (event, payload, expect) in [
        ("plugin_pi_support_throttle_state", throttle(&[]), Some(("system_throttled", throttled.as_str()))),
        (
            "webui_load",
            web(json!(128)),
            Some(("webui_load", "browser_name=Firefox&browser_version=128&os_name=Linux&os_version=x")),
        ),
        ("webui_load", web(json!(0)), None),
        ("webui_load", web(json!(false)), None),
        (
            "Error",
            json!({"error": long, "reason": "firmware"}),
            Some(("commerror_firmware", &*format!("commerror_text={long}"))),
        ),
        ("Error", json!({"error": true, "reason": "firmware"}), Some(("commerror_firmware", "commerror_text=True"))),
        ("Error", json!({"error": "", "reason": "firmware"}), Some(("commerror_firmware", "commerror_text="))),
        (
            "PrintDone",
            json!({"path": "", "origin": "sdcard"}),
            Some(("print_done", "origin=sdcard&file=c57bbf14c434bebfa12d914d17222995f559c861")),
        ),
        ("plugin_achievements_achievement_unlocked", json!({}), Some(("achievement_unlocked", "achievement=unknown"))),
        ("PrintResumed", json!({"path": "a"}), None),
    ] {
        let case = case(event, payload, None, expect);
        let run = replay::run(&TRACKING, &case);
        assert_eq!(run.verdict, CaseVerdict::Matched, "{}: {:?}", case.name, run.sent);
    }
}

#[test]
fn what_differs_has_its_reason() {
    let long = "x".repeat(300);
    let mask = "throttled_voltage_now=True&throttled_voltage_past=True&throttled_overheat_now=False&throttled_overheat_past=False";
    let throttled =
        |now: &str, value: &str| format!("throttled_now={now}&throttled_past=True&throttled_mask={value}&{mask}");
    let path = "file=4fe33d255eef641827a8aebb76ac2a2044d66f1e";
    for (event, payload, why, reason, expect) in [
        (
            "plugin_pi_support_throttle_state",
            throttle(&[("current_issue", json!(null))]),
            "null",
            Reason::Null,
            ("system_unthrottled", throttled("None", "327685")),
        ),
        (
            "plugin_pi_support_throttle_state",
            throttle(&[("raw_value", json!("0x5"))]),
            "wrong-type",
            Reason::WrongType,
            ("system_throttled", throttled("True", "0x5")),
        ),
        (
            "plugin_pi_support_throttle_state",
            throttle(&[("raw_value", json!(-5))]),
            "odd-number-or-length",
            Reason::OddNumberOrLength,
            ("system_throttled", throttled("True", "-5")),
        ),
        (
            "plugin_pi_support_throttle_state",
            throttle(&[("raw_value", json!([1]))]),
            "not-a-scalar",
            Reason::NotAScalar,
            ("system_throttled", throttled("True", "1")),
        ),
        (
            "webui_load",
            web(json!(["a"])),
            "not-a-scalar",
            Reason::NotAScalar,
            ("webui_load", "browser_name=Firefox&browser_version=a&os_name=Linux&os_version=x".into()),
        ),
        (
            "webui_load",
            web(json!(long)),
            "odd-number-or-length",
            Reason::OddNumberOrLength,
            ("webui_load", format!("browser_name=Firefox&browser_version={long}&os_name=Linux&os_version=x")),
        ),
        (
            "PrintStarted",
            json!({"path": "a.gcode", "origin": "cloud 9"}),
            "odd-value",
            Reason::OddValue,
            ("print_started", format!("origin=cloud%209&{path}")),
        ),
        (
            "PrintFailed",
            json!({"path": "a.gcode", "origin": "local", "reason": "user abort"}),
            "odd-value",
            Reason::OddValue,
            ("print_failed", format!("origin=local&{path}&reason=user%20abort")),
        ),
        (
            "PrintDone",
            json!({"path": "a.gcode", "origin": "local", "time": 1e16}),
            "odd-number-or-length",
            Reason::OddNumberOrLength,
            ("print_done", format!("origin=local&{path}&elapsed=10000000000000000")),
        ),
        (
            "Error",
            json!({"error": "e", "reason": ""}),
            "odd-value",
            Reason::OddValue,
            ("commerror_", "commerror_text=e".into()),
        ),
        (
            "SlicingStarted",
            json!({"slicer": 3}),
            "1.11-slicer-bug",
            Reason::SlicerBug,
            ("slicing_started", "slicer=unknown".into()),
        ),
        (
            "plugin_pluginmanager_install_plugin",
            json!({"id": long, "version": "1"}),
            "odd-number-or-length",
            Reason::OddNumberOrLength,
            ("install_plugin", format!("plugin={long}&plugin_version=1")),
        ),
    ] {
        let case = case(event, payload, Some(why), Some((expect.0, &expect.1)));
        let run = replay::run(&TRACKING, &case);
        assert_eq!(run.verdict, CaseVerdict::Differs(reason), "{}: {:?}", case.name, run.sent);
        // The same case with another reason on the list fails.
        for other in ["heard-under-both-names", "lifecycle-comes-as-events", "throttle-query-broken"] {
            let wrong = Case { why: Some(other.into()), ..case.clone() };
            assert!(matches!(replay::run(&TRACKING, &wrong).verdict, CaseVerdict::Failed(_)), "{}: {other}", case.name);
        }
    }
}

#[test]
fn a_broken_throttle_query_is_none_and_a_bad_id_is_refused() {
    let started = json!({"path": "a.gcode", "origin": "local"});
    let query = "origin=local&file=4fe33d255eef641827a8aebb76ac2a2044d66f1e";
    let with = format!("{query}&throttled_now=True&throttled_past=True&throttled_mask=327685");
    for text in ["", "garbage", "0x", "0xZZ", "50005", "0x500050005", "0x5 0x5"] {
        let mut case =
            case("PrintStarted", started.clone(), Some("throttle-query-broken"), Some(("print_started", &with)));
        case.throttled = Some(text.into());
        assert_eq!(replay::run(&TRACKING, &case).verdict, CaseVerdict::Differs(Reason::ThrottleQueryBroken), "{text}");
        case.throttled = Some("0x50005".into());
        assert_eq!(replay::run(&TRACKING, &case).verdict, CaseVerdict::Matched);
    }
    for id in [json!("not-a-uuid"), json!(""), json!(5), json!(null)] {
        let mut case = case("PrintStarted", started.clone(), Some("id-is-minted"), Some(("print_started", query)));
        case.settings["unique_id"] = id.clone();
        assert_eq!(replay::run(&TRACKING, &case).verdict, CaseVerdict::Differs(Reason::IdIsMinted), "{id}");
    }
}
