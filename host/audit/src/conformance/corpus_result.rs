//! Conformance as a part of the report: how a component did in the cases of a corpus, family by family.

use super::{CaseVerdict, Corpus, Reason, RecordedRequest, replay};
use glassbox_sandbox::Plugin;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How many failed cases of a corpus are reported in full.
const IN_FULL: usize = 5;

/// How a component did in the cases of one corpus.
#[derive(Debug, Default, Serialize)]
pub struct CorpusResult {
    /// The corpus's file.
    pub file: PathBuf,
    /// The SHA-256 of its bytes.
    pub sha256: String,
    /// The results, by family.
    pub families: BTreeMap<String, FamilyResult>,
    /// The first five failed cases, in full.
    pub failures: Vec<FailedCase>,
    /// How many cases failed that had to be the same bytes.
    pub exact_failed: usize,
}

/// How a component did in one family of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FamilyResult {
    /// Cases in which it sent the same bytes.
    pub matched: usize,
    /// Cases in which it sent something else, for a documented reason.
    pub differing: BTreeMap<Reason, usize>,
    /// Cases in which it sent something else, without one.
    pub failed: usize,
}

/// A failed case.
#[derive(Debug, Serialize)]
pub struct FailedCase {
    /// Its name.
    pub case: String,
    /// What is wrong.
    pub reason: String,
    /// What OctoPrint sent.
    pub expected: Vec<RecordedRequest>,
    /// What the component sent.
    pub sent: Vec<RecordedRequest>,
}

/// Run all cases of a corpus through a component.
pub fn run(plugin: &Arc<Plugin>, recorded: &Corpus) -> CorpusResult {
    let mut corpus =
        CorpusResult { file: recorded.file.clone(), sha256: recorded.sha256.clone(), ..CorpusResult::default() };
    for case in &recorded.cases {
        let run = replay::run(plugin, case);
        let family = corpus.families.entry(case.family().into()).or_default();
        match run.verdict {
            CaseVerdict::Matched => family.matched += 1,
            CaseVerdict::Differs(reason) => *family.differing.entry(reason).or_default() += 1,
            CaseVerdict::Failed(reason) => {
                family.failed += 1;
                corpus.exact_failed += usize::from(case.exact);
                if corpus.failures.len() < IN_FULL {
                    corpus.failures.push(FailedCase {
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

impl CorpusResult {
    /// The sum of all families.
    pub fn total(&self) -> FamilyResult {
        let mut total = FamilyResult::default();
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

impl fmt::Display for CorpusResult {
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
