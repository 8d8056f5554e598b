//! What a component that misbehaves gets past the gate: nothing, and it is named.
#![allow(missing_docs)]

use glassbox_audit::audit;
use glassbox_audit::conformance::{RecordedRequest, corpus};
use glassbox_contract::{Deliver, Prepare};
use glassbox_sandbox::{Manifest, Outcome, Outgoing};
use glassbox_tests::{Bench, Folder, MISFIT, MISFIT_PLUGIN, SANDBOX, bench, puppet, settings};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

const EVENT: (&str, &str) = ("PrintStarted", r#"{"path": "a secret.gcode", "owner": "me"}"#);

fn act(act: &str) -> Bench {
    let mut bench = bench(&MISFIT_PLUGIN);
    bench.instance.load(&settings(&[("act", json!(act)), ("note", json!("a secret.gcode"))])).unwrap().unwrap();
    bench
}

fn do_it(name: &str) -> Outcome {
    act(name).instance.on_event(EVENT.0, EVENT.1).unwrap().unwrap()
}

#[test]
fn what_is_declared_is_sent_and_encoded_by_the_host() {
    let outcome = do_it("well");
    let sent = &outcome.sent[0];
    assert_eq!(
        (sent.url.as_str(), sent.form.as_str()),
        ("http://127.0.0.1:1/track/11111111-2222-4333-8444-555555555555/hello/", "first=a&second=12",)
    );
    let wire = RecordedRequest::from(sent);
    assert_eq!(
        (wire.path.as_str(), wire.query.as_str(), wire.body.as_str()),
        ("/track/11111111-2222-4333-8444-555555555555/hello/", "first=a&second=12", "",)
    );
    assert_eq!((outcome.sent.len(), outcome.blocked.len(), outcome.message), (1, 0, None));
}

#[test]
fn what_is_not_declared_is_blocked_for_the_right_reason() {
    for (act, reason) in [
        ("extra-field", "it has a field that the manifest does not declare"),
        ("bad-value", "the value of first does not fit its rule"),
        ("order", "the field first is repeated or out of order"),
        ("twice", "the field first is repeated or out of order"),
        ("missing-field", "the field first is missing"),
        ("undeclared", "the manifest does not declare this request"),
        ("post", "its method must be GET"),
        ("user-agent", "its user agent does not match the manifest"),
        ("setting-in-user-agent", "its user agent does not match the manifest"),
        ("escape", "the manifest does not declare this request"),
    ] {
        let outcome = do_it(act);
        assert_eq!(outcome.sent, [], "{act}");
        assert_eq!(outcome.blocked.len(), 1, "{act}");
        assert_eq!((outcome.blocked[0].reason.as_str(), outcome.blocked[0].undeclared), (reason, true), "{act}");
        // The component does not learn of it.
        assert_eq!(outcome.message, None, "{act}");
        // The reason goes into logs: it must not carry what was to be smuggled out.
        assert!(!format!("{:?}", outcome.blocked).contains("secret.gcode"), "{act}");
    }
}

#[test]
fn an_audit_catches_one_field_more_than_is_declared() {
    let folder = Folder::new("gate-audit");
    let corpus = folder.0.join("cases.jsonl");
    let case = |act: &str, expect: serde_json::Value| {
        json!({
            "case": format!("misfit/{act}"), "settings": settings(&[("act", json!(act))]), "exact": false,
            "why": "null", "expect": expect, "events": [{"event": EVENT.0, "payload": {"path": "x"}}],
        })
    };
    std::fs::write(&corpus, case("extra-field", json!([])).to_string()).unwrap();
    let report = audit(&SANDBOX, Path::new("misfit.wasm"), MISFIT, &[corpus::read(&corpus).unwrap()]);
    assert!(!report.passed());
    let failure = &report.corpora[0].failures[0];
    let expected = "it tried to send hello, which was blocked: it has a field that the manifest does not declare";
    assert_eq!(failure.reason, expected);
}

#[test]
fn what_is_sent_goes_by_the_users_document_whatever_the_component_was_shown() {
    let loaded = |change: (&str, serde_json::Value)| {
        let mut bench = bench(&MISFIT_PLUGIN);
        bench.instance.load(&settings(&[("act", json!("well")), change])).unwrap().unwrap();
        bench
    };
    let outcome = loaded(("events.hello", json!(false))).instance.on_event(EVENT.0, EVENT.1).unwrap().unwrap();
    assert_eq!(outcome.sent, []);
    assert!(!outcome.blocked[0].undeclared);
    assert_eq!(outcome.blocked[0].reason, "the setting events.hello is off");
    for no in [json!(null), json!(false), json!("true"), json!(1)] {
        let mut bench = loaded(("enabled", no.clone()));
        assert_eq!(bench.instance.on_event(EVENT.0, EVENT.1).unwrap(), None, "{no}: nothing enters");
        assert_eq!(bench.instance.on_tick().unwrap().sent, [], "{no}");
    }
}

#[test]
fn of_the_settings_a_component_is_shown_what_its_manifest_lists() {
    let document = settings(&[("act", json!("well")), ("note", json!("mine")), ("other", json!("not listed"))]);
    let shown: serde_json::Value = serde_json::from_str(&MISFIT_PLUGIN.policy.show(&document)).unwrap();
    assert_eq!(shown, json!({"act": "well", "note": "mine"}));
    // What it then says is what it was shown.
    let mut bench = bench(&MISFIT_PLUGIN);
    let refused = bench.instance.load(&settings(&[("act", json!("tell-in-load"))])).unwrap().unwrap_err();
    assert_eq!(refused.0.trim(), "it knows");
}

#[test]
fn only_events_and_ticks_may_send() {
    let mut in_load = bench(&MISFIT_PLUGIN);
    let refused = in_load.instance.load(&settings(&[("act", json!("send-in-load"))])).unwrap().unwrap_err();
    assert_eq!(refused.0, "it sent instead");
    let mut in_save = act("send-in-save");
    in_save.instance.save().unwrap();
    assert_eq!(in_load.record.take_requests(), []);
    assert_eq!(in_save.record.take_requests(), []);
}

#[test]
fn a_call_is_a_transaction_and_a_trap_discards_what_it_sent() {
    let mut bench = act("panic-after-sending");
    let error = bench.instance.on_event(EVENT.0, EVENT.1).unwrap_err();
    assert_eq!(error.reasons, ["on-event: it panicked"]);
    assert_eq!(bench.record.take_requests(), []);
    // The instance is gone; nothing more is heard of it.
    assert_eq!(bench.instance.on_tick().unwrap_err().reasons, ["it has already failed"]);
}

#[test]
fn limits_end_a_call() {
    for (act, reason) in [
        ("loop-in-on-event", "on-event: it took longer than 2 s"),
        ("recurse-in-on-event", "on-event: it ran out of stack"),
        ("hoard-in-on-event", ""),
        ("huge-request", ""),
    ] {
        let error = do_it_badly(act);
        assert_eq!(error.reasons.len(), 1);
        assert!(error.reasons[0].starts_with(reason), "{act}: {error}");
        assert!(error.to_string().contains("plugin 'misfit' failed: on-event: "), "{error}");
    }
    assert_eq!(do_it("many").sent.len(), glassbox_sandbox::limits::REQUESTS_PER_CALL);
    assert_eq!(do_it("error").message.unwrap().len(), glassbox_sandbox::limits::MESSAGE_CHARS);
}

/// The bundled tracker, but for what this script says, in a run of OctoPrint that has begun.
fn scripted(script: &str) -> Bench {
    let plugin = Arc::new(SANDBOX.prepare("tracking", &puppet(script)).unwrap());
    let mut bench = bench(&plugin);
    bench.instance.load(&settings(&[])).unwrap().unwrap();
    bench.instance.restore(&[], "{}", 0).unwrap().unwrap();
    bench
}

fn names(sent: &[Outgoing]) -> Vec<&str> {
    sent.iter().map(|sent| sent.name.as_str()).collect()
}

#[test]
fn a_pinned_report_is_sent_once_on_each_occasion() {
    let mut bench = scripted("always repeat");
    for _ in 0..2 {
        let outcome = bench.instance.on_event(EVENT.0, r#"{"path": "a", "origin": "local"}"#).unwrap().unwrap();
        assert_eq!(names(&outcome.sent), ["print_started"]);
        let reasons: Vec<_> =
            outcome.blocked.iter().map(|blocked| (blocked.reason.as_str(), blocked.undeclared)).collect();
        assert_eq!(reasons, [("it may be sent once on each occasion", true)]);
    }
}

#[test]
fn reports_leave_in_the_manifests_order_whatever_the_components() {
    let in_order = ["ping", "pong", "startup"];
    for script in ["never", "always reports-order"] {
        let mut bench = scripted(script);
        bench.instance.on_event("octoprint_started", r#"{"uptime": 1}"#).unwrap().unwrap();
        let outcome = bench.instance.on_tick().unwrap();
        assert_eq!(names(&outcome.sent), in_order, "{script}");
        assert_eq!(names(&bench.record.take_requests()), in_order, "{script}");
    }
}

#[test]
fn of_a_state_only_what_is_listed_is_kept_and_comes_back() {
    let mut bench = scripted("always state-texts");
    bench.instance.on_event("PrinterStateChanged", r#"{"state_id": "a secret"}"#).unwrap().unwrap();
    let handover = bench.instance.save().unwrap();
    assert_eq!((handover.state.as_str(), handover.dropped), ("{}", 4));
    let handover = scripted("always state-flags").instance.save().unwrap();
    assert_eq!(handover.state, r#"{"printing":true,"connection_waits":true}"#);
    // A file may have been edited: this one would make it forget its honesty, if it was shown it.
    for (state, honest) in [(r#"{"note": "a secret", "printing": 7}"#, true), (r#"{"printing": true}"#, false)] {
        let plugin = Arc::new(SANDBOX.prepare("tracking", &puppet("again file-text")).unwrap());
        let mut bench = glassbox_tests::bench(&plugin);
        bench.instance.load(&settings(&[])).unwrap().unwrap();
        bench.instance.restore(&[], state, 0).unwrap().unwrap();
        let outcome = bench.instance.on_event(EVENT.0, r#"{"path": "a", "origin": "local"}"#).unwrap().unwrap();
        assert_eq!((outcome.sent.len(), outcome.blocked.len()), if honest { (1, 0) } else { (0, 1) }, "{state}");
    }
}

fn do_it_badly(name: &str) -> glassbox_sandbox::Error {
    act(name).instance.on_event(EVENT.0, EVENT.1).unwrap_err()
}

#[test]
fn payloads_are_cut_down_before_the_sandbox() {
    let policy = &MISFIT_PLUGIN.policy;
    let on = settings(&[]);
    let cut = |payload: &str| {
        policy
            .enter("PrintStarted", payload, "")
            .map(|entered| policy.shown("PrintStarted", &entered.unwrap(), &policy.doors(&on)).unwrap())
    };
    assert_eq!(cut(EVENT.1).unwrap(), r#"{"path":"a secret.gcode"}"#);
    for nothing in ["null", "3", "\"path\"", "[{\"path\": 1}]", "true"] {
        assert_eq!(cut(nothing).unwrap(), "null");
    }
    assert_eq!(cut("{}").unwrap(), "{}");
    assert_eq!(cut(r#"{"path": {"deep": "secret"}}"#).unwrap(), r#"{"path":null}"#);
    assert_eq!(cut(r#"{"path": [{"deep": "secret"}]}"#).unwrap(), r#"{"path":null}"#);
    assert_eq!(cut(r#"{"path": ["a", 1]}"#).unwrap(), r#"{"path":null}"#);
    assert_eq!(policy.enter("PrintDone", EVENT.1, "").unwrap(), None);
    assert!(cut(&format!("{{\"path\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000))).is_err());
    // No request could hold it.
    assert_eq!(cut(&format!("{{\"path\": \"{}\"}}", "x".repeat(300_000))).unwrap(), r#"{"path":null}"#);
}

#[test]
fn files_that_are_no_trackers_are_named_with_all_that_is_wrong() {
    let reasons = |name: &str, bytes: &[u8]| SANDBOX.prepare(name, bytes).err().unwrap().reasons;
    let other = wat::parse_str(
        r#"(component (import "wasi:filesystem/types@0.2.0" (instance)) (import "glassbox:tracker/http@3.0.0" (instance)))"#,
    );
    assert_eq!(
        reasons("other", &other.unwrap()),
        [
            "it imports wasi:filesystem/types@0.2.0, which no tracker may use",
            "it imports glassbox:tracker/http@3.0.0; this host has glassbox:tracker/http@2.0.0 (the plugin is newer than this host)",
            "it was built for WASI; build it for wasm32-unknown-unknown",
            "it does not export on-event",
            "it does not export on-tick",
            "it does not export glassbox:tracker/settings@2.0.0",
            "it does not export glassbox:tracker/handover@2.0.0",
            "it has no manifest: embed one as the custom section glassbox:manifest",
        ]
    );
    assert_eq!(reasons("x", b""), ["the file is empty"]);
    assert_eq!(reasons("x", b"hello"), ["the file is not WebAssembly"]);
    assert_eq!(
        reasons("x", &wat::parse_str("(module)").unwrap()),
        ["the file is a core module, not a component; encode it with wit-component"]
    );
    assert!(reasons("misfit", &MISFIT[..MISFIT.len() / 2])[0].starts_with("the file is damaged or cut off: "));
    assert_eq!(reasons("x", &vec![0; 5 << 20]), ["the file has 5 MiB; the limit is 4 MiB"]);
    assert_eq!(
        reasons("renamed", MISFIT),
        ["it says that the plugin is 'misfit', but the file is 'renamed.wasm'; rename the file"]
    );
}

#[test]
fn a_key_that_is_misspelt_is_an_error_wherever_it_stands() {
    let good = include_str!("../../examples/misfit/misfit.toml");
    assert!(Manifest::parse(good).is_ok());
    for (right, wrong) in [
        ("[[says]]", "[[say]]"),
        ("name = \"misfit\"", "nam = \"misfit\""),
        ("user_agent", "user_agnt"),
        ("url_setting", "url_seting"),
        ("event = ", "evnt = "),
        ("switch = ", "swich = "),
        // With a rule beside it: what is ignored would be a rule less.
        ("optional = true", "optinal = true"),
        ("optional = true", "max_lenght = 3"),
        ("optional = true", "Pattern = \"a\""),
        ("method = \"GET\"", "method = \"GET\"\nvariable = { pattern = \"a\", max = 1 }"),
    ] {
        let bad = good.replacen(right, wrong, 1);
        assert_ne!(bad, good, "{right}");
        let reason = Manifest::parse(&bad).unwrap_err();
        assert!(reason.to_string().contains("unknown field"), "{wrong}: {reason}");
    }
}

#[test]
fn what_is_imported_and_is_no_function_is_named() {
    let other = wat::parse_str(
        r#"(component
            (type $text string)
            (import "glassbox:tracker/clock@2.0.0" (core module))
            (import "glassbox:tracker/hardware@2.0.0" (type (eq $text)))
            (import "glassbox:tracker/http@2.0.0" (instance (export "send" (core module)) (export "r" (type (sub resource))))))"#,
    );
    let reasons = SANDBOX.prepare("other", &other.unwrap()).err().unwrap().reasons;
    assert_eq!(reasons[0], "it imports glassbox:tracker/clock@2.0.0 as a core module; it must be an interface");
    assert_eq!(reasons[1], "it imports glassbox:tracker/hardware@2.0.0 as a type; it must be an interface");
    assert!(reasons[2].starts_with("it imports send of glassbox:tracker/http@2.0.0 as\n  a core module\n"));
    assert_eq!(reasons[3], "it imports r of glassbox:tracker/http@2.0.0, which has no such function");
}
