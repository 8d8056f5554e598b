//! Each field of each event as each type that JSON has: what the bundled component says then, beside what the code of real
//! OctoPrints says. The cases come from `tests/corpora/octoprint_types.py`; no difference may be without a reason, and no
//! reason without a difference.
#![allow(missing_docs)]

use glassbox_audit::conformance::{Case, CaseVerdict, Reason, corpus, replay};
use glassbox_tests::{TRACKING, workspace};
use std::collections::BTreeMap;

const FIRST: &str = "1.11.8";
const SECOND: &str = "2.0.0rc7";

fn cases(version: &str) -> Vec<Case> {
    corpus::read(&workspace().join(format!("tests/corpora/types-{version}.jsonl"))).unwrap().cases
}

/// Those of the second OctoPrint: its own, and where it does the same those of the first, under its version.
fn cases_of_the_second() -> Vec<Case> {
    let own: BTreeMap<_, _> = cases(SECOND).into_iter().map(|case| (case.name.clone(), case)).collect();
    let first = std::fs::read_to_string(workspace().join(format!("tests/corpora/types-{FIRST}.jsonl"))).unwrap();
    let lines = first.lines().map(|line| serde_json::from_str::<Case>(&line.replace(FIRST, SECOND)).unwrap());
    lines.map(|case| own.get(&case.name).cloned().unwrap_or(case)).collect()
}

/// How many cases are the same, and how many differ for which reason.
fn compare(cases: &[Case]) -> (usize, BTreeMap<Reason, usize>) {
    let (mut same, mut reasons, mut wrong) = (0, BTreeMap::new(), Vec::new());
    for case in cases {
        let run = replay::run(&TRACKING, case);
        match run.verdict {
            CaseVerdict::Matched if case.exact => same += 1,
            CaseVerdict::Matched => wrong.push(format!("{}: it is the same, without {:?}", case.name, case.why)),
            CaseVerdict::Differs(reason) => *reasons.entry(reason).or_default() += 1,
            CaseVerdict::Failed(why) => {
                let text = |all: &[_]| all.iter().map(|one| format!("\n    {one}")).collect::<String>();
                wrong.push(format!(
                    "{}: {why}: OctoPrint:{}\n  here:{}",
                    case.name,
                    text(&case.expect),
                    text(&run.sent)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    (same, reasons)
}

#[test]
fn every_field_as_every_type_is_said_as_octoprint_says_it_or_has_its_reason() {
    for (version, cases) in [(FIRST, cases(FIRST)), (SECOND, cases_of_the_second())] {
        let (same, reasons) = compare(&cases);
        println!("OctoPrint {version}: {same} of {} the same, {reasons:?}", cases.len());
        assert!(cases.len() > 900 && same > 400, "{version}: {same} of {}", cases.len());
        for reason in
            [Reason::Null, Reason::NotAScalar, Reason::OddNumberOrLength, Reason::WrongType, Reason::OddReason]
        {
            assert!(reasons.contains_key(&reason), "{version}: {reason:?}");
        }
    }
}

#[test]
fn every_field_that_enters_is_there() {
    let of = |case: &Case| case.name.rsplit_once('_').unwrap().0.trim_end_matches("_empty").to_string();
    let there: Vec<String> = cases(FIRST).iter().map(of).collect();
    for sees in &TRACKING.policy.manifest().sees {
        for field in &sees.fields {
            let name = format!("{}/{}", sees.event, field.name);
            // OctoPrint is not told of these: they are its own.
            let own = ["environment/octoprint.version", "octoprint_started/uptime"].contains(&name.as_str());
            let of_list = format!("{name}[].key");
            assert!(own || there.contains(&name) || there.contains(&of_list), "{name}");
        }
    }
}
