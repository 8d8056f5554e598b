//! The conclusion of a report: each claim that a component makes by presenting itself as a tracker, and whether it holds,
//! fails, or was not shown. What was measured is in the other modules; here it is only judged.
//!
//! A claim that holds is of one of two kinds, which must never read alike. Some hold *by construction*
//! ([`constructed`]): the host enforces them whatever the component does, and the manifest's lines say how. Others were
//! only *seen in N trials* ([`seen`]): a component can do otherwise in the next one. All else is *not shown*
//! ([`unshown`]), and the report says so.

mod constructed;
mod seen;
mod unshown;

pub use constructed::{Made, made};

use super::Report;
use serde::Serialize;
use std::fmt;

/// Whether a claim is true, as far as the audit can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimStatus {
    /// It is enforced, or was examined, and nothing speaks against it.
    Holds,
    /// Something speaks against it.
    Fails,
    /// It was not examined, or not enough, or cannot be.
    NotShown,
}

/// What a sentence rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The host enforces it, whatever the component does.
    ByConstruction,
    /// It was so in trials.
    SeenInTrials,
    /// Nothing: it was not shown.
    NotShown,
}

/// All kinds, in the order in which they are shown, each with its heading.
pub const KINDS: [(Kind, &str); 3] = [
    (Kind::ByConstruction, "By construction: the host enforces it, whatever the component does"),
    (Kind::SeenInTrials, "Seen in trials: it was so in these; in others it may do something else"),
    (Kind::NotShown, "Not shown"),
];

/// A claim, and whether it is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClaimVerdict {
    /// For programs: one lower-case word, which stays the same in later versions.
    pub name: &'static str,
    /// The claim, as a sentence without a full stop.
    pub claim: String,
    /// Whether it is true.
    pub verdict: ClaimStatus,
    /// What that rests on.
    pub kind: Kind,
    /// Of what was seen in trials: in how many.
    pub trials: usize,
    /// Why, in words: what enforces it, what speaks against it, or how much was examined.
    pub why: String,
    /// Of what holds by construction: the manifest's lines that make it so.
    pub lines: Vec<String>,
}

impl ClaimVerdict {
    /// What is shown before the claim: only what is enforced `holds`.
    pub fn word(&self) -> &'static str {
        match (self.verdict, self.kind) {
            (ClaimStatus::Fails, _) => "FAILS",
            (ClaimStatus::Holds, Kind::ByConstruction) => "holds",
            (ClaimStatus::Holds, _) => "seen",
            (ClaimStatus::NotShown, _) => "not shown",
        }
    }

    fn holds(name: &'static str, claim: &str, why: impl Into<String>, lines: Vec<String>) -> Self {
        let (verdict, kind) = (ClaimStatus::Holds, Kind::ByConstruction);
        Self { name, claim: claim.into(), verdict, kind, trials: 0, why: why.into(), lines }
    }

    fn seen(name: &'static str, claim: String, trials: usize, why: impl Into<String>) -> Self {
        let (verdict, kind) = (ClaimStatus::Holds, Kind::SeenInTrials);
        Self { name, claim, verdict, kind, trials, why: why.into(), lines: Vec::new() }
    }

    /// Trials, or a look at the file, speak against it: it does not matter in how many.
    fn fails(name: &'static str, claim: &str, kind: Kind, why: impl Into<String>) -> Self {
        let verdict = ClaimStatus::Fails;
        Self { name, claim: claim.into(), verdict, kind, trials: 0, why: why.into(), lines: Vec::new() }
    }

    fn not_shown(name: &'static str, claim: &str, why: impl Into<String>) -> Self {
        let (verdict, kind) = (ClaimStatus::NotShown, Kind::NotShown);
        Self { name, claim: claim.into(), verdict, kind, trials: 0, why: why.into(), lines: Vec::new() }
    }
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

/// All claims, judged by what the report holds so far: those of each kind together, in the order in which they are shown.
pub fn verdicts(report: &Report) -> Vec<ClaimVerdict> {
    let mut all = constructed::claims(report);
    all.extend(seen::claims(report));
    all.extend(unshown::claims(report));
    // A sort that is stable.
    all.sort_by_key(|claim| claim.kind);
    all
}

/// The first few, and how many more there are.
fn few(all: &[String], most: usize, between: &str) -> String {
    let shown = all.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(between);
    match all.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown}{between}and {more} more"),
    }
}
