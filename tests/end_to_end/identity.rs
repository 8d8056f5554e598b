//! Id and salt of a running host: paths leave only as hashes with a salt that the host keeps, which belongs to the id.
//! What is made when is in `tests/tests/identity.rs`.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, SILENCE, START, STARTED, kinds, receiver, wait_until};
use glassbox_audit::conformance::receiver::Receiver;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

const ID: &str = "8a4b1f0e-6c1d-4f7a-9d53-3b8e0c6f2a11";

/// What `sha1sum` says of the print's path and this salt.
fn hash(salt: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", "printf %s \"$1\" | sha1sum", "sh"]).arg(format!("a.gcode{salt}"));
    String::from_utf8(command.output().unwrap().stdout).unwrap()[..40].into()
}

fn start(home: &Home) -> Process {
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    host
}

fn stop(host: Process) -> String {
    host.signal("TERM");
    host.wait(LONG).log()
}

/// The hash in the last report, which is that of a print, and the id in its URL.
fn printed(receiver: &Receiver, count: usize) -> (String, String) {
    let requests = receiver.wait_for(count, LONG);
    assert_eq!(requests.len(), count);
    let last = requests.last().unwrap();
    assert_eq!(last.kind(), "print_started");
    (last.path.split('/').nth(2).unwrap().into(), last.value("file").unwrap())
}

/// The reasons of the journal's entries of this kind that speak of a new salt.
fn new_salts(home: &Home) -> Vec<String> {
    let lines = home.run(&["journal", "--json"]).good();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines = lines.filter(|line| line["what"] == "loaded");
    lines.filter_map(|line| Some(line["reason"].as_str().filter(|reason| reason.contains("salt"))?.into())).collect()
}

fn has_id(home: &Home, id: &str) {
    let mut settings = home.settings();
    settings["unique_id"] = id.into();
    home.write_settings(settings.to_string());
}

#[test]
fn a_path_is_hashed_with_the_salt_of_the_id_over_restarts_and_other_ids() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut host = start(&home);
    assert_eq!(kinds(&receiver, 3), START);
    let (id, salt) = home.identity();
    assert_eq!(home.settings()["unique_id"], id.as_str());
    host.send(PRINT);
    assert_eq!(printed(&receiver, 4), (id.clone(), hash(&salt)));
    stop(host);
    assert_eq!(kinds(&receiver, 5)[4], "shutdown");

    let mut host = start(&home);
    assert_eq!(kinds(&receiver, 8)[5..], START);
    host.send(PRINT);
    assert_eq!(printed(&receiver, 9), (id.clone(), hash(&salt)));
    assert_eq!(home.identity(), (id.clone(), salt.clone()));
    assert_eq!(new_salts(&home), [""; 0]);

    // Another id while it runs: whatever is shown from then on is hashed for that one.
    has_id(&home, ID);
    wait_until("the other salt", || home.identity().0 == ID);
    host.wait_for_log("a new salt was made: the id changed");
    wait_until("a report", || {
        host.send(PRINT);
        receiver.wait_for(10, SILENCE).len() >= 10
    });
    let last = receiver.requests().pop().unwrap();
    let (_, other) = home.identity();
    assert_ne!(other, salt);
    assert_eq!(last.value("file").unwrap(), hash(&other));
    assert!(last.path.contains(ID), "{}", last.path);
    let reports = receiver.requests();
    assert!(
        reports.iter().all(|report| report.path.contains(ID) == (report.value("file") == Some(hash(&other)))
            || report.kind() != "print_started"),
        "a hash that belongs to another id"
    );
    assert_eq!(reports.iter().filter(|report| START.contains(&report.kind())).count(), 6, "it carries on");
    assert_eq!(new_salts(&home).len(), 1);
    let all = format!("{reports:?}");
    assert!(!all.contains(&salt) && !all.contains(&other));
    stop(host);
}

#[test]
fn an_id_that_is_imported_brings_a_salt() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut host = start(&home);
    assert_eq!(kinds(&receiver, 3), START);
    let (_, salt) = home.identity();
    let theirs = home.0.write("config.yaml", format!("plugins:\n  tracking:\n    unique_id: {ID}\n"));
    home.run(&["import", theirs.to_str().unwrap(), "--force"]).good();
    host.wait_for_log("a new salt was made: the id changed");
    host.send(PRINT);
    let (id, other) = home.identity();
    assert_eq!(printed(&receiver, 4), (ID.into(), hash(&other)));
    assert!(id == ID && salt != other);
    stop(host);
}

#[test]
fn a_salt_that_an_earlier_component_made_is_replaced_and_that_is_told_once() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut settings = home.settings();
    settings
        .as_object_mut()
        .unwrap()
        .extend([("unique_id".into(), ID.into()), ("file_salt".into(), "old salt".into())]);
    home.write_settings(settings.to_string());
    for count in [1, 2] {
        let mut host = start(&home);
        host.send(PRINT);
        assert_eq!(kinds(&receiver, 5 * count - 1).last().unwrap(), "print_started");
        stop(host);
        let told = new_salts(&home);
        assert!(
            told.len() == 1 && told[0].contains("or whose salt the component of an earlier version made"),
            "{told:?}"
        );
        let file = receiver.requests().iter().rev().find_map(|report| report.value("file")).unwrap();
        assert_eq!(file, hash(&home.identity().1));
    }
    assert_eq!(home.settings(), settings);
}

#[test]
fn why_there_is_a_new_salt_is_told_as_far_as_it_is_known() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut salts = Vec::new();
    let mut expected: Vec<&str> = Vec::new();
    let file = home.identity_file();
    let mut start_over = |why: Option<&'static str>| {
        expected.extend(why);
        let mut host = start(&home);
        assert!(receiver.wait_for(1, LONG)[0].value("file").is_none());
        host.send(PRINT);
        let hashed = || receiver.requests().iter().rev().find_map(|report| report.value("file"));
        wait_until("its hash", || hashed() == Some(hash(&home.identity().1)));
        stop(host);
        let told = new_salts(&home);
        assert_eq!(told.len(), expected.len(), "{told:?}");
        assert!(told.iter().zip(&expected).all(|(told, why)| told.contains(why)), "{told:?}");
        let (_, salt) = home.identity();
        assert_eq!(salts.contains(&salt), why.is_none() && !salts.is_empty());
        salts.push(salt);
    };
    start_over(None);
    start_over(None);
    fs::remove_file(&file).unwrap();
    // That there was one cannot be known, and nobody says that it was an upgrade.
    start_over(Some("there is none for this id: its file was lost, or the host never had one, as for an id"));
    fs::write(&file, "{\"id\": \"").unwrap();
    start_over(Some("its file was damaged"));
    fs::rename(&file, home.0.path("elsewhere")).unwrap();
    let elsewhere = fs::read(home.0.path("elsewhere")).unwrap();
    symlink(home.0.path("elsewhere"), &file).unwrap();
    start_over(Some("a symbolic link was in the place of its file"));
    assert_eq!(fs::read(home.0.path("elsewhere")).unwrap(), elsewhere);
    start_over(None);
}

#[test]
fn a_salt_that_others_could_read_is_kept_from_them() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let run = || home.command(&["run", "--events", "-"]).run().log();
    run();
    let before = home.identity();
    fs::set_permissions(home.identity_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let log = run();
    assert!(log.contains(&format!("others could read the salt's file {}", home.identity_file().display())), "{log}");
    assert_eq!(fs::metadata(home.identity_file()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(home.identity(), before);
    let log = run();
    assert!(!log.contains("others could read"), "said once: {log}");
}

#[test]
fn nothing_is_sent_while_the_salt_cannot_be_kept() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    fs::create_dir_all(home.identity_file().join("in the way")).unwrap();
    let why = format!("the salt's file {} cannot be used: it is not a regular file", home.identity_file().display());
    let why = why.as_str();
    let out =
        home.command(&["run", "--events", "-"]).run_with(format!("{ENVIRONMENT}\n{STARTED}\n{PRINT}\n").as_bytes());
    assert!(out.status == Some(2) && out.err.contains(why), "{}", out.err);

    let yes = home.settings();
    home.write_settings("{}");
    let mut host = start(&home);
    home.write_settings(yes.to_string());
    host.wait_for_log(why);
    host.send(PRINT);
    assert!(receiver.wait_for(1, SILENCE).is_empty());
    let status = home.run(&["status"]).good();
    assert!(
        status.contains(&format!("\ntracking: nothing is sent: switched off until its settings are valid: plugin 'tracking' has no identity: {why}")),
        "{status}"
    );
    let log = host.log();
    assert!(!log.contains(home.settings()["unique_id"].as_str().unwrap()), "{log}");

    fs::remove_dir_all(home.identity_file()).unwrap();
    home.write_settings(home.settings().to_string());
    assert_eq!(kinds(&receiver, 3), START);
    host.send(PRINT);
    assert_eq!(printed(&receiver, 4).1, hash(&home.identity().1));
    stop(host);
}

/// A print that is lost says nothing of its file, so its hash is that of its start: which may have been of another id.
#[test]
fn what_was_hashed_for_one_id_is_never_said_under_another() {
    for (change, started) in [
        (Some("11111111-2222-4333-8444-555555555555"), false),
        // The host makes a new one.
        (None, false),
        (Some("11111111-2222-4333-8444-555555555555"), true),
        (None, true),
    ] {
        let receiver = receiver();
        let home = Home::opted_in(&receiver.url());
        let mut host = start(&home);
        assert_eq!(kinds(&receiver, 3), START);
        let (old, salt) = home.identity();
        host.send(PRINT);
        assert_eq!(printed(&receiver, 4), (old.clone(), hash(&salt)));
        let mut changed = home.settings();
        changed["unique_id"] = change.into();
        if started {
            // The state that the host left behind is that of the print.
            host.signal("KILL");
            host.wait(LONG);
            home.write_settings(changed.to_string());
            host = home.start();
            host.send(ENVIRONMENT);
        } else {
            home.write_settings(changed.to_string());
        }
        wait_until("another salt", || {
            home.root().join("state/tracking.identity.json").exists() && home.identity().1 != salt
        });
        host.send(r#"{"event": "PrintFailed", "payload": {"connector": "serial", "reason": "error"}}"#);
        host.send(r#"{"event": "SlicingStarted", "payload": {"slicer": "last"}}"#);
        wait_until("the last report", || receiver.requests().iter().any(|request| request.kind() == "slicing_started"));
        let requests = receiver.requests();
        let of_new = requests.iter().filter(|request| !request.path.contains(&old));
        assert!(of_new.clone().count() > 0);
        assert!(of_new.into_iter().all(|request| request.value("file").is_none()), "{change:?}: {requests:?}");
        stop(host);
    }
}
