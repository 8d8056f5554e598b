//! A version that brings another manifest: whatever is changed of what pins a report, or kept, or entered, is asked for
//! anew, and until it is granted the version does not run. And what a puppet can say in the log of a host that says more.

use super::{HONEST, PUPPET_WORDS, home, put, run_events};
use crate::support::{LONG, receiver};
use glassbox::home::BUNDLED;
use glassbox_tests::{puppet, workspace};
use serde_json::json;
use std::fs;

/// What is written in the manifest, and what stands there instead, wherever it is.
const CHANGES: &[(&str, &str)] = &[
    (r#", from = "PrintStarted.path""#, ""),
    (r#"from = "PrintStarted.path""#, r#"from = "PrintStarted.origin""#),
    ("\non = [\"PrintStarted\"]", ""),
    ("\non = [\"PrintStarted\"]", "\non = [\"PrintDone\"]"),
    (
        "on = [\"tick\"]\nevery = { setting = \"ping\", default = 900 }",
        "on = [\"tick\"]\nevery = { setting = \"ping\", default = 90 }",
    ),
    ("once = \"octoprint_started\"", "once = \"Connected\""),
    ("after = 15\n", "after = 1\n"),
    ("until = \"Disconnected\"\n", ""),
    (r#", unknown = "OFFLINE""#, ""),
    (r#", unknown = "OFFLINE""#, r#", unknown = "CLOSED""#),
    (r#", if = "throttle.issue""#, ""),
    (r#", octoprint = "<2.0""#, r#", octoprint = "<1.0""#),
    (", grows = true", ""),
    (r#", grows_by = "plugin_achievements_achievement_unlocked.key""#, ""),
    (r#"{ name = "path", as = "salted-sha1" }"#, r#""path""#),
    (r#"{ name = "error", as = "error-text" }"#, r#""error""#),
    (r#"{ name = "port", as = "port-kind" }"#, r#""port""#),
    (
        r#"{ name = "third_party_plugins", as = "names-and-versions" }"#,
        r#"{ name = "third_party_plugins", as = "words" }"#,
    ),
    ("printing = \"flag\"", "printing = { most = 999999 }"),
    ("shows = [\"ping\"", "shows = [\"unique_id\", \"ping\""),
    (
        r#"user_agent = { text = "OctoPrint/{}", from = "environment.octoprint.version", pattern = '[0-9A-Za-z.+_-]{1,64}', unknown = "unknown" }"#,
        r"user_agent = 'OctoPrint/[0-9A-Za-z.+_-]{1,64}'",
    ),
    (r#"variable = { from = "Error.reason", pattern"#, r#"variable = { pattern"#),
];

/// The puppet with another manifest. Of several custom sections with one name none would count, so its own is cut off.
fn with_manifest(script: &str, manifest: &str) -> Vec<u8> {
    let component = puppet(script);
    let own = fs::read(workspace().join("guest/tracker.toml")).unwrap();
    let end = component.strip_suffix(own.as_slice()).expect("its manifest is at the end");
    // The section's name before that, and its kind and two sizes.
    let name = glassbox_component::MANIFEST_SECTION.as_bytes();
    let end = end.strip_suffix(name).unwrap();
    let at = (1..8).map(|back| end.len() - back).find(|at| end[*at] == 0 && end[end.len() - 1] as usize == name.len());
    glassbox_component::embed(&end[..at.unwrap()], manifest).unwrap()
}

#[test]
fn a_version_with_other_pins_is_not_run_but_asked_for() {
    let receiver = receiver();
    let home = home(BUNDLED, &receiver.url(), &json!({}));
    let own = fs::read_to_string(workspace().join("guest/tracker.toml")).unwrap();
    // With the same manifest it runs.
    put(&home, &with_manifest("always silence", &own));
    let status = home.run(&["list"]).good();
    assert!(!status.contains("waiting"), "{status}");
    for (number, (from, to)) in CHANGES.iter().enumerate() {
        assert!(own.contains(from), "{from}");
        let changed = with_manifest("always file-text", &own.replace(from, to));
        put(&home, &changed);
        let status = home.run(&["status"]).good();
        assert!(
            status.contains("tracking: nothing is sent: waiting: it asks for more than was granted, to")
                || status.contains("has an unusable manifest"),
            "{from} -> {to}: {status}"
        );
        // As a process, for some.
        if number % 6 == 0 {
            let mut process = home.command(&["run", "--events", "-"]).start();
            process.wait_for_log("waiting: it asks for more than was granted");
            run_events(&mut process);
            process.close();
            // There is nothing else that it could run.
            process.wait(LONG).error();
            assert_eq!(receiver.requests(), [], "{from} -> {to}");
        }
    }
}

#[test]
fn a_version_with_other_pins_does_not_take_over() {
    let receiver = receiver();
    let home = home(BUNDLED, &receiver.url(), &json!({}));
    let mut process = home.command(&["run", "--events", "-"]).start();
    process.wait_for_log(" tracking: reports are sent");
    let own = fs::read_to_string(workspace().join("guest/tracker.toml")).unwrap();
    let (from, to) = CHANGES[0];
    put(&home, &with_manifest("always file-text", &own.replace(from, to)));
    process.wait_for_log("it asks for more than was granted, to");
    run_events(&mut process);
    process.close();
    process.wait(LONG).log();
    let honest = HONEST.iter();
    for request in receiver.requests() {
        assert!(honest.clone().any(|honest| *honest == request), "{request:?}");
    }
}

#[test]
fn what_it_says_itself_is_in_the_log_only_for_who_asks() {
    let receiver = receiver();
    for more in [&[] as &[&str], &["-v"]] {
        let home = home(&puppet("always event-text"), &receiver.url(), &json!({}));
        let mut process = home.command(&["run", "--events", "-"]).args(more).start();
        process.wait_for_log(" tracking: ");
        run_events(&mut process);
        process.close();
        let log = process.wait(LONG).log();
        assert!(
            log.contains(" WARN tracking: it says that something is wrong; with -v, the log has its own words"),
            "{log}"
        );
        let words: Vec<_> = log.lines().filter(|line| PUPPET_WORDS.iter().any(|word| line.contains(word))).collect();
        assert_eq!(words.is_empty(), more.is_empty(), "{log}");
        // The date, the plugin, and at most 80 characters.
        let is_fine = |line: &&str| line.contains("DEBUG tracking: it says: ") && line.chars().count() <= 160;
        assert!(words.iter().all(is_fine), "{log}");
    }
}
