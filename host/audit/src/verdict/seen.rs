//! What was seen in trials: in so many runs or recorded cases. Where too little was examined, it is not shown.

use super::super::Report;
use super::super::canaries::{Canaries, Finding};
use super::super::flow::{Cell, Flow};
use super::super::inputs::Input;
use super::constructed::free_in_words;
use super::{ClaimVerdict, Kind, few};
use std::collections::BTreeMap;

/// What holds of reports by construction if nothing is free in the manifest, by name. Otherwise it can only be seen.
pub(super) const OF_REPORTS: [(&str, &str); 3] = [
    ("sees", "What its manifest does not list has no influence on what it says"),
    ("says", "It says nothing that its manifest does not declare"),
    ("open", "What it says about what it sees, it says openly: nothing is hidden in the values of its reports"),
];

const NOT_RUN: &str = "it was not run";

/// A claim about trials: as it is, and as what was seen.
struct Seen {
    name: &'static str,
    claim: &'static str,
    /// What was seen, after `In 12 trials, `.
    saw: &'static str,
    trials: usize,
    why: String,
}

impl Seen {
    /// It fails if something speaks against it. `short`: why what was examined is not enough.
    fn judged(self, against: Option<String>, short: Option<String>) -> ClaimVerdict {
        let Self { name, claim, saw, trials, why } = self;
        match (against, short) {
            (Some(wrong), _) => ClaimVerdict::fails(name, claim, Kind::SeenInTrials, wrong),
            (None, Some(short)) => ClaimVerdict::not_shown(name, claim, short),
            (None, None) => ClaimVerdict::seen(name, format!("In {trials} trials, {saw}"), trials, why),
        }
    }
}

/// The claims that rest on trials.
pub(super) fn claims(report: &Report) -> Vec<ClaimVerdict> {
    let free = report.made.as_ref().is_none_or(|made| !made.free.is_empty());
    let mut claims = if free || report.error.is_some() {
        of_reports(report)
    } else {
        let claim = "It does not try to send anything but what the host makes";
        let saw = "it did not try to send anything but what the host makes";
        vec![tried(report, "tries", claim, saw)]
    };
    claims.extend([repeatable(report), works(report), secrets(report), conforms(report), built(report)]);
    claims
}

/// What the trials say against one of [`OF_REPORTS`].
pub(super) fn against(name: &str, report: &Report) -> Option<String> {
    match name {
        "sees" => influence(report, |cell| !cell.outputs.is_empty()),
        "open" => finds(report, Finding::is_hidden),
        // What it tried to say was stopped, and is a claim of its own.
        _ => None,
    }
}

/// What the trials say against the border: not even the amount of work may differ.
pub(super) fn entered(report: &Report) -> Option<String> {
    influence(report, |cell| !cell.outputs.is_empty() || cell.fuel > 0)
}

/// Something that is not listed had an influence.
fn influence(report: &Report, has: impl Fn(&Cell) -> bool) -> Option<String> {
    let wrong: Vec<_> = unlisted(report).filter(|cell| has(cell)).collect();
    some(wrong.iter().map(|cell| format!("{}: {} had an influence", cell.event, cell.input)).collect())
}

/// The trials of what the host withholds. Measured, and not taken from the manifest.
fn unlisted(report: &Report) -> impl Iterator<Item = &Cell> {
    let capabilities = report.manifest.as_ref().map(|manifest| &manifest.capabilities);
    let hardware = move |field: &str| {
        capabilities.is_some_and(|granted| granted.hardware.iter().any(|listed| listed.name() == *field))
    };
    report.flow.iter().flat_map(|flow| &flow.cells).filter(move |cell| match &cell.input {
        Input::Unlisted => true,
        Input::Happens => !cell.is_seen(),
        Input::Hardware(field) => !hardware(field),
        Input::Throttle => !capabilities.is_some_and(|granted| granted.throttle),
        _ => false,
    })
}

fn some(wrong: Vec<String>) -> Option<String> {
    (!wrong.is_empty()).then(|| few(&wrong, 5, "; "))
}

fn finds(report: &Report, is_wrong: fn(&Finding) -> bool) -> Option<String> {
    let canaries = report.canaries.as_ref()?;
    some(canaries.finds.iter().filter(|find| is_wrong(find)).map(ToString::to_string).collect())
}

/// Why the flow's trials are not enough.
fn short(report: &Report) -> Option<String> {
    let Some(flow) = report.flow.as_ref().filter(|flow| flow.reached > 0) else { return Some(NOT_RUN.into()) };
    ended(flow.ended_early.as_ref()).or_else(|| failing(flow))
}

/// Why the search for secrets is not enough.
fn short_search(report: &Report) -> Option<String> {
    let Some(canaries) = &report.canaries else { return Some(NOT_RUN.into()) };
    let not_begun = canaries.not_begun >= canaries.runs;
    ended(canaries.ended_early.as_ref())
        .or_else(|| not_begun.then(|| "nothing was found, but most of its runs did not begin".into()))
        .or_else(|| report.flow.as_ref().and_then(failing))
}

fn ended(early: Option<&String>) -> Option<String> {
    early.map(|why| format!("nothing was found, but it ended early: {why}"))
}

/// A component that mostly fails, or refuses what it is given, does little else, so that its runs show nothing.
fn failing(flow: &Flow) -> Option<String> {
    let most = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>() * 2 > flow.runs;
    if most(&flow.refused) {
        return Some("nothing was found, but in most of its runs it refused what it was given".into());
    }
    most(&flow.failed).then(|| "nothing was found, but most of its runs failed".into())
}

fn of_reports(report: &Report) -> Vec<ClaimVerdict> {
    let [(sees, sees_claim), (says, says_claim), (open, open_claim)] = OF_REPORTS;
    let free = free_in_words(report);
    let found = report.canaries.as_ref();
    vec![
        Seen {
            name: sees,
            claim: sees_claim,
            saw: "what its manifest does not list had no influence on it",
            trials: unlisted(report).map(|cell| cell.trials).sum(),
            why: format!("neither the output nor the amount of work differed; {free}"),
        }
        .judged(entered(report), short(report)),
        {
            let saw = "it did not try to say anything that its manifest does not declare";
            let mut tried = tried(report, says, says_claim, saw);
            tried.why = format!("{}; {free}", tried.why);
            tried
        },
        Seen {
            name: open,
            claim: open_claim,
            saw: "none of the marked secrets that it saw was found in another form in what it sent",
            trials: found.map_or(0, |canaries| canaries.runs),
            why: format!("{}; {free}", searched(found)),
        }
        .judged(finds(report, Finding::is_hidden), short_search(report)),
    ]
}

/// What it tried to send, and was blocked.
fn tried(report: &Report, name: &'static str, claim: &'static str, saw: &'static str) -> ClaimVerdict {
    let undeclared = report.flow.iter().flat_map(|flow| flow.undeclared.keys());
    let undeclared = undeclared.chain(report.canaries.iter().flat_map(|canaries| canaries.undeclared.keys()));
    let wrong = undeclared.map(|what| format!("it tried, and was blocked: {what}")).collect();
    // What it does with a state that was made up here is told by itself.
    let trials = report.flow.as_ref().map_or(0, |flow| flow.runs - flow.runs_with_foreign_state);
    let searched = report.canaries.as_ref().map(|canaries| canaries.runs - canaries.runs_with_foreign_state);
    let trials = trials + searched.unwrap_or_default();
    let why = "with unusual values too, nothing had to be blocked".into();
    Seen { name, claim, saw, trials, why }.judged(some(wrong), short(report))
}

/// The same inputs give the same output: otherwise it has an input that the audit does not know of.
fn repeatable(report: &Report) -> ClaimVerdict {
    let controls = || report.flow.iter().flat_map(|flow| &flow.cells).filter(|cell| cell.input == Input::Nothing);
    let wrong = controls().filter(|cell| !cell.outputs.is_empty() || cell.fuel > 0);
    let wrong = wrong.map(|cell| format!("{} gave another result the second time", cell.event)).collect();
    Seen {
        name: "repeatable",
        claim: "It has no other inputs: given the same ones, it does the same",
        saw: "it did the same when it was given the same inputs again",
        trials: controls().map(|cell| cell.trials).sum(),
        why: "to the instruction".into(),
    }
    .judged(some(wrong), short(report))
}

/// No traps, and no limit was exceeded.
fn works(report: &Report) -> ClaimVerdict {
    let flow = report.flow.as_ref().filter(|flow| flow.runs > 0);
    let wrong = flow.into_iter().flat_map(|flow| &flow.failed);
    let wrong = wrong.map(|(why, count)| format!("{count} runs failed: {why}")).collect();
    Seen {
        name: "works",
        claim: "It does not fail, whatever events it is given",
        saw: "it did not fail",
        trials: flow.map_or(0, |flow| flow.runs),
        why: "no trap, and no limit was exceeded".into(),
    }
    .judged(some(wrong), short(report))
}

fn searched(canaries: Option<&Canaries>) -> String {
    canaries.map_or(String::new(), |found| format!("{} marked secrets were searched for", found.secrets))
}

fn secrets(report: &Report) -> ClaimVerdict {
    let found = report.canaries.as_ref();
    Seen {
        name: "secrets",
        claim: "Settings and unlisted fields do not leak, and no secret is written to the log",
        saw: "no setting and no unlisted field leaked, and no secret was written to the log",
        trials: found.map_or(0, |canaries| canaries.runs),
        why: searched(found),
    }
    .judged(finds(report, Finding::is_secret), short_search(report))
}

fn conforms(report: &Report) -> ClaimVerdict {
    let claim = "In recorded cases, it sends what the real OctoPrint sent, but for documented differences";
    let name = "conforms";
    if report.corpora.is_empty() {
        return ClaimVerdict::not_shown(name, claim, "no corpus was given");
    }
    let totals: Vec<_> = report.corpora.iter().map(|corpus| (corpus.total(), corpus.file.display())).collect();
    let wrong = totals.iter().filter(|(total, _)| total.failed > 0);
    let wrong = wrong.map(|(total, file)| format!("{} cases of {file} fail", total.failed)).collect();
    let same: usize = totals.iter().map(|(total, _)| total.matched).sum();
    let other: usize = totals.iter().flat_map(|(total, _)| total.differing.values()).sum();
    if let Some(wrong) = some(wrong) {
        return ClaimVerdict::fails(name, claim, Kind::SeenInTrials, wrong);
    }
    let claim = format!(
        "In {} recorded cases, it sent what the real OctoPrint sent, but for documented differences",
        same + other
    );
    let why = format!("{same} match byte for byte, {other} differ for a documented reason");
    ClaimVerdict::seen(name, claim, same + other, why)
}

fn built(report: &Report) -> ClaimVerdict {
    let (name, claim) = ("built", "Its source builds to exactly these bytes");
    match &report.source {
        None => ClaimVerdict::not_shown(name, claim, "no checkout of its source was given"),
        Some(rebuilt) if rebuilt.same => {
            let why = format!("rebuilt in {}", rebuilt.directory.display());
            ClaimVerdict::seen(name, "Its source was built once, and gave exactly these bytes".into(), 1, why)
        }
        Some(rebuilt) => {
            let sections: Vec<_> = rebuilt.differences.iter().map(|difference| difference.section.as_str()).collect();
            let why = format!("these sections differ: {}", sections.join(", "));
            ClaimVerdict::fails(name, claim, Kind::SeenInTrials, why)
        }
    }
}
