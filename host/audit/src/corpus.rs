//! Conformance as a part of the report: what came of each corpus of recorded cases.

use crate::conformance::{Cases, Reason, Request, Verdict, replay};
use glassbox_sandbox::Plugin;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How many failures of a corpus are reported in full.
const IN_FULL: usize = 5;

/// What came of one corpus.
#[derive(Debug, Default, Serialize)]
pub struct Corpus {
    /// The file.
    pub file: PathBuf,
    /// By family.
    pub families: BTreeMap<String, Family>,
    /// The first failures in full.
    pub failures: Vec<Failure>,
    /// Failed cases that had to be exact.
    pub exact_failed: usize,
}

/// What came of one family of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Family {
    /// Same bytes.
    pub matched: usize,
    /// Something else, for a documented reason.
    pub differing: BTreeMap<Reason, usize>,
    /// Something else.
    pub failed: usize,
}

/// A failed case.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// Its name.
    pub case: String,
    /// What is wrong.
    pub reason: String,
    /// What OctoPrint sent.
    pub expected: Vec<Request>,
    /// What the component sent.
    pub sent: Vec<Request>,
}

/// Run all its cases.
pub fn run(plugin: &Arc<Plugin>, recorded: &Cases) -> Corpus {
    let mut corpus = Corpus { file: recorded.file.clone(), ..Corpus::default() };
    for case in &recorded.cases {
        let run = replay::run(plugin, case);
        let family = corpus.families.entry(case.family().into()).or_default();
        match run.verdict {
            Verdict::Matched => family.matched += 1,
            Verdict::Differs(reason) => *family.differing.entry(reason).or_default() += 1,
            Verdict::Failed(reason) => {
                family.failed += 1;
                corpus.exact_failed += usize::from(case.exact);
                if corpus.failures.len() < IN_FULL {
                    corpus.failures.push(Failure {
                        case: case.name.clone(),
                        reason,
                        expected: case.expect.clone(),
                        sent: run.sent,
                    });
                }
            }
        }
    }
    corpus
}

impl Corpus {
    /// All families together.
    #[must_use]
    pub fn total(&self) -> Family {
        let mut total = Family::default();
        for family in self.families.values() {
            total.matched += family.matched;
            total.failed += family.failed;
            for (reason, count) in &family.differing {
                *total.differing.entry(*reason).or_default() += count;
            }
        }
        total
    }
}

impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "corpus {}\n", self.file.display())?;
        writeln!(f, "  {:24} {:>8} {:>10} {:>7}", "family", "matched", "differing", "failed")?;
        let total = self.total();
        for (name, family) in
            self.families.iter().map(|(name, family)| (name.as_str(), family)).chain([("all", &total)])
        {
            let differing: usize = family.differing.values().sum();
            writeln!(f, "  {name:24} {:>8} {differing:>10} {:>7}", family.matched, family.failed)?;
        }
        writeln!(f)?;
        for (reason, count) in &total.differing {
            writeln!(f, "  {count:>4} differing: {reason}")?;
        }
        for failure in &self.failures {
            writeln!(f, "\n  FAILED {}: {}", failure.case, failure.reason)?;
            for (what, requests) in [("expected", &failure.expected), ("sent", &failure.sent)] {
                if requests.is_empty() {
                    writeln!(f, "    {what}: nothing")?;
                }
                for request in requests {
                    writeln!(f, "    {what}: {request}")?;
                }
            }
        }
        if total.failed > self.failures.len() {
            writeln!(f, "\n  and {} more failures", total.failed - self.failures.len())?;
        }
        writeln!(f)
    }
}
