//! The conclusion of a report: each claim that a component makes by presenting itself as a tracker, and whether
//! it holds, fails, or was not shown. A claim holds only if it was examined. What was measured is in the other
//! modules; here it is only judged.

use super::Report;
use super::canaries::Finding;
use super::flow::Flow;
use super::inputs::Input;
use serde::Serialize;
use std::fmt;

/// Whether a claim is true, as far as the audit can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimStatus {
    /// It was examined, and nothing speaks against it.
    Holds,
    /// Something speaks against it.
    Fails,
    /// It was not examined, or not enough.
    NotShown,
}

impl fmt::Display for ClaimStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Holds => "holds",
            Self::Fails => "FAILS",
            Self::NotShown => "not shown",
        })
    }
}

/// A claim, and whether it is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClaimVerdict {
    /// For programs: one lower-case word, which stays the same in later versions.
    pub name: &'static str,
    /// The claim, as a sentence without a full stop.
    pub claim: &'static str,
    /// Whether it is true.
    pub verdict: ClaimStatus,
    /// Why, in words: what speaks against it, or how much was examined.
    pub why: String,
}

/// All claims, judged by what the report holds so far, in the order in which they are shown.
#[must_use]
pub fn verdicts(report: &Report) -> Vec<ClaimVerdict> {
    vec![
        loads(report),
        unlisted(report),
        repeatable(report),
        works(report),
        declared(report),
        hidden(report),
        secrets(report),
        conforms(report),
        built(report),
    ]
}

fn judged(name: &'static str, claim: &'static str, verdict: ClaimStatus, why: impl Into<String>) -> ClaimVerdict {
    ClaimVerdict { name, claim, verdict, why: why.into() }
}

/// A claim that fails if something was found, and holds if nothing was. `examined` says how much was examined;
/// `short`, why that was not enough.
fn found(
    name: &'static str,
    claim: &'static str,
    found: &[String],
    examined: String,
    short: Option<&str>,
) -> ClaimVerdict {
    match (found, short) {
        ([], None) => judged(name, claim, ClaimStatus::Holds, examined),
        ([], Some(short)) => judged(name, claim, ClaimStatus::NotShown, format!("nothing was found, but {short}")),
        (found, _) => {
            judged(name, claim, ClaimStatus::Fails, found.iter().take(5).cloned().collect::<Vec<_>>().join("; "))
        }
    }
}

const NOT_RUN: &str = "it was not run";

fn loads(report: &Report) -> ClaimVerdict {
    let claim = "It is a tracker, and touches nothing but what the contract gives it";
    match (&report.error, report.differences.first()) {
        (None, None) => judged(
            "touches",
            claim,
            ClaimStatus::Holds,
            "every import and export is part of the contract, and it starts",
        ),
        (error, difference) => {
            let why = difference.or(error.as_ref()).cloned().unwrap_or_default();
            judged("touches", claim, ClaimStatus::Fails, why)
        }
    }
}

/// What the host withholds has no influence. Measured, and not taken from the manifest.
fn unlisted(report: &Report) -> ClaimVerdict {
    let (name, claim) = ("sees", "What its manifest does not list has no influence on it");
    let Some(flow) = report.flow.as_ref().filter(|flow| flow.reached > 0) else {
        return judged(name, claim, ClaimStatus::NotShown, NOT_RUN);
    };
    let manifest = report.manifest.as_ref();
    let listed = |field: &str| {
        manifest.is_some_and(|manifest| manifest.capabilities.hardware.iter().any(|listed| listed.name() == *field))
    };
    let hidden = flow.cells.iter().filter(|cell| match &cell.input {
        Input::Unlisted => true,
        Input::Happens => !cell.is_seen(),
        Input::Hardware(field) => !listed(field),
        Input::Throttle => !manifest.is_some_and(|manifest| manifest.capabilities.throttle),
        _ => false,
    });
    let (mut wrong, mut trials) = (Vec::new(), 0);
    for cell in hidden {
        trials += cell.trials;
        // Not even the amount of work may differ.
        if !cell.outputs.is_empty() || cell.fuel > 0 {
            wrong.push(format!("{}: {} had an influence", cell.event, cell.input));
        }
    }
    found(
        name,
        claim,
        &wrong,
        format!("in {trials} pairs of runs neither the output nor the amount of work differed"),
        failing(flow),
    )
}

/// The same inputs give the same output: otherwise it has an input that the audit does not know of.
fn repeatable(report: &Report) -> ClaimVerdict {
    let (name, claim) = ("repeatable", "It has no other inputs: given the same ones, it does the same");
    let Some(flow) = report.flow.as_ref().filter(|flow| flow.reached > 0) else {
        return judged(name, claim, ClaimStatus::NotShown, NOT_RUN);
    };
    let controls = || flow.cells.iter().filter(|cell| cell.input == Input::Nothing);
    let wrong: Vec<_> = controls().filter(|cell| !cell.outputs.is_empty() || cell.fuel > 0).collect();
    let wrong: Vec<_> =
        wrong.iter().map(|cell| format!("{} gave another result the second time", cell.event)).collect();
    let trials: usize = controls().map(|cell| cell.trials).sum();
    found(name, claim, &wrong, format!("{trials} runs gave the same result twice, to the instruction"), failing(flow))
}

/// No traps, and no limit was exceeded.
fn works(report: &Report) -> ClaimVerdict {
    let (name, claim) = ("works", "It does not fail, whatever events it is given");
    let Some(flow) = report.flow.as_ref().filter(|flow| flow.runs > 0) else {
        return judged(name, claim, ClaimStatus::NotShown, NOT_RUN);
    };
    let wrong: Vec<_> = flow.failed.iter().map(|(why, count)| format!("{count} runs failed: {why}")).collect();
    found(name, claim, &wrong, format!("none of {} runs failed", flow.runs), None)
}

/// A component that mostly fails does little else, so that its runs show nothing.
fn failing(flow: &Flow) -> Option<&'static str> {
    let failed: usize = flow.failed.values().sum();
    (failed * 2 > flow.runs).then_some("most of its runs failed")
}

fn declared(report: &Report) -> ClaimVerdict {
    let (name, claim) = ("says", "It does not try to say anything that its manifest does not declare");
    let (Some(flow), Some(canaries)) = (&report.flow, &report.canaries) else {
        return judged(name, claim, ClaimStatus::NotShown, NOT_RUN);
    };
    let all = flow.undeclared.keys().chain(canaries.undeclared.keys());
    let wrong: Vec<_> = all.map(|what| format!("it tried, and was blocked: {what}")).collect();
    let runs = flow.runs + canaries.runs;
    found(
        name,
        claim,
        &wrong,
        format!("in {runs} runs, with unusual values too, nothing undeclared had to be blocked"),
        failing(flow),
    )
}

fn hidden(report: &Report) -> ClaimVerdict {
    let claim = "What it says about what it sees, it says openly: nothing is hidden in another form";
    canaries("open", claim, report, Finding::is_hidden)
}

fn secrets(report: &Report) -> ClaimVerdict {
    let claim = "Settings and unlisted fields do not leak, and no secret is written to the log";
    canaries("secrets", claim, report, Finding::is_secret)
}

/// None of the planted secrets turned up in this way.
fn canaries(name: &'static str, claim: &'static str, report: &Report, is_wrong: fn(&Finding) -> bool) -> ClaimVerdict {
    let Some(canaries) = &report.canaries else { return judged(name, claim, ClaimStatus::NotShown, NOT_RUN) };
    let wrong: Vec<_> = canaries.finds.iter().filter(|find| is_wrong(find)).map(ToString::to_string).collect();
    let short = report.flow.as_ref().and_then(failing).or(canaries.ended_early.as_deref());
    found(name, claim, &wrong, format!("{} secrets in {} runs", canaries.secrets, canaries.runs), short)
}

fn conforms(report: &Report) -> ClaimVerdict {
    let (name, claim) = ("conforms", "It does what the real OctoPrint did in recorded cases");
    if report.corpora.is_empty() {
        return judged(name, claim, ClaimStatus::NotShown, "no corpus was given");
    }
    let totals: Vec<_> = report.corpora.iter().map(super::CorpusResult::total).collect();
    let wrong: Vec<_> = totals.iter().zip(&report.corpora).filter(|(total, _)| total.failed > 0).collect();
    let wrong: Vec<_> = wrong
        .iter()
        .map(|(total, corpus)| format!("{} cases of {} fail", total.failed, corpus.file.display()))
        .collect();
    let same: usize = totals.iter().map(|total| total.matched).sum();
    let other: usize = totals.iter().flat_map(|total| total.differing.values()).sum();
    found(
        name,
        claim,
        &wrong,
        format!("{same} cases match byte for byte, {other} differ for a documented reason"),
        None,
    )
}

fn built(report: &Report) -> ClaimVerdict {
    let (name, claim) = ("built", "Its source builds to exactly these bytes");
    match &report.source {
        None => judged(name, claim, ClaimStatus::NotShown, "no checkout of its source was given"),
        Some(rebuilt) if rebuilt.same => {
            judged(name, claim, ClaimStatus::Holds, format!("rebuilt in {}", rebuilt.directory.display()))
        }
        Some(rebuilt) => {
            let sections = rebuilt.differences.iter().map(|difference| difference.section.as_str());
            judged(
                name,
                claim,
                ClaimStatus::Fails,
                format!("these sections differ: {}", sections.collect::<Vec<_>>().join(", ")),
            )
        }
    }
}
