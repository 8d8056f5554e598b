//! `run --record` and `replay`: a whole run into a file and again out of it, also where the host was
//! killed, the limit was reached, or a plugin failed.

use crate::support::{ENVIRONMENT, Home, PRINT, Process, STARTED, kinds, receiver, wait_until, workspace};
use glassbox::record::Recording;
use glassbox_sandbox::Settings;
use glassbox_tests::{MISFIT, counter};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The events of the recorded session, as a host hears them.
fn session() -> String {
    let session = fs::read_to_string(workspace("examples/sessions/octoprint-1.11.8.events.jsonl")).unwrap();
    let events = session.lines().filter(|line| line.contains(r#""event""#));
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        format!("{}\n", json!({"event": line["event"], "payload": line["payload"]}))
    };
    events.map(line).collect()
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

fn settings(home: &Home, plugin: &str, settings: &Value) {
    let changed = glassbox::home::Home::at(home.root()).change_settings(plugin, |document| {
        *document = Settings::parse(&settings.to_string()).unwrap();
        Ok(())
    });
    assert_eq!(changed.unwrap().1, None);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_run_is_recorded_and_replayed() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let recording = home.0.path("session.jsonl");
    home.command(&["run", "--events", "-", "--record"]).arg(&recording).run_with(session().as_bytes()).log();
    let sent = receiver.requests().len();
    assert!(sent > 40, "{sent}");
    assert_eq!(mode(&recording), 0o600);
    // With nothing to talk to.
    drop(receiver);
    let out = home.run(&["replay", text(&recording)]).good();
    assert!(out.contains("everything asked, answered and returned is the same"), "{out}");
    // It is not written over.
    let error = home.command(&["run", "--events", "-", "--record"]).arg(&recording).run().error();
    assert!(error.contains("already exists; choose another name"), "{error}");

    let recorded = fs::read_to_string(&recording).unwrap();
    let altered =
        home.0.write("altered.jsonl", recorded.replacen(r#"["origin","local"]"#, r#"["origin","sdcard"]"#, 1));
    let output = home.run(&["replay", text(&altered)]);
    assert_eq!(output.status, Some(1), "{}{}", output.out, output.err);
    assert!(output.out.starts_with("the first difference is in line "), "{}", output.out);
    let side = |side: &str, value: &str| {
        let line = output.out.lines().find(|line| line.starts_with(side)).unwrap();
        assert!(line.contains(&format!("GET print_started origin={value} file=")), "{line}");
    };
    side("  recorded: http.send ", "sdcard");
    side("  replayed: http.send ", "local");
    // The work of every call was counted, and is the same to the instruction.
    let returns: Vec<_> = recorded.lines().filter(|line| line.contains(r#""returns":"#)).collect();
    let no_call = |line: &str| [r#""returns":"start""#, r#""returns":"heard""#].iter().any(|what| line.contains(what));
    let counted = |line: &&&str| line.contains(r#","fuel":"#) != no_call(line);
    assert!(returns.len() > 100 && returns.iter().all(|line| counted(&line)), "{returns:?}");
    let line = returns.iter().find(|line| line.contains(r#""returns":"on-event""#)).unwrap();
    let more = home.0.write("more.jsonl", recorded.replacen(*line, &line.replace(r#""fuel":"#, r#""fuel":1"#), 1));
    let output = home.run(&["replay", text(&more)]);
    assert_eq!(output.status, Some(1), "{}{}", output.out, output.err);
    assert!(output.out.lines().skip(1).take(2).all(|line| line.ends_with(" fuel")), "{}", output.out);
    let same = home.run(&["replay", text(&recording), "--with", text(&home.plugin("tracking"))]).good();
    assert!(same.ends_with("the other version sends the same\n"), "{same}");
    let other = home.0.write("print-hours.wasm", glassbox_tests::PRINT_HOURS);
    let error = home.run(&["replay", text(&recording), "--with", text(&other)]).error();
    assert_eq!(
        error,
        "the plugin 'print-hours' is not in this recording; give another version of one that is: tracking"
    );
}

#[test]
fn what_another_version_would_have_sent() {
    let home = Home::new();
    fs::write(home.plugin("counter"), counter("first")).unwrap();
    home.run(&["opt-in", "counter"]).good();
    settings(&home, "counter", &json!({"enabled": true, "id": "4711"}));
    let recording = home.0.path("counter.jsonl");
    let events = "{\"event\":\"Count\",\"payload\":{\"seq\":1}}\n{\"event\":\"Report\",\"payload\":null}\n";
    home.command(&["run", "--events", "-", "--record"]).arg(&recording).run_with(events.as_bytes()).log();
    // The home has the next version already.
    fs::write(home.plugin("counter"), counter("second")).unwrap();
    let error = home.run(&["replay", text(&recording)]).error();
    assert!(error.contains("is not here: plugin 'counter' with SHA-256"), "{error}");
    let old = home.0.write("counter-1.wasm", counter("first"));
    home.run(&["replay", text(&recording), "--component", text(&old)]).good();
    let output = home.run(&["replay", text(&recording), "--with", text(&home.plugin("counter"))]);
    assert_eq!(output.status, Some(1), "{}{}", output.out, output.err);
    assert!(output.out.contains("report: the field version is different once\n"), "{}", output.out);
    assert!(output.out.contains("Report: 'first' -> 'second'\n"), "{}", output.out);
}

/// Wait until so much is recorded.
fn grown(file: &Path, bytes: u64) {
    wait_until("a recording", || fs::metadata(file).is_ok_and(|metadata| metadata.len() > bytes));
}

#[test]
fn a_host_that_is_killed_leaves_a_recording() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let recording = home.0.path("killed.jsonl");
    let mut host: Process = home.command(&["run", "--events", "-", "--record"]).arg(&recording).start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    for _ in 0..300 {
        host.send(PRINT);
    }
    grown(&recording, 20_000);
    host.signal("KILL");
    drop(host);
    let out = home.run(&["replay", text(&recording)]).good();
    assert!(out.starts_with("the recording ends without a last line: the incomplete rest is left out\n"), "{out}");
    // And one whose last line is torn.
    let whole = fs::read(&recording).unwrap();
    let torn = home.0.write("torn.jsonl", &whole[..whole.len() - 7]);
    let out = home.run(&["replay", text(&torn)]).good();
    assert!(out.starts_with("the recording ends in the middle of "), "{out}");
}

#[test]
fn a_full_recording_says_so_and_the_host_goes_on() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let recording = home.0.path("full.jsonl");
    let program = home.command(&["run", "--events", "-", "--record-limit", "20000", "--record"]).arg(&recording);
    let log = program.run_with(session().as_bytes()).log();
    assert!(log.contains("and ends here; --record-limit allows more"), "{log}");
    assert!(receiver.requests().len() > 40);
    let size = fs::metadata(&recording).unwrap().len();
    assert!((10_000..=20_000).contains(&size), "{size}");
    let out = home.run(&["replay", text(&recording)]).good();
    assert!(out.starts_with("the recording had reached its limit: what happened later is not in it\n"), "{out}");
}

#[test]
fn a_scrubbed_recording_can_be_shown_to_anybody() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let recording = home.0.path("redacted.jsonl");
    let program = home.command(&["run", "--events", "-", "--record-scrub", "--record"]).arg(&recording);
    program.run_with(format!("{ENVIRONMENT}\n{STARTED}\n{PRINT}\n").as_bytes()).log();
    assert_eq!(kinds(&receiver, 5).len(), 5);
    let ((id, salt), recorded) = (home.identity(), fs::read_to_string(&recording).unwrap());
    let file = receiver.requests()[3].value("file").unwrap();
    let port = receiver.url().split(':').nth(2).unwrap().split('/').next().unwrap().to_string();
    let secrets = [id.as_str(), &salt, "a.gcode"];
    for secret in secrets.into_iter().chain([file.as_str(), port.as_str()]) {
        assert!(!recorded.contains(secret), "{secret} is in it");
    }
    assert!(recorded.contains(r#""name":"print_started""#));
    let out = home.run(&["replay", text(&recording)]).good();
    assert!(out.starts_with("the texts in it are placeholders\n"), "{out}");
}

/// A plugin of ours that fails, and the file that it leaves.
fn failing(act: &str) -> (Home, String) {
    let home = Home::new();
    fs::write(home.plugin("misfit"), MISFIT).unwrap();
    home.run(&["opt-in", "misfit"]).good();
    settings(&home, "misfit", &json!({"enabled": true, "unique_id": "my-own-id", "act": act}));
    let log = home.command(&["run", "--events", "-"]).run_with(format!("{PRINT}\n").as_bytes()).log();
    let file = home.root().join("state/misfit.trap.jsonl");
    assert!(log.contains(&format!("'glassbox replay {}' repeats them", file.display())), "{log}");
    assert_eq!(mode(&file), 0o600);
    (home, text(&file).into())
}

#[test]
fn a_failure_leaves_a_recording_that_fails_the_same_way() {
    for (act, reason) in [
        ("trap-in-on-event", "on-event: it panicked"),
        ("loop-in-on-event", "on-event: it took longer than 2 s"),
        ("recurse-in-on-event", "on-event: it ran out of stack"),
        ("hoard-in-on-event", "on-event: it asked for more than 16 MiB of memory"),
        ("trap-in-on-tick", "on-tick: it panicked"),
        ("panic-after-sending", "on-event: it panicked"),
    ] {
        let (home, file) = failing(act);
        let out = home.run(&["replay", &file]).good();
        assert!(out.ends_with(&format!("the failure happened again: {reason}\n")), "{act}: {out}");
        // What was about to leave is in it, and that it did not.
        let read = Recording::read(Path::new(&file)).unwrap();
        let sent = fs::read_to_string(&file).unwrap().contains(r#""asks":"http.send""#);
        assert_eq!(sent, act == "panic-after-sending", "{act}");
        assert!(!read.header.redacted && read.header.trap);
    }
}

#[test]
fn a_failure_can_be_shown_to_anybody() {
    let home = Home::new();
    fs::write(home.plugin("counter"), counter("trap-third-event")).unwrap();
    home.run(&["opt-in", "counter"]).good();
    settings(&home, "counter", &json!({"enabled": true, "id": "my-own-id"}));
    let count = "{\"event\":\"Count\",\"payload\":{\"seq\":1}}\n".repeat(3);
    home.command(&["run", "--events", "-"]).run_with(count.as_bytes()).log();
    let file = home.root().join("state/counter.trap.jsonl");
    let new = home.0.path("shown.jsonl");
    let out = home.run(&["replay", text(&file), "--scrub", text(&new)]).good();
    assert!(out.contains("is the same recording without secrets"), "{out}");
    assert!(fs::read_to_string(&file).unwrap().contains("my-own-id"));
    assert!(!fs::read_to_string(&new).unwrap().contains("my-own-id"));
    let out = home.run(&["replay", text(&new)]).good();
    assert!(out.ends_with("the failure happened again: on-event: it panicked\n"), "{out}");
}

#[test]
fn a_run_that_never_began_leaves_no_recording() {
    let home = Home::new();
    let recording = home.0.path("none.jsonl");
    for _ in 0..2 {
        // Nothing is granted.
        let error = home.command(&["run", "--events", "-", "--record"]).arg(&recording).run().error();
        assert!(error.starts_with("no plugin in "), "{error}");
        assert!(!recording.exists());
    }
}

#[test]
fn what_is_no_recording_is_refused_in_words() {
    let home = Home::new();
    let error = |name: &str| home.run(&["replay", text(&home.0.path(name))]).error();
    assert!(error("none").contains("reading the recording "), "{}", error("none"));
    home.0.write("events.jsonl", format!("{PRINT}\n"));
    assert!(error("events.jsonl").contains("line 1: 'n' is missing; give a file that "), "{}", error("events.jsonl"));
    home.0.write("component.jsonl", MISFIT);
    assert!(error("component.jsonl").contains("line 1: it is not JSON"), "{}", error("component.jsonl"));
}
