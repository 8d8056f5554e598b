//! What the report comes to: each claim that a tracker makes by being one, and whether it holds, fails, or
//! was not shown. A claim holds only if it was looked at.

use super::Report;
use super::canaries::Find;
use super::flow::Flow;
use super::inputs::Input;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// It was looked at, and nothing speaks against it.
    Holds,
    /// Something speaks against it.
    Fails,
    /// It was not looked at, or not enough.
    NotShown,
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Holds => "holds",
            Self::Fails => "FAILS",
            Self::NotShown => "not shown",
        })
    }
}

/// A claim, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// For machines: one word that stays the same.
    pub name: &'static str,
    /// The claim.
    pub claim: &'static str,
    /// What became of it.
    pub verdict: Holds,
    /// Why.
    pub why: String,
}

/// All of them, in the report's order.
#[must_use]
pub fn verdicts(report: &Report) -> Vec<Verdict> {
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

fn judged(name: &'static str, claim: &'static str, verdict: Holds, why: impl Into<String>) -> Verdict {
    Verdict { name, claim, verdict, why: why.into() }
}

/// It fails if something was found, and holds if it was looked for enough and nothing was. `short`: why it
/// was not looked for enough.
fn found(name: &'static str, claim: &'static str, found: &[String], looked: String, short: Option<&str>) -> Verdict {
    match (found, short) {
        ([], None) => judged(name, claim, Holds::Holds, looked),
        ([], Some(short)) => judged(name, claim, Holds::NotShown, format!("nothing was found, but {short}")),
        (found, _) => judged(name, claim, Holds::Fails, found.iter().take(5).cloned().collect::<Vec<_>>().join("; ")),
    }
}

const NOT_RUN: &str = "it was not run";

fn loads(report: &Report) -> Verdict {
    let claim = "It is a tracker, and touches nothing but what the contract gives it";
    match (&report.error, report.differences.first()) {
        (None, None) => {
            judged("touches", claim, Holds::Holds, "every import and export is the contract's, and it starts")
        }
        (error, difference) => {
            let why = difference.or(error.as_ref()).cloned().unwrap_or_default();
            judged("touches", claim, Holds::Fails, why)
        }
    }
}

/// What it is not given has no influence: the host's cut, measured.
fn unlisted(report: &Report) -> Verdict {
    let (name, claim) = ("sees", "What its manifest does not list has no influence on it");
    let Some(flow) = report.flow.as_ref().filter(|flow| flow.reached > 0) else {
        return judged(name, claim, Holds::NotShown, NOT_RUN);
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
        // Not even the work may differ.
        if !cell.outputs.is_empty() || cell.fuel > 0 {
            wrong.push(format!("{}: {} had an influence", cell.event, cell.input));
        }
    }
    found(
        name,
        claim,
        &wrong,
        format!("in {trials} pairs of runs neither what came out nor the work differed"),
        failing(flow),
    )
}

/// The same inputs give the same: or else it has an input that nobody knows of.
fn repeatable(report: &Report) -> Verdict {
    let (name, claim) = ("repeatable", "It has no other input than those: with the same ones it does the same");
    let Some(flow) = report.flow.as_ref().filter(|flow| flow.reached > 0) else {
        return judged(name, claim, Holds::NotShown, NOT_RUN);
    };
    let controls = || flow.cells.iter().filter(|cell| cell.input == Input::Nothing);
    let wrong: Vec<_> = controls().filter(|cell| !cell.outputs.is_empty() || cell.fuel > 0).collect();
    let wrong: Vec<_> =
        wrong.iter().map(|cell| format!("{} came out differently the second time", cell.event)).collect();
    let trials: usize = controls().map(|cell| cell.trials).sum();
    found(name, claim, &wrong, format!("{trials} runs came out the same twice, to the instruction"), failing(flow))
}

/// Traps, and limits that it reached.
fn works(report: &Report) -> Verdict {
    let (name, claim) = ("works", "It does not fail, whatever it hears");
    let Some(flow) = report.flow.as_ref().filter(|flow| flow.runs > 0) else {
        return judged(name, claim, Holds::NotShown, NOT_RUN);
    };
    let wrong: Vec<_> = flow.failed.iter().map(|(why, count)| format!("{count} runs failed: {why}")).collect();
    found(name, claim, &wrong, format!("none of {} runs failed", flow.runs), None)
}

/// One that fails at once does nothing else either, which shows nothing.
fn failing(flow: &Flow) -> Option<&'static str> {
    let failed: usize = flow.failed.values().sum();
    (failed * 2 > flow.runs).then_some("most of its runs failed")
}

fn declared(report: &Report) -> Verdict {
    let (name, claim) = ("says", "It tries to say nothing but what its manifest declares");
    let (Some(flow), Some(canaries)) = (&report.flow, &report.canaries) else {
        return judged(name, claim, Holds::NotShown, NOT_RUN);
    };
    let all = flow.undeclared.keys().chain(canaries.undeclared.keys());
    let wrong: Vec<_> = all.map(|what| format!("it tried, and was stopped: {what}")).collect();
    let runs = flow.runs + canaries.runs;
    found(
        name,
        claim,
        &wrong,
        format!("in {runs} runs, with odd values too, nothing undeclared had to be stopped"),
        failing(flow),
    )
}

fn hidden(report: &Report) -> Verdict {
    let claim = "What it says of what it sees, it says openly: nothing is hidden in other forms";
    canaries("open", claim, report, Find::is_hidden)
}

fn secrets(report: &Report) -> Verdict {
    let claim = "What is not to leave does not: settings, unlisted fields, the log";
    canaries("secrets", claim, report, Find::is_secret)
}

/// None of the planted secrets turned up in such a way.
fn canaries(name: &'static str, claim: &'static str, report: &Report, is_wrong: fn(&Find) -> bool) -> Verdict {
    let Some(canaries) = &report.canaries else { return judged(name, claim, Holds::NotShown, NOT_RUN) };
    let wrong: Vec<_> = canaries.finds.iter().filter(|find| is_wrong(find)).map(ToString::to_string).collect();
    let short = report.flow.as_ref().and_then(failing).or(canaries.ended_early.as_deref());
    found(name, claim, &wrong, format!("{} secrets in {} runs", canaries.secrets, canaries.runs), short)
}

fn conforms(report: &Report) -> Verdict {
    let (name, claim) = ("conforms", "It does what was recorded of the real OctoPrint");
    if report.corpora.is_empty() {
        return judged(name, claim, Holds::NotShown, "no corpus was given");
    }
    let totals: Vec<_> = report.corpora.iter().map(super::Corpus::total).collect();
    let wrong: Vec<_> = totals.iter().zip(&report.corpora).filter(|(total, _)| total.failed > 0).collect();
    let wrong: Vec<_> = wrong
        .iter()
        .map(|(total, corpus)| format!("{} cases of {} fail", total.failed, corpus.file.display()))
        .collect();
    let same: usize = totals.iter().map(|total| total.matched).sum();
    let other: usize = totals.iter().flat_map(|total| total.differing.values()).sum();
    found(name, claim, &wrong, format!("{same} cases the same bytes, {other} different for a documented reason"), None)
}

fn built(report: &Report) -> Verdict {
    let (name, claim) = ("built", "It is what its source builds, to the byte");
    match &report.source {
        None => judged(name, claim, Holds::NotShown, "no checkout of its source was given"),
        Some(rebuilt) if rebuilt.same => {
            judged(name, claim, Holds::Holds, format!("built again in {}", rebuilt.directory.display()))
        }
        Some(rebuilt) => {
            let sections = rebuilt.differences.iter().map(|difference| difference.section.as_str());
            judged(name, claim, Holds::Fails, format!("these differ: {}", sections.collect::<Vec<_>>().join(", ")))
        }
    }
}
