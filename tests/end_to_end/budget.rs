//! What a plugin may use up by going on and on: it is quarantined, `status` says why, and another plugin is not held up.

use crate::support::{Home, LONG, names, receiver};
use glassbox_tests::MISFIT;
use serde_json::json;
use std::fs;
use std::time::Instant;

/// The misfit does this, until it is quarantined for this reason.
fn quarantined(act: &str, reason: &str) {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    fs::write(home.plugin("misfit"), MISFIT).unwrap();
    let settings = json!({"enabled": true, "server": receiver.url(), "unique_id": "4711", "act": act});
    fs::write(home.root().join("settings/misfit.json"), settings.to_string()).unwrap();
    home.run(&["grant", "misfit"]).good();
    let mut host = home.start();
    host.send(r#"{"event":"PrintStarted","payload":{"path":"a.gcode","origin":"local"}}"#);
    let began = Instant::now();
    // A busy machine gives it only a part of its processor.
    while !host.log().contains("it is quarantined: ") {
        assert!(host.runs() && began.elapsed() < 8 * LONG, "{}", host.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(names(&receiver.requests()).contains(&"print_started".into()), "the tracker was not held up");
    let expected =
        format!("it is quarantined: {reason}; another version of its file, or a change of its settings, starts it");
    assert!(host.log().contains(&expected), "{}", host.log());
    let status = home.run(&["status"]).good();
    assert!(status.contains(&format!("it is quarantined: {reason}")), "{status}");
    // Its settings changed: another chance.
    let settings = json!({"enabled": true, "server": receiver.url(), "unique_id": "4711", "act": "valid"});
    fs::write(home.root().join("settings/misfit.json"), settings.to_string()).unwrap();
    let end = Instant::now() + LONG;
    while home.run(&["status"]).good().contains("it is quarantined") {
        assert!(Instant::now() < end, "{}", host.log());
    }
    host.close();
    host.wait(LONG).log();
}

#[test]
fn of_the_processor() {
    quarantined("burn-in-on-tick spin", "it took more than 10 s of the processor's time within a minute");
}

#[test]
fn of_what_is_written_down() {
    let reason = "it gave more than 200 messages, blocked requests and changes of its state within a minute";
    quarantined("undeclared-in-on-tick spin", reason);
}
