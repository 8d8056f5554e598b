//! The bundled component against recordings of the real OctoPrint, and the comparison itself
//! against differences that are planted.
#![allow(missing_docs)]

use glassbox::home::BUNDLED;
use glassbox_audit::audit;
use glassbox_audit::conformance::{Case, RecordedRequest, corpus};
use glassbox_audit::conformance::{CaseVerdict, compare, replay};
use glassbox_tests::{SANDBOX, TRACKING, corpora};
use std::path::Path;

#[test]
fn every_exact_case_is_the_same_bytes_and_no_other_fails() {
    let report = audit(&SANDBOX, Path::new("tracking.wasm"), BUNDLED, &corpora());
    assert!(report.passed(), "{report}");
    let totals: Vec<_> = report.corpora.iter().map(|corpus| corpus.total()).collect();
    let differing = |i: usize| totals[i].differing.values().sum::<usize>();
    assert_eq!((totals[0].matched, differing(0)), (181, 84));
    assert_eq!((totals[1].matched, differing(1)), (183, 82));
    let exact = corpora().iter().flat_map(|corpus| &corpus.cases).filter(|case| case.exact).count();
    assert_eq!(exact, 300);
}

/// Every way to plant a difference in what a case expects.
fn plant(case: &Case) -> Vec<(&'static str, Case)> {
    let mut planted = Vec::new();
    let mut add = |what, change: &dyn Fn(&mut Vec<RecordedRequest>)| {
        let mut changed = case.clone();
        change(&mut changed.expect);
        if changed.expect != case.expect {
            planted.push((what, changed));
        }
    };
    let form = |request: &mut RecordedRequest, change: &dyn Fn(String) -> String| {
        let form = if request.method == "POST" { &mut request.body } else { &mut request.query };
        *form = change(std::mem::take(form));
    };
    add("another path", &|all| all.iter_mut().for_each(|request| request.path.push('x')));
    add("another method", &|all| all.iter_mut().for_each(|request| request.method = "PUT".into()));
    add("another user agent", &|all| all.iter_mut().for_each(|request| request.user_agent.push('x')));
    add("one field more", &|all| all.iter_mut().for_each(|request| form(request, &|form| form + "&planted=1")));
    add("one known field less", &|all| {
        all.iter_mut().for_each(|request| form(request, &|form| form.replacen("origin=local&", "", 1)));
    });
    add("another hash", &|all| {
        all.iter_mut().for_each(|request| form(request, &|form| form.replace("file=4fe", "file=000")));
    });
    add("the request twice", &|all| all.extend(all.clone()));
    add("a request from nowhere", &|all| {
        all.push(RecordedRequest {
            method: "GET".into(),
            path: "/track/x/planted/".into(),
            ..RecordedRequest::default()
        });
    });
    planted
}

#[test]
fn a_difference_that_is_planted_in_a_case_fails() {
    let mut tried = 0;
    for case in corpora().iter().flat_map(|corpus| &corpus.cases) {
        let sent = replay::run(&TRACKING, case).sent;
        for (what, planted) in plant(case) {
            // Where nothing may be sent for this reason, what OctoPrint sends does not matter.
            let refused = sent.is_empty()
                && matches!(
                    case.why.as_deref(),
                    Some("odd-reason" | "wrong-type" | "id-is-minted" | "lifecycle-comes-as-events")
                );
            if refused {
                continue;
            }
            let verdict = compare(&planted, &sent);
            assert!(matches!(verdict, CaseVerdict::Failed(_)), "{}: {what}: {verdict:?}", case.name);
            tried += 1;
        }
    }
    assert!(tried > 2000, "{tried}");
}

#[test]
fn a_reason_that_is_not_on_the_list_explains_nothing() {
    let mut case = corpora()[0].cases[0].clone();
    let sent = replay::run(&TRACKING, &case).sent;
    assert_eq!(compare(&case, &sent), CaseVerdict::Matched);
    case.exact = false;
    case.expect[0].query.push('x');
    for why in [None, Some(""), Some("because"), Some("null"), Some("octoprint-raises"), Some("not-a-scalar")] {
        case.why = why.map(Into::into);
        assert!(matches!(compare(&case, &sent), CaseVerdict::Failed(_)), "{why:?}");
    }
}

#[test]
fn a_corpus_that_cannot_be_read_is_named_with_its_line() {
    let folder = glassbox_tests::Folder::new("corpus");
    let file = folder.0.join("cases.jsonl");
    std::fs::write(&file, "{\"case\": 1}\n").unwrap();
    let error = format!("{:#}", corpus::read(&file).unwrap_err());
    assert!(error.contains("cases.jsonl, line 1: this is not a recorded case"), "{error}");
    std::fs::write(&file, "\n").unwrap();
    assert!(corpus::read(&file).unwrap_err().to_string().contains("has no cases"));
}
