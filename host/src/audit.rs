//! The audit of a component: what it is, what it touches, what it asks for, and whether it does
//! what the real OctoPrint was recorded to do.

use crate::conformance::{Case, Reason, Request, Verdict, case, replay};
use crate::describe;
use crate::rebuild::Rebuilt;
use anyhow::Result;
use glassbox_sandbox::{Error, Inspection, Manifest, Plugin, Sandbox, digest, inspect, printable};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many failures of a corpus are reported in full.
const IN_FULL: usize = 5;

/// The whole report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Its size in bytes.
    pub size: usize,
    /// Everything it imports.
    pub imports: Vec<String>,
    /// Everything it exports.
    pub exports: Vec<String>,
    /// Every difference from the contract; empty for a tracker.
    pub differences: Vec<String>,
    /// Why it cannot be loaded, if it cannot.
    pub error: Option<String>,
    /// What it asks for.
    pub manifest: Option<Manifest>,
    /// One for each corpus.
    pub corpora: Vec<Corpus>,
    /// What came of building it again, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Rebuilt>,
}

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

/// Audit these bytes. A component that cannot be loaded has a report too.
///
/// # Errors
/// When a corpus cannot be read.
pub fn audit(sandbox: &Sandbox, file: &Path, bytes: &[u8], corpora: &[PathBuf]) -> Result<Report> {
    let (inspection, mut error) = match inspect(&display_name(file), bytes) {
        Ok(inspection) => (inspection, None),
        Err(error) => (Inspection::default(), Some(error.to_string())),
    };
    let manifest = inspection.manifest.as_deref().and_then(|text| Manifest::parse(text).ok());
    // The file may lie anywhere under any name; in a plugin folder it would have the manifest's.
    let name = manifest.as_ref().map_or_else(|| display_name(file), |manifest| manifest.plugin.name.clone());
    let mut report = Report {
        file: file.display().to_string(),
        digest: digest(bytes),
        size: bytes.len(),
        imports: inspection.imports,
        exports: inspection.exports,
        differences: inspection.differences,
        error: None,
        manifest,
        corpora: Vec::new(),
        source: None,
    };
    // Corpora first: one that cannot be read is an error in any case.
    let cases = corpora.iter().map(|file| case::read(file)).collect::<Result<Vec<_>>>()?;
    match sandbox.prepare(&name, bytes).and_then(|plugin| start(&Arc::new(plugin))) {
        Ok(plugin) => {
            report.corpora = corpora.iter().zip(&cases).map(|(file, cases)| run_corpus(&plugin, file, cases)).collect();
        }
        Err(failed) => error = error.or(Some(failed.to_string())),
    }
    report.error = error;
    Ok(report)
}

/// Whether it starts at all.
fn start(plugin: &Arc<Plugin>) -> Result<Arc<Plugin>, Error> {
    use glassbox_sandbox::{Instance, capabilities::Capabilities};
    Instance::new(plugin, Capabilities::deny(), None)?.schema()?;
    Ok(plugin.clone())
}

fn display_name(file: &Path) -> String {
    file.file_stem().map_or_else(|| "?".into(), |name| name.to_string_lossy().into_owned())
}

fn run_corpus(plugin: &Arc<Plugin>, file: &Path, cases: &[Case]) -> Corpus {
    let mut corpus = Corpus { file: file.into(), ..Corpus::default() };
    for case in cases {
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

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error.is_none()
            && self.differences.is_empty()
            && self.corpora.iter().all(|corpus| corpus.total().failed == 0)
            && self.source.as_ref().is_none_or(|rebuilt| rebuilt.same)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "file     {}", printable(&self.file, usize::MAX))?;
        writeln!(f, "sha256   {}", self.digest)?;
        writeln!(f, "size     {} bytes", self.size)?;
        writeln!(f, "imports  {}", list(&self.imports))?;
        writeln!(f, "exports  {}", list(&self.exports))?;
        if let Some(rebuilt) = &self.source {
            write!(f, "{rebuilt}")?;
        }
        if let Some(error) = &self.error {
            return writeln!(f, "\n{error}");
        }
        writeln!(f, "touches  nothing but the imports above: all of them are the contract's\n")?;
        if let Some(manifest) = &self.manifest {
            writeln!(f, "{}", describe::in_words(manifest))?;
        }
        self.corpora.iter().try_for_each(|corpus| write!(f, "{corpus}"))
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join("\n         ") }
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
