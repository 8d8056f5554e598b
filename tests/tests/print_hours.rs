//! The example plugin print-hours in the sandbox: a plugin that has nothing to do with OctoPrint's tracker is held
//! to its own manifest, its own settings and its own id.
#![allow(missing_docs)]

use glassbox::home::settings_schema;
use glassbox_contract::{Deliver, inspect};
use glassbox_sandbox::{Handover, Outcome, Outgoing, Settings};
use glassbox_tests::{Bench, PRINT_HOURS, PRINT_HOURS_PLUGIN, bench, workspace};
use serde_json::{Value, json};

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 24 * 60 * 60 * SECOND;

fn settings(document: &Value) -> Settings {
    Settings::parse(&document.to_string()).unwrap()
}

/// Running with these settings.
fn start(document: &Value) -> Bench {
    let mut bench = bench(&PRINT_HOURS_PLUGIN);
    bench.instance.load(&settings(document)).unwrap().unwrap();
    assert_eq!(bench.instance.restore(&[], "{}", 0).unwrap(), Ok(()));
    assert_eq!(bench.instance.on_tick().unwrap(), Outcome::default());
    bench
}

/// The next instance, ten seconds later. Its clock begins at this time.
fn successor(old: &mut Bench, clock: u64) -> Bench {
    let Handover { state, dropped } = old.instance.save().unwrap();
    assert_eq!(dropped, 0, "{state}");
    let mut new = bench(&PRINT_HOURS_PLUGIN);
    new.clock.set(clock);
    new.instance.load(&settings(&on())).unwrap().unwrap();
    // None of its reports is made of an event that the host remembers.
    let heard = old.instance.heard_again();
    assert!(heard.is_empty(), "{heard:?}");
    assert_eq!(new.instance.restore(&heard, &state, 10_000).unwrap(), Ok(()));
    new
}

fn on() -> Value {
    json!({"enabled": true, "farm_id": "our workshop"})
}

/// The event's outcome, which sends nothing and blocks nothing.
fn event(bench: &mut Bench, name: &str, payload: &Value) -> Option<u64> {
    let outcome = bench.instance.on_event(name, &payload.to_string()).unwrap().unwrap();
    assert_eq!((&outcome.sent, &outcome.blocked, &outcome.message), (&vec![], &vec![], &None));
    outcome.next_tick
}

/// The tick at this time, which must send one request and ask for no other tick.
fn summary(bench: &mut Bench, at: u64) -> Outgoing {
    bench.clock.set(at);
    let mut outcome = bench.instance.on_tick().unwrap();
    assert_eq!((outcome.sent.len(), outcome.next_tick, &outcome.blocked), (1, None, &vec![]));
    outcome.sent.remove(0)
}

#[test]
fn it_imports_only_what_it_uses_of_the_world() {
    let found = inspect("print-hours", PRINT_HOURS).unwrap();
    let expected = ["glassbox:tracker/http@2.0.0", "glassbox:tracker/clock@2.0.0"];
    let mut imports = found.imports;
    imports.sort_by_key(|import| expected.iter().position(|known| known == import));
    assert_eq!(imports, expected);
    assert_eq!(found.differences, [""; 0]);
    assert!(PRINT_HOURS.len() <= 150_000, "{} bytes", PRINT_HOURS.len());
}

#[test]
fn a_day_is_said_once_at_the_asked_tick_in_the_declared_order() {
    let mut bench = start(&on());
    bench.clock.set(5 * SECOND);
    let due = 5 * SECOND + DAY;
    assert_eq!(event(&mut bench, "PrintDone", &json!({"time": 5400.5, "path": "secret.gcode"})), Some(due));
    bench.clock.set(6 * SECOND);
    assert_eq!(event(&mut bench, "PrintCancelled", &json!({"time": 600, "reason": "cancelled"})), Some(due));
    // What it does not see is not even handed over.
    assert_eq!(bench.instance.on_event("PrintStarted", "{}").unwrap(), None);
    bench.clock.set(due - 1);
    assert_eq!(bench.instance.on_tick().unwrap(), Outcome { next_tick: Some(due), ..Outcome::default() });

    let sent = summary(&mut bench, due);
    assert_eq!(sent.url, "http://127.0.0.1:8000/our%20workshop/summary/");
    assert_eq!(sent.form, "done=1&failed=0&cancelled=1&hours=1.7");
    assert_eq!((sent.method.to_string().as_str(), sent.user_agent.as_str()), ("GET", "print-hours/1"));
    let declared = PRINT_HOURS_PLUGIN.policy.manifest().says[0].fields.iter().map(|field| &field.name);
    assert!(declared.eq(sent.fields.iter().map(|(name, _)| name)));

    // An idle day asks for nothing and says nothing; the next print begins the next one.
    bench.clock.set(9 * DAY);
    assert_eq!(bench.instance.on_tick().unwrap(), Outcome::default());
    assert_eq!(event(&mut bench, "PrintFailed", &json!({"time": 360, "reason": "error"})), Some(10 * DAY));
    assert_eq!(summary(&mut bench, 10 * DAY).form, "done=0&failed=1&cancelled=0&hours=0.1");
}

#[test]
fn a_recorded_session_is_counted_as_it_was() {
    let mut bench = start(&on());
    let file = workspace().join("examples/sessions/octoprint-1.11.8.events.jsonl");
    let mut seen = 0;
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(name) = line["event"].as_str() else { continue };
        let outcome = bench.instance.on_event(name, &line["payload"].to_string()).unwrap();
        seen += usize::from(outcome.is_some());
    }
    // Two done, three failed, and three that were cancelled, each told of twice.
    assert_eq!(seen, 11);
    assert_eq!(summary(&mut bench, DAY).form, "done=2&failed=3&cancelled=3&hours=0.0");
}

#[test]
fn a_handover_in_the_middle_of_the_day_loses_nothing() {
    let mut old = start(&on());
    old.clock.set(100 * SECOND);
    event(&mut old, "PrintDone", &json!({"time": 7200}));
    old.clock.set(40 * SECOND + DAY);
    event(&mut old, "PrintFailed", &json!({"time": 1800, "reason": "error"}));

    let mut new = successor(&mut old, 7 * SECOND);
    let left = 50 * SECOND;
    let due = 7 * SECOND + left;
    assert_eq!(new.instance.on_tick().unwrap().next_tick, Some(due));
    event(&mut new, "PrintDone", &json!({"time": 3600}));
    assert_eq!(summary(&mut new, due).form, "done=2&failed=1&cancelled=0&hours=3.5");
    // And the one after that has an empty day to hand over.
    let mut last = successor(&mut new, 0);
    assert_eq!(last.instance.on_tick().unwrap(), Outcome::default());
}

#[test]
fn of_a_state_that_is_damaged_what_fits_is_carried_on() {
    for (state, done) in [
        ("", 0),
        ("[", 0),
        (r#"{"done": 3}"#, 0),
        (r#"{"done": "many", "left": 60}"#, 0),
        (r#"{"done": 1e12, "left": 60}"#, 0),
        (r#"{"done": 3, "failed": -1, "path": "a.gcode", "left": 60}"#, 3),
    ] {
        let mut bench = bench(&PRINT_HOURS_PLUGIN);
        bench.instance.load(&settings(&on())).unwrap().unwrap();
        assert_eq!(bench.instance.restore(&[], state, 0).unwrap(), Ok(()), "{state}");
        let due = event(&mut bench, "PrintDone", &Value::Null).unwrap();
        assert_eq!(
            summary(&mut bench, due).form,
            format!("done={}&failed=0&cancelled=0&hours=0.0", done + 1),
            "{state}"
        );
    }
}

#[test]
fn before_the_yes_it_sees_nothing() {
    for document in [json!({}), json!({"enabled": false}), json!({"enabled": null, "interval": 1})] {
        let mut bench = start(&document);
        assert_eq!(bench.instance.on_event("PrintDone", r#"{"time": 7200}"#).unwrap(), None);
        assert_eq!(bench.instance.save().unwrap().state, "{}");
        bench.clock.set(2 * DAY);
        assert_eq!(bench.instance.on_tick().unwrap(), Outcome::default());
        let used = bench.record.take();
        assert!(used.is_empty(), "{used:?}");
    }
}

#[test]
fn the_id_and_the_server_are_in_the_url_and_not_shown_to_it() {
    let document = json!({"enabled": true, "interval": 3600, "farm_id": "our workshop", "server": "http://127.0.0.1:1/{id}/{event}"});
    assert_eq!(
        serde_json::from_str::<Value>(&PRINT_HOURS_PLUGIN.policy.show(&settings(&document))).unwrap(),
        json!({"interval": 3600})
    );
    let mut bench = start(&document);
    event(&mut bench, "PrintDone", &Value::Null);
    assert_eq!(summary(&mut bench, 3600 * SECOND).url, "http://127.0.0.1:1/our%20workshop/summary");
}

#[test]
fn settings_that_it_does_not_accept_are_named() {
    let mut bench = bench(&PRINT_HOURS_PLUGIN);
    for (change, key) in [("interval", json!(0)), ("interval", json!("1h"))] {
        let mut document = settings(&on());
        document.set(change, key).unwrap();
        let reason = bench.instance.load(&document).unwrap().unwrap_err();
        assert!(reason.0.starts_with(change), "{reason}");
    }
}

#[test]
fn payloads_of_any_kind_are_survived() {
    let mut bench = start(&on());
    let payloads = [
        json!(null),
        json!([]),
        json!("PrintDone"),
        json!({"time": null}),
        json!({"time": "1"}),
        json!({"time": -1e300}),
        json!({"time": u64::MAX}),
        json!({"time": [1, 2], "reason": {"time": 1}}),
        json!({"reason": 7}),
    ];
    for payload in &payloads {
        for name in ["PrintDone", "PrintFailed", "PrintCancelled"] {
            assert_eq!(event(&mut bench, name, payload), Some(DAY));
        }
    }
    let outcome = bench.instance.on_event("PrintDone", "{\"time\": ").unwrap().unwrap();
    assert!(outcome.undelivered.unwrap().starts_with("PrintDone was not delivered: "));
    assert_eq!(summary(&mut bench, DAY).form, "done=9&failed=9&cancelled=9&hours=0.0");
}

#[test]
fn its_schema_agrees_with_its_manifest_and_its_own_check() {
    let mut bench = bench(&PRINT_HOURS_PLUGIN);
    let schema: Value = serde_json::from_str(&bench.instance.schema().unwrap()).unwrap();
    let keys = settings_schema::keys(&schema);
    let paths: Vec<_> = keys.iter().map(|key| key.path.as_str()).collect();
    // No more than it is shown and whether it is on; the host knows of the id and the server.
    assert_eq!(paths[0], "enabled");
    assert_eq!(paths[1..], PRINT_HOURS_PLUGIN.policy.manifest().settings.shows);
    for (interval, good) in [(json!(0), false), (json!(1), true), (json!(31_622_400), true), (json!(31_622_401), false)]
    {
        let document = settings(&json!({ "interval": interval }));
        assert_eq!(keys[1].check(&interval).is_ok(), good, "{interval}");
        assert_eq!(bench.instance.load(&document).unwrap().is_ok(), good, "{interval}");
    }
}
