//! Information flow and canaries: what the audit says of the bundled tracker, and of components that
//! leak in every way that it claims to find.
#![allow(missing_docs)]

use glassbox::home::BUNDLED;
use glassbox_audit::canaries::Judgement;
use glassbox_audit::flow::{Cell, Options};
use glassbox_audit::verdict::{ClaimStatus, Kind};
use glassbox_audit::{Report, audit, observe};
use glassbox_tests::{SANDBOX, leaky, workspace};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

fn observed(name: &str, component: &[u8], trials: usize, seed: u64) -> Report {
    let mut report = audit(&SANDBOX, Path::new(name), component, &[]);
    let options = Options { trials, seed, time: Duration::from_secs(3600) };
    observe(&mut report, component, &[], options, &|_| ()).unwrap();
    report
}

fn leaking(kind: &str, trials: usize) -> Report {
    observed("leaky.wasm", &leaky(kind), trials, 0)
}

fn cells(report: &Report) -> impl Iterator<Item = &Cell> {
    report.flow.iter().flat_map(|flow| &flow.cells)
}

/// What `input` of PrintStarted was seen to change.
fn outputs(report: &Report, input: &str) -> BTreeSet<String> {
    let cells = cells(report).filter(|cell| cell.event == "PrintStarted" && cell.input.to_string() == input);
    cells.flat_map(|cell| cell.outputs.keys().cloned()).collect()
}

fn verdict(report: &Report, name: &str) -> ClaimStatus {
    report.verdicts.iter().find(|verdict| verdict.name == name).unwrap().verdict
}

#[test]
fn every_planted_leak_shows_up() {
    for (kind, output) in [
        ("copy", "started.note"),
        ("bit", "started.note"),
        ("length", "started.note"),
        ("tick", "(next tick)"),
        ("count", "started (sent)"),
        ("whether", "started (sent)"),
        ("log", "(log)"),
        ("later", "done.note"),
    ] {
        let report = leaking(kind, 12);
        let found = outputs(&report, "path");
        assert!(found.contains(output), "{kind}: {found:?}");
        // And not with what it does not leak.
        assert_eq!(outputs(&report, "origin"), BTreeSet::new(), "{kind}");
        assert_eq!(outputs(&report, "(everything else)"), BTreeSet::new(), "{kind}");
    }
}

#[test]
fn an_order_is_no_leak_as_the_host_sorts() {
    let report = leaking("order", 12);
    assert_eq!(outputs(&report, "path"), BTreeSet::new());
    assert!(report.flow.as_ref().unwrap().sent["started"] > 0);
}

#[test]
fn a_magic_value_that_stands_in_the_file_is_found_and_named() {
    let report = leaking("magic", 80);
    let cell = cells(&report).find(|cell| cell.event == "PrintStarted" && cell.input.to_string() == "path").unwrap();
    let influence = &cell.outputs["started.note"];
    assert!(influence.direct > 0 && influence.direct * 20 < cell.trials, "{influence:?}");
    assert_eq!(influence.example.input.1, "\"swordfish-4711\"");
    assert_eq!(influence.example.output, ("(not there)".into(), "it is".into()));
    assert!(report.to_string().contains("when the input is \"swordfish-4711\""), "{report}");
}

#[test]
fn what_cannot_be_found_is_said() {
    // One of 2^64 texts, of which only the hash is in the file.
    let report = leaking("hash", 12);
    assert_eq!(outputs(&report, "path"), BTreeSet::new());
    assert!(report.to_string().contains("of which only a hash is in the file, is not found"), "{report}");
}

#[test]
fn other_inputs_are_told_from_the_payload() {
    const ALSO: [&str; 2] = ["(that it happens)", "(two at once)"];
    let general = |report: &Report, output: &str| -> BTreeSet<String> {
        let cells = cells(report).filter(|cell| cell.outputs.contains_key(output));
        cells.map(|cell| cell.input.to_string()).filter(|input| !ALSO.contains(&input.as_str())).collect()
    };
    let found = general(&leaking("setting", 12), "started.note");
    assert_eq!(found, BTreeSet::from(["setting note".into()]));
    // Neither is granted: the host leaves them blank.
    let machine = leaking("machine", 12);
    assert_eq!(general(&machine, "started.note"), BTreeSet::new());
    assert_eq!(verdict(&machine, "sees"), ClaimStatus::Holds);
}

#[test]
fn canaries_are_found_in_every_form() {
    for (kind, form, claim) in [
        ("percent", "percent-encoded", "open"),
        ("hex", "in hex", "open"),
        ("base64", "in base64", "open"),
        ("base64-1", "in base64", "open"),
        ("base64-2", "in base64", "open"),
        ("reversed", "reversed", "open"),
        ("md5", "as MD5", "open"),
        ("sha1", "as SHA-1", "open"),
        ("sha256", "as SHA-256", "open"),
        ("piece", "in pieces", "open"),
        ("log", "as it is", "secrets"),
        ("setting", "as it is", "secrets"),
    ] {
        let report = leaking(kind, 1);
        let finds = &report.canaries.as_ref().unwrap().finds;
        let found = finds.iter().filter(|find| find.is_hidden() || find.is_secret()).map(ToString::to_string);
        let found: Vec<_> = found.collect();
        assert!(found.iter().any(|find| find.ends_with(form)), "{kind}: {found:?}");
        assert_eq!(verdict(&report, claim), ClaimStatus::Fails, "{kind}: {found:?}");
        assert!(!report.passed());
    }
}

#[test]
fn what_is_said_openly_is_no_leak_and_what_is_refused_is_told() {
    let report = leaking("copy", 1);
    let finds = &report.canaries.as_ref().unwrap().finds;
    let open = finds.iter().find(|find| find.judgement == Judgement::Open).unwrap();
    assert_eq!(open.to_string(), "PrintStarted.path is in started.note as it is");
    assert!(report.passed(), "{report}");
    let report = leaking("refused", 1);
    assert_eq!(verdict(&report, "says"), ClaimStatus::Fails);
}

/// Which input of the tracker reaches which output: without counts, which may change with any version.
fn matrix(report: &Report) -> String {
    let mut out = String::new();
    let mut event = "";
    for cell in cells(report).filter(|cell| !cell.input.is_general()) {
        if cell.event != event {
            let _ = writeln!(out, "\n{}", cell.event);
            event = &cell.event;
        }
        let outputs = cell
            .outputs
            .iter()
            .map(|(output, influence)| if influence.direct > 0 { output.clone() } else { format!("{output} later") });
        let outputs = outputs.collect::<Vec<_>>();
        let outputs = if outputs.is_empty() { "nothing".into() } else { outputs.join(", ") };
        let _ = writeln!(out, "  {} -> {outputs}", cell.input);
    }
    out
}

#[test]
fn the_bundled_trackers_matrix_is_what_it_was() {
    let report = observed("tracking.wasm", BUNDLED, 12, 0);
    assert!(report.passed(), "{report}");
    for (kind, names) in [
        (Kind::ByConstruction, &["touches", "enters", "sees", "says", "open"] as &[_]),
        (
            Kind::SeenInTrials,
            &["tries", "repeatable", "works", "secrets", "complete", "sent", "varied", "long", "accepts"],
        ),
    ] {
        let of_kind = report.verdicts.iter().filter(|one| one.kind == kind && one.verdict == ClaimStatus::Holds);
        assert_eq!(of_kind.map(|one| one.name).collect::<Vec<_>>(), names);
    }
    for one in &report.verdicts {
        // Nothing that was only seen says that it holds, and what is enforced says by which lines.
        assert_eq!(one.word() == "holds", one.kind == Kind::ByConstruction, "{one:?}");
        assert_eq!(one.lines.is_empty(), one.kind != Kind::ByConstruction, "{one:?}");
    }
    let lines = &report.verdicts.iter().find(|one| one.name == "open").unwrap().lines;
    assert!(lines.contains(&"print_started.file: from PrintStarted.path as salted-sha1".into()), "{lines:?}");
    let text = report.to_string();
    assert!(text.contains("\n  printer_connected                    1.6 bits\n"), "{text}");
    let found = matrix(&report);
    let file = workspace().join("tests/tests/flow/tracking.txt");
    if std::env::var_os("GLASSBOX_TEST_WRITE").is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    assert_eq!(found, expected, "if this is meant, run the test with GLASSBOX_TEST_WRITE=1 and look at what changed");
    // What matters most, so that no snapshot is taken by mistake.
    for cell in cells(&report) {
        // A print that is not reported queries no throttle state, which shows in later reports.
        let now = cell.outputs.iter().filter(|(_, influence)| influence.direct > 0).map(|(output, _)| output);
        let fields = now.filter(|output| output.contains('.'));
        let fields: BTreeSet<_> = fields.filter_map(|output| output.split_once('.')).map(|(_, field)| field).collect();
        match cell.input.to_string().as_str() {
            "(everything else)" => assert_eq!((cell.outputs.len(), cell.fuel), (0, 0), "{cell:?}"),
            "path" if cell.event != "PrintFailed" => assert!(fields.is_subset(&BTreeSet::from(["file"])), "{cell:?}"),
            _ => {}
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_report_and_another_does_not() {
    let flow = |seed| serde_json::to_value(observed("leaky.wasm", &leaky("copy"), 5, seed).flow).unwrap();
    assert_eq!(flow(1), flow(1));
    assert_ne!(flow(1)["cells"], flow(2)["cells"]);
}

#[test]
fn a_component_that_fails_at_every_event_ends_the_trials() {
    let report = observed("misfit.wasm", &glassbox_tests::misfit("loop-in-on-event"), 2000, 0);
    let flow = report.flow.clone().unwrap();
    assert!(flow.ended_early.is_some() && flow.reached < 2000, "{:?}", flow.ended_early);
    // And it shows nothing: it would not have done anything else either.
    assert!(report.verdicts.iter().any(|verdict| verdict.name == "works" && verdict.verdict == ClaimStatus::Fails));
    for name in ["sees", "repeatable", "open", "secrets"] {
        assert_eq!(verdict(&report, name), ClaimStatus::NotShown, "{name}");
    }
}
