//! `--log json`, for programs that collect logs: each line is one JSON object, whatever plugins, servers
//! and files put into it, and none holds a secret.

use crate::octoprint::key_file;
use crate::push_server::{KEY, PushServer};
use crate::support::{Home, LONG, kinds, program, receiver};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

const ID: &str = "4711abcd-4711-4711-8711-4711abcd4711";

/// Every line of it, as what it says; the time is one.
#[track_caller]
fn lines(log: &str) -> Vec<Value> {
    assert!(log.ends_with('\n'), "{log}");
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let object = value.as_object().unwrap_or_else(|| panic!("{line:?}"));
        let keys: BTreeSet<_> = object.keys().map(String::as_str).collect();
        assert!(keys.is_superset(&["level", "message", "time"].into()), "{line}");
        assert!(keys.is_subset(&["level", "message", "octoprint", "plugin", "time"].into()), "{line}");
        assert!(value["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert!(["error", "warn", "info", "debug", "trace"].contains(&value["level"].as_str().unwrap()), "{line}");
        assert!(!line.contains(char::is_control) && !line.contains('\u{202e}'), "{line:?}");
        value
    };
    log.lines().map(line).collect()
}

/// The line of this level that says this, and whom it is about.
#[track_caller]
fn about<'a>(lines: &'a [Value], level: &str, message: &str) -> (&'a Value, &'a Value) {
    let is_it = |line: &&Value| line["level"] == level && line["message"].as_str().unwrap().contains(message);
    let line = lines.iter().find(is_it).unwrap_or_else(|| panic!("{level} {message}: {lines:#?}"));
    (&line["plugin"], &line["octoprint"])
}

#[test]
fn every_line_is_json_whatever_happens() {
    let server = PushServer::start();
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    fs::write(home.plugin("misfit"), glassbox_tests::MISFIT).unwrap();
    fs::write(home.plugin("broken"), b"garbage").unwrap();
    let settings = json!({"enabled": true, "server": receiver.url(), "unique_id": ID, "act": "forged-log"});
    home.0.write("home/settings/misfit.json", settings.to_string());
    home.run(&["grant", "misfit"]).good();
    let file = key_file(&home, KEY);
    let options = ["run", "-vv", "--log", "json", "--octoprint", &server.url(), "--api-key-file"];
    let host = home.command(&options).arg(file).start();
    host.wait_for_log("hears OctoPrint");
    // Awkward words from the server, a plugin, and a file of the user's: some have several lines.
    server.send("{\"event\": \"\u{1b}[2J\u{202e}");
    server.event("PrintStarted", json!({"path": "a\u{1b}\n\"b.gcode", "origin": "local"}));
    host.wait_for_log("nothing is sent: nobody has opted in yet");
    kinds(&receiver, 4);
    home.0.write("home/glassbox.toml", "[[octoprint]]\n\u{202e}url = \"\n");
    host.wait_for_log("keeping the last good configuration");
    home.0.write("home/settings/tracking.json", "{\"enabled\": tru");
    host.wait_for_log("tracking.json is damaged");
    server.lose_connections();
    host.wait_for_log("hears OctoPrint again");
    host.signal("TERM");
    let log = host.wait(LONG).log();

    let lines = lines(&log);
    let (none, tracking, misfit, octoprint) = (Value::Null, json!("tracking"), json!("misfit"), json!("octoprint"));
    assert_eq!(about(&lines, "debug", "startup"), (&tracking, &none));
    assert_eq!(about(&lines, "debug", "[2J"), (&misfit, &none));
    assert_eq!(about(&lines, "error", "plugin 'broken' is not a tracker"), (&json!("broken"), &none));
    assert_eq!(about(&lines, "info", "hears OctoPrint 1.11.8"), (&none, &octoprint));
    assert_eq!(about(&lines, "warn", "cannot listen to OctoPrint"), (&none, &octoprint));
    assert_eq!(about(&lines, "warn", "last good configuration: "), (&none, &none));
    assert_eq!(about(&lines, "warn", "tracking.json"), (&tracking, &none));
    assert_eq!(about(&lines, "debug", "print_started"), (&tracking, &none));
    assert_eq!(lines.last().unwrap()["message"], "4 reports sent, 0 failed, 0 dropped");
    for secret in [KEY, "me:s1", ID] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn what_could_not_be_done_is_a_line_too() {
    let home = Home::new();
    fs::write(home.plugin("tracking"), b"garbage").unwrap();
    let output = home.command(&["run", "--log=json", "--events", "-"]).run();
    assert_eq!(output.status, Some(2));
    let said = lines(&output.err);
    assert_eq!(about(&said, "error", "could be started; 'glassbox list' says more"), (&Value::Null, &Value::Null));

    let output = program(&["--log", "json", "--home", "/nowhere/home", "run"]).run();
    assert_eq!(output.status, Some(2));
    assert_eq!(lines(&output.err).len(), 1);
}
