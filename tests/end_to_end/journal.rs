//! The files of the journal: a running host writes down everything that became of reports and plugins, and
//! nothing that must not be told. The command that shows them is tested in `journal_command.rs`.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, STARTED, dead_port, kinds, receiver};
use glassbox_tests::MISFIT;
use serde_json::{Value, json};
use std::fs;

fn lines(home: &Home) -> Vec<Value> {
    let out = home.run(&["journal", "--json"]).good();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn end(mut host: Process) {
    host.close();
    host.wait(LONG).log();
}

fn sound(home: &Home) {
    let out = home.run(&["journal", "--verify"]).good();
    assert!(out.starts_with("sound: "), "{out}");
}

/// `what`, and the report or the plugin it is about.
fn story(lines: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let word =
        |line: &Value| format!("{} {}{}", text(&line["what"]), text(&line["plugin"]), text(&line["request"]["name"]));
    lines.iter().map(|line| word(line).replace("tracking", "").trim().to_string()).collect()
}

#[test]
fn every_report_and_what_became_of_it() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut host = home.start();
    for line in [ENVIRONMENT, STARTED, PRINT] {
        host.send(line);
    }
    assert_eq!(kinds(&receiver, 4).len(), 4);
    end(host);
    assert_eq!(kinds(&receiver, 5).len(), 5);
    let lines = lines(&home);
    let story = story(&lines);
    assert_eq!((story[0].as_str(), story.last().unwrap().as_str()), ("started", "stopped"));
    assert_eq!(story[1], "loaded");
    for report in ["ping", "pong", "startup", "print_started", "shutdown"] {
        let at = |what: &str| story.iter().position(|line| *line == format!("{what} {report}"));
        assert!(at("queued").unwrap() < at("sent").unwrap(), "{story:?}");
    }
    assert_eq!(lines.len(), 2 + 1 + 2 * 5);
    let sent = lines.iter().find(|line| line["what"] == "sent" && line["request"]["name"] == "print_started").unwrap();
    assert_eq!(sent["event"], "PrintStarted");
    assert_eq!(sent["status"], 204);
    assert_eq!(sent["request"]["path"], "(own server)/print_started");
    assert_eq!(sent["request"]["fields"][0], json!(["origin", "local"]));
    assert_eq!(sent["component"], glassbox_sandbox::digest(glassbox::home::BUNDLED));
    sound(&home);
    let status = home.run(&["status"]).good();
    assert!(status.contains("    in the journal: 5 sent, 0 failed, 0 dropped, 0 blocked"), "{status}");
}

#[test]
fn no_id_and_no_salt_but_what_was_blocked_and_why() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    fs::write(home.plugin("misfit"), MISFIT).unwrap();
    home.run(&["opt-in", "misfit"]).good();
    let secret = "a-token-that-nobody-may-see";
    let settings = json!({"enabled": true, "unique_id": secret, "server": receiver.url(), "act": "extra-field"});
    fs::write(home.root().join("settings/misfit.json"), settings.to_string()).unwrap();
    let mut host = home.start();
    host.wait_for_log(" INFO misfit: reports are sent");
    for line in [ENVIRONMENT, STARTED] {
        host.send(line);
    }
    for _ in 0..100 {
        host.send(PRINT);
    }
    end(host);
    let text = home.run(&["journal", "--json"]).good();
    let (id, salt) = home.identity();
    for secret in [secret, &id, &salt] {
        assert!(!text.contains(secret), "{secret}");
    }
    let lines = lines(&home);
    let blocked: Vec<_> = lines.iter().filter(|line| line["what"] == "blocked").collect();
    assert_eq!(blocked[0]["request"]["name"], "hello");
    assert_eq!(blocked[0]["reason"], "it has a field that the manifest does not declare");
    assert_eq!(blocked.len(), 61, "a component cannot push everything else out");
    assert_eq!(blocked[60]["reason"], "40 more requests were blocked, and are not written down one by one");
    sound(&home);
    let status = home.run(&["status"]).good();
    assert!(status.contains("misfit: reports are sent while the host runs"), "{status}");
    assert!(status.contains(" 100 blocked (glassbox journal --plugin misfit)"), "{status}");
}

#[test]
fn what_was_dropped_when_nobody_listened() {
    let home = Home::opted_in(&format!("http://127.0.0.1:{}/{{id}}/{{event}}", dead_port()));
    let mut host = home.start();
    for line in [ENVIRONMENT, STARTED, PRINT] {
        host.send(line);
    }
    end(host);
    let lines = lines(&home);
    let dropped: Vec<_> = lines.iter().filter(|line| line["what"] == "dropped").collect();
    let names: Vec<_> = dropped.iter().map(|line| line["request"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ping", "pong", "startup", "print_started", "shutdown"]);
    assert!(dropped.iter().all(|line| !line["reason"].as_str().unwrap().is_empty()));
    sound(&home);
}

#[test]
fn a_host_whose_journal_cannot_be_written_goes_on() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    fs::write(home.root().join("journal"), "in the way").unwrap();
    let mut host = home.start();
    host.wait_for_log("the journal in ");
    host.send(ENVIRONMENT);
    host.send(STARTED);
    assert_eq!(kinds(&receiver, 3).len(), 3);
    end(host);
}
