//! What the audit says of trackers that do not mean well: no sentence of it is false. What holds by construction does,
//! whatever the puppet does (that it does is seen in `end_to_end/puppet`); what was seen in trials was so in these; and all
//! else is not shown.
#![allow(missing_docs)]

use glassbox_audit::conformance::Corpus;
use glassbox_audit::flow::Options;
use glassbox_audit::verdict::{ClaimStatus, ClaimVerdict, Kind};
use glassbox_audit::{Report, audit, observe};
use glassbox_tests::{SANDBOX, corpora, puppet};
use std::path::Path;
use std::time::Duration;

/// So many trials that a hundred events go before in one of them.
const TRIALS: usize = 4;

fn audited(component: &[u8]) -> Report {
    let corpora: Vec<Corpus> = corpora()
        .into_iter()
        .take(1)
        .map(|corpus| Corpus { cases: corpus.cases.into_iter().step_by(3).collect(), ..corpus })
        .collect();
    let mut report = audit(&SANDBOX, Path::new("tracking.wasm"), component, &corpora);
    let options = Options { trials: TRIALS, seed: 0, time: Duration::from_secs(3600) };
    observe(&mut report, component, &corpora, options, &|_| ()).unwrap();
    report
}

fn claim<'a>(report: &'a Report, name: &str) -> &'a ClaimVerdict {
    report.verdicts.iter().find(|claim| claim.name == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

/// What never changes: what is said to hold does so because the host enforces it, and is one of five sentences.
fn is_careful(report: &Report) {
    const CONSTRUCTED: [&str; 5] = ["touches", "enters", "sees", "says", "open"];
    for claim in &report.verdicts {
        let constructed = claim.kind == Kind::ByConstruction && claim.verdict == ClaimStatus::Holds;
        assert_eq!(constructed, CONSTRUCTED.contains(&claim.name), "{claim:?}");
        // How often it was seen is said in the sentence or beside it.
        assert!(claim.word() != "seen" || claim.trials > 0, "{claim:?}");
    }
    assert!(!report.is_full(), "{TRIALS} trials are no full audit");
    for name in ["silence", "together", "truth", "senders", "hashes", "built"] {
        assert_eq!(claim(report, name).verdict, ClaimStatus::NotShown, "{name}");
    }
    // Nor does anything say that it keeps quiet about something.
    let open = &claim(report, "open").claim;
    assert!(open.ends_with("nothing is hidden in the values of its reports"), "{open}");
}

/// The audit of a puppet, and what it must say: claims by their names, each with a word, and with a text that is in it.
fn says(script: &str, expected: &[(&str, &str, &str)]) {
    let report = audited(&puppet(script));
    is_careful(&report);
    for (name, word, text) in expected {
        let claim = claim(&report, name);
        assert_eq!(claim.word(), *word, "{script}: {claim:?}");
        assert!(format!("{}: {}", claim.claim, claim.why).contains(text), "{script}: {claim:?}");
    }
}

const TRIED: (&str, &str, &str) = ("tries", "FAILS", "it tried, and was blocked: print_");

#[test]
fn what_is_tried_is_told() {
    says("always file-text", &[TRIED, ("conforms", "FAILS", "fail"), ("works", "seen", "it did not fail")]);
    // It waits: for the 61st event, for a handover, for one that took time.
    for script in ["61st file-text", "again file-text", "age file-text"] {
        says(script, &[TRIED]);
    }
}

#[test]
fn what_waits_for_a_word_that_nobody_guesses_is_only_not_seen() {
    let seen = ("tries", "seen", "trials, it did not try to send anything but what the host makes");
    says("key file-text", &[seen, ("conforms", "seen", "but for documented differences")]);
}

#[test]
fn silence_is_not_shown() {
    let reports = "never sent in any trial: achievement_unlocked, ";
    let silence = ("silence", "not shown", "it decides whether: in a day that can say ");
    says("always silence", &[("sent", "not shown", reports), silence, ("conforms", "FAILS", "fail")]);
}

#[test]
fn what_it_says_besides_reports_is_told() {
    // The words of an error are in the log.
    says("always event-text", &[("secrets", "FAILS", "the log"), ("tries", "seen", "did not try")]);
    says("always restore-text", &[("accepts", "not shown", "a state: puppet")]);
    // A host lets no more than two flags through.
    says("always state-texts", &[("accepts", "seen", "nothing was refused"), ("secrets", "seen", "no setting")]);
}

#[test]
fn what_refuses_its_settings_shows_nothing() {
    let refused = "in most of its runs it refused what it was given";
    says(
        "always load-text",
        &[
            ("tries", "not shown", refused),
            ("repeatable", "not shown", refused),
            ("works", "not shown", refused),
            ("secrets", "not shown", "most of its runs did not begin"),
            ("conforms", "FAILS", "fail"),
            ("sent", "not shown", "never sent"),
            ("varied", "not shown", "never varied"),
            ("long", "not shown", "0 trials after a hundred events"),
            ("accepts", "not shown", "settings: puppet"),
        ],
    );
}

#[test]
fn a_schema_hides_no_report_by_its_defaults() {
    let replaced = |component: Vec<u8>, from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let places: Vec<_> = (0..component.len()).filter(|at| component[*at..].starts_with(from.as_bytes())).collect();
        assert!(!places.is_empty(), "{from}");
        places.into_iter().fold(component, |mut component, at| {
            component[at..at + to.len()].copy_from_slice(to.as_bytes());
            component
        })
    };
    let component = replaced(puppet("again file-text"), "\"default\": true", "\"default\":false");
    let component = replaced(component, "\"default\": 900}", "\"default\": 0  }");
    let component = replaced(component, "\"default\": 86400}", "\"default\": 0    }");
    let report = audited(&component);
    is_careful(&report);
    assert_eq!(claim(&report, "sent").word(), "seen", "{report}");
    assert_eq!(claim(&report, "tries").word(), "FAILS", "{report}");
    // One that says nothing at all of its settings.
    let component = replaced(puppet("again file-text"), "\"properties\": {", "\"PROPERTIES\": {");
    let report = audited(&component);
    assert_eq!(claim(&report, "sent").word(), "seen", "{report}");
    assert_eq!(claim(&report, "tries").word(), "FAILS", "{report}");
}

#[test]
fn what_cannot_be_loaded_has_every_claim_as_not_shown() {
    let whole = audit(&SANDBOX, Path::new("tracking.wasm"), &puppet("always silence"), &[]);
    let broken = audit(&SANDBOX, Path::new("notes.txt"), b"not a component", &[]);
    let names =
        |report: &Report| report.verdicts.iter().map(|claim| claim.name).collect::<std::collections::BTreeSet<_>>();
    let (whole, not_there) = (names(&whole), names(&broken));
    let missing: Vec<_> = whole.difference(&not_there).collect();
    // Of hashes nothing is known without a manifest, and what is tried is told of in other words.
    assert_eq!(missing, [&"hashes", &"tries"]);
    for claim in &broken.verdicts {
        let expected = if claim.name == "touches" { ClaimStatus::Fails } else { ClaimStatus::NotShown };
        assert_eq!(claim.verdict, expected, "{claim:?}");
    }
}
