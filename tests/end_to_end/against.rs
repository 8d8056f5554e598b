//! `audit NEW --against OLD`: what a new version can newly see and say, by its manifest and by what it does.

use crate::grants::with_manifest;
use crate::support::{Folder, Output, program, workspace};
use glassbox::home::BUNDLED;
use glassbox_tests::{counter, leaky};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn against(new: &Path, old: &Path, arguments: &[&str]) -> Output {
    let how_long = if arguments.contains(&"--trials") { &[][..] } else { &["--quick"] };
    program(&["audit"]).arg(new).arg("--against").arg(old).args(how_long).args(arguments).run()
}

fn recorded() -> String {
    workspace("tests/corpora/octoprint-1.11.8.jsonl").to_str().unwrap().into()
}

/// The tracker with another manifest: each of these texts in it gives way to another.
fn tracker(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut manifest = fs::read_to_string(workspace("guest/tracker.toml")).unwrap();
    for (from, to) in changes {
        assert!(manifest.contains(from), "{from}");
        manifest = manifest.replacen(from, to, 1);
    }
    with_manifest(BUNDLED, &manifest)
}

/// A corpus of one case for the counter.
fn count(folder: &Folder) -> String {
    let settings = json!({"enabled": true, "id": "4711", "server": "http://127.0.0.1:1/{id}/{event}/"});
    let events = json!([{"event": "Count", "payload": {"seq": 1}}, {"event": "Report"}]);
    let case = json!({"case": "count/one", "settings": settings, "events": events, "expect": [], "exact": false});
    folder.write("count.jsonl", case.to_string()).to_str().unwrap().into()
}

fn groups(output: &Output) -> Vec<Value> {
    let report: Value = serde_json::from_str(&output.out).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    report["behaviour"][0]["groups"].as_array().unwrap().clone()
}

#[test]
fn the_same_sees_and_says_no_more() {
    let folder = Folder::new();
    let (old, new) = (folder.write("old.wasm", BUNDLED), folder.write("new.wasm", BUNDLED));
    let corpus = recorded();
    let out = against(&new, &old, &["--corpus", &corpus]).good();
    assert!(out.contains("\n         the same bytes\n"), "{out}");
    assert!(
        out.contains("\ntouches  the same imports and exports\nmanifest it asks for the same as the old version\n"),
        "{out}"
    );
    assert!(out.contains("\n   265 of 265 cases: the same bytes\n"), "{out}");
    assert!(out.ends_with("\nverdict  the new version sees and says nothing new\n"), "{out}");
    let out = against(&new, &old, &[]).good();
    assert!(out.ends_with("what it does was not examined\n"), "{out}");
}

#[test]
fn a_version_that_asks_for_more_and_says_more() {
    let folder = Folder::new();
    // The old one said less: no origin, and saw no slicing.
    let less = tracker(&[
        ("event = \"SlicingStarted\"", "event = \"SlicingNever\""),
        ("request = \"slicing_started\"", "request = \"slicing_never\""),
        ("on = [\"SlicingStarted\"]", "on = [\"SlicingNever\"]"),
        ("from = \"SlicingStarted.slicer\"", "from = \"SlicingNever.slicer\""),
    ]);
    let (old, new) = (folder.write("old.wasm", less), folder.write("new.wasm", BUNDLED));
    let corpus = recorded();
    let output = against(&new, &old, &["--corpus", &corpus]);
    assert_eq!(output.status, Some(1), "{output:?}");
    for words in [
        "\n  + see the event SlicingStarted (",
        "\n  + report slicing_started (slicer)\n",
        "\n  - see the event SlicingNever (",
        "\n  - report slicing_never (slicer)\n",
        " + SlicingStarted: slicing_started is now sent\n         for example ",
        "\n           old: nothing\n           new: GET /track/",
        "\nverdict  the new version sees or says something new\n",
    ] {
        assert!(output.out.contains(words), "{words:?} is not in\n{}", output.out);
    }
    // The other way round it is the other way round, and in particular no slicing is reported.
    let output = against(&old, &new, &["--json", "--corpus", &corpus]);
    let groups = groups(&output);
    assert!(groups.iter().all(|group| group["event"] == "SlicingStarted" && group["change"] == "silent"), "{groups:?}");
    let total: u64 = groups.iter().filter_map(|group| group["cases"].as_u64()).sum();
    assert!(total > 0 && groups[0]["example"]["new"] == json!([]) && groups[0]["example"]["old"][0]["method"] == "GET");
}

#[test]
fn less_is_no_more() {
    let folder = Folder::new();
    let name = "from = \"webui_load.os_version\", max_length = ";
    let less = tracker(&[(&format!("{name}256"), &format!("{name}128"))]);
    let (old, new) = (folder.write("old.wasm", BUNDLED), folder.write("new.wasm", less));
    let corpus = recorded();
    let out = against(&new, &old, &["--corpus", &corpus]).good();
    assert!(out.contains("\nmanifest\n  - report other values of os_version in webui_load\n"), "{out}");
    assert!(out.ends_with("\nverdict  the new version sees and says nothing new\n"), "{out}");
}

#[test]
fn the_same_manifest_and_another_behaviour() {
    let folder = Folder::new();
    let corpus = count(&folder);
    let file = |version: &str| folder.write(&format!("{version}.wasm"), counter(version));
    let changes = |old: &str, new: &str| {
        let output = against(&file(new), &file(old), &["--json", "--corpus", &corpus]);
        let changes: Vec<_> =
            groups(&output).iter().map(|group| group["change"].as_str().unwrap().to_string()).collect();
        (output.status, changes)
    };
    assert_eq!(changes("first", "second"), (Some(1), vec!["alters".into()]));
    assert_eq!(changes("first", "first"), (Some(0), vec![]));
    // One that fails says less; one that has stopped failing says more.
    assert_eq!(changes("first", "trap-event"), (Some(0), vec!["fails".into(), "silent".into()]));
    assert_eq!(changes("trap-event", "first"), (Some(1), vec!["sends".into()]));
    let out = against(&file("second"), &file("first"), &["--corpus", &corpus]).out;
    let words = "\n     1 + Report: report has another version\n         for example count/one\n           old: GET /4711/report/?version=first&count=1&last=1&wrong=0 (Counter/1)\n           new: GET /4711/report/?version=second&";
    assert!(out.contains(words), "{out}");
}

#[test]
fn a_new_influence_shows_up_though_the_manifest_is_the_same() {
    let folder = Folder::new();
    // Nobody guesses what the old one waits for; the new one tells one bit of every path.
    let (old, new) = (folder.write("old.wasm", leaky("hash")), folder.write("new.wasm", leaky("bit")));
    let output = against(&new, &old, &["--trials", "6"]);
    assert_eq!(output.status, Some(1), "{output:?}");
    for words in [
        "\nmanifest it asks for the same as the old version\nflow\n",
        "\n  + PrintStarted: path -> started.note\n",
        "\nverdict  the new version sees or says something new\n",
    ] {
        assert!(output.out.contains(words), "{words:?} is not in\n{}", output.out);
    }
    let output = against(&old, &new, &["--trials", "6"]);
    assert_eq!(output.status, Some(0), "{output:?}");
    assert!(output.out.contains("\nflow\n  - PrintStarted: path -> started.note\n"), "{}", output.out);
    let out = against(&new, &new, &["--trials", "2"]).good();
    assert!(out.contains("\nflow     no other influence in 2 trials\n"), "{out}");
}

#[test]
fn what_it_tries_in_vain_is_told_too() {
    let folder = Folder::new();
    // The new one calls a field of a report by a name that its manifest does not have.
    let mut bytes = BUNDLED.to_vec();
    let at = bytes.windows(6).rposition(|part| part == b"slicer").expect("a word of the code");
    let manifest = bytes.windows(8).position(|part| part == b"[plugin]").expect("the manifest");
    let at = if at < manifest { at } else { bytes[..manifest].windows(6).rposition(|part| part == b"slicer").unwrap() };
    bytes[at..at + 6].copy_from_slice(b"slices");
    let (old, new) = (folder.write("old.wasm", BUNDLED), folder.write("new.wasm", bytes));
    let corpus = recorded();
    let output = against(&new, &old, &["--corpus", &corpus]);
    let words = " + SlicingStarted: it tries to send something that is not declared: slicing_started: ";
    assert!(output.status == Some(1) && output.out.contains(words), "{}", output.out);
}

#[test]
fn what_cannot_be_compared_is_not_taken_for_the_same() {
    let folder = Folder::new();
    let (old, new) = (folder.write("old.wasm", "garbage"), folder.write("new.wasm", BUNDLED));
    for (new, old) in [(&new, &old), (&old, &new), (&old, &old)] {
        let output = against(new, old, &["--corpus", &recorded()]);
        assert_eq!(output.status, Some(1), "{output:?}");
        assert!(output.out.contains("\n         it cannot be loaded: "), "{}", output.out);
        assert!(output.out.ends_with("\nverdict  not everything could be compared\n"), "{}", output.out);
    }
    let other = folder.write("counter.wasm", counter("first"));
    let output = against(&other, &new, &[]);
    assert!(
        output.status == Some(1) && output.out.contains("\n  + be another plugin: 'counter' instead of 'tracking'\n")
    );
    let missing = folder.path("missing.wasm");
    assert!(against(&new, &missing, &[]).error().starts_with("the component cannot be read: "));
    assert_eq!(against(&new, &new, &["--sign", "key"]).status, Some(2));
}
