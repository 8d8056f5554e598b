//! `audit`: what it says of the bundled tracker, and of recordings that it does not match.

use crate::support::{Home, Output, program, workspace};
use glassbox::home::BUNDLED;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn audit(file: &Path, arguments: &[&str]) -> Output {
    program(&["audit"]).arg(file).args(arguments).run()
}

fn corpus(name: &str) -> String {
    workspace(&format!("tests/corpora/{name}.jsonl")).to_str().unwrap().into()
}

#[test]
fn the_bundled_tracker_in_words() {
    let home = Home::new();
    let file = home.plugin("tracking");
    let out = audit(&file, &[]).good();
    let sum = Command::new("sha256sum").arg(&file).output().unwrap().stdout;
    let digest = String::from_utf8(sum).unwrap()[..64].to_string();
    let expected = format!(
        "file     {}
sha256   {digest}
size     {} bytes
imports  glassbox:tracker/http@1.0.0
         glassbox:tracker/clock@1.0.0
         glassbox:tracker/hardware@1.0.0
         glassbox:tracker/throttle@1.0.0
         wasi:random/random@0.2.",
        file.display(),
        BUNDLED.len()
    );
    assert!(out.starts_with(&expected), "{out}");
    let touches = "touches  nothing but the imports above: all of them are the contract's\n";
    assert!(out.contains(touches) && !out.contains("corpus"), "{out}");
    assert!(home.run(&["list"]).good().contains(&format!("    {} bytes, sha256 {digest}\n", BUNDLED.len())));
}

#[test]
fn the_bundled_tracker_and_both_recordings_as_json() {
    let home = Home::new();
    let (one, other) = (corpus("octoprint-1.11.8"), corpus("octoprint-dev-744c8359"));
    let out = audit(&home.plugin("tracking"), &["--json", "--corpus", &one, "--corpus", &other]).good();
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["digest"].as_str().map(str::len), Some(64));
    assert_eq!(report["size"], BUNDLED.len());
    assert_eq!(report["imports"].as_array().map(Vec::len), Some(5));
    assert_eq!(report["differences"], serde_json::json!([]));
    assert_eq!(report["error"], Value::Null);
    assert_eq!(report["manifest"]["plugin"]["name"], "tracking");
    let corpora = report["corpora"].as_array().unwrap();
    assert_eq!(corpora.len(), 2);
    for corpus in corpora {
        let families = corpus["families"].as_object().unwrap();
        assert!(families.len() > 10 && families.values().all(|family| family["failed"] == 0), "{corpus}");
        let matched: u64 = families.values().filter_map(|family| family["matched"].as_u64()).sum();
        assert!(matched >= 150, "{matched}");
        assert_eq!((&corpus["failures"], &corpus["exact_failed"]), (&serde_json::json!([]), &serde_json::json!(0)));
    }
}

#[test]
fn a_difference_to_a_recording_is_shown_in_full() {
    let home = Home::new();
    let recorded = std::fs::read_to_string(corpus("octoprint-1.11.8")).unwrap();
    let mut lines: Vec<_> = recorded.lines().take(3).map(String::from).collect();
    let mut case: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(case["exact"], true);
    let name = case["case"].as_str().unwrap().to_string();
    let query = case["expect"][0]["query"].as_str().unwrap().to_string();
    case["expect"][0]["query"] = Value::from(format!("{query}&planted=1"));
    lines[0] = case.to_string();
    let file = home.0.write("altered.jsonl", lines.join("\n"));
    let output = audit(&home.plugin("tracking"), &["--corpus", file.to_str().unwrap()]);
    assert_eq!(output.status, Some(1), "{}", output.err);
    let failed = &output.out[output.out.find("\n  FAILED ").expect("the failure")..];
    assert!(failed.starts_with(&format!("\n  FAILED {name}: ")), "{failed}");
    assert!(failed.contains(&format!("?{query}&planted=1 (")), "{failed}");
    assert!(failed.contains(&format!("?{query} (")), "{failed}");
    assert!(output.out.contains("  all                             2          0       1\n"), "{}", output.out);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let home = Home::new();
    let missing = home.0.path("missing.wasm");
    let message = audit(&missing, &[]).error();
    let no_file = "No such file or directory (os error 2)";
    assert_eq!(message, format!("the component cannot be read: {}: {no_file}", missing.display()));

    let tracker = home.plugin("tracking");
    let with = |corpus: &Path| audit(&tracker, &["--corpus", corpus.to_str().unwrap()]).error();
    let missing = home.0.path("missing.jsonl");
    assert_eq!(with(&missing), format!("reading the corpus {}: {no_file}", missing.display()));
    let empty = home.0.write("empty.jsonl", "\n");
    assert_eq!(with(&empty), format!("{} has no cases", empty.display()));
    let wrong = home.0.write("wrong.jsonl", "\n{\"case\": 3}\n");
    let message = with(&wrong);
    assert!(message.starts_with(&format!("{}, line 2: this is no recorded case: ", wrong.display())), "{message}");
}
