//! Audits a component: what it is, what it can touch, what it asks for, and what it was observed to do, in
//! sandboxes that send nothing. Nothing is taken from what the component says about itself.
//!
//! [`audit`] reads the file, starts the component, and runs recorded cases through it; [`observe`] runs it many
//! thousand times more, to measure information flow and to search for secrets. Both fill a [`Report`], which is
//! shown as text (`{report}`), as a page ([`page`]) or as JSON (by [`SCHEMA`]). Two versions of a component are
//! compared in [`versions`]. Signing a report, and deciding what is loaded, are the host's business.
//!
//! ```
//! use glassbox_audit::{audit, verdict::ClaimStatus};
//! use glassbox_sandbox::Sandbox;
//! use std::path::Path;
//!
//! let sandbox = Sandbox::new(None)?;
//! let report = audit(&sandbox, Path::new("tracking.wasm"), glassbox::home::BUNDLED, &[]);
//! assert_eq!(report.manifest.as_ref().unwrap().plugin.name, "tracking");
//! assert!(report.imports.contains(&"glassbox:tracker/http@2.0.0".to_string()));
//! assert!(report.passed());
//! assert_eq!(report.verdicts[0].verdict, ClaimStatus::Holds);
//!
//! // Bytes that are not a component have a report too, which says so.
//! let report = audit(&sandbox, Path::new("notes.txt"), b"not a component", &[]);
//! assert!(report.error.as_ref().unwrap().contains("the file is not WebAssembly"));
//! assert!(!report.passed());
//! # Ok::<(), glassbox_sandbox::Error>(())
//! ```

pub mod canaries;
mod component_constants;
pub mod conformance;
mod difference;
pub mod fake;
pub mod flow;
mod inputs;
mod matrix_svg;
mod prng;
pub mod producers;
pub mod rebuild;
mod report_html;
mod report_text;
mod scenario;
mod value_generator;
pub mod verdict;
pub mod versions;

pub use report_html::page;
pub use report_text::rows;

use crate::conformance::corpus_result::{self, CorpusResult};
use crate::conformance::{Case, Corpus};
use crate::rebuild::Rebuilt;
use anyhow::Result;
use canaries::Canaries;
use flow::{Flow, Options};
use glassbox_contract::{Inspection, Prepare, deny, inspect};
use glassbox_sandbox::{Compiled, Error, Instance, Manifest, Memory, Needed, Plugin, Purpose, Sandbox, digest};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use verdict::{ClaimStatus, ClaimVerdict, Made};

/// The JSON Schema of a serialized [`Report`].
pub const SCHEMA: &str = include_str!("report.schema.json");

/// Everything that an audit found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of the audit.
    pub auditor: &'static str,
    /// Whether all trials of a full audit were made; otherwise it was only read, there were fewer, or they ended early.
    pub full: bool,
    /// The file's path, as it was given.
    pub file: String,
    /// SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub digest: String,
    /// Its size in bytes.
    pub size: usize,
    /// What it says about itself. Nothing else in the report depends on that.
    #[serde(flatten)]
    pub self_description: producers::SelfDescription,
    /// Everything that it imports, by name.
    pub imports: Vec<String>,
    /// Everything that it exports, by name.
    pub exports: Vec<String>,
    /// Every way in which it differs from the contract; empty for a tracker.
    pub differences: Vec<String>,
    /// Why it cannot be loaded, if it cannot.
    pub error: Option<String>,
    /// What compiling it took, if it was measured. Another time it would be different, so it is not part of what is signed.
    #[serde(skip)]
    pub compiling: Option<Needed>,
    /// What it asks for; none if it has no manifest that can be read.
    pub manifest: Option<Manifest>,
    /// What the host makes of its reports itself, what it leaves to the component, and how much could be hidden in that;
    /// none without a manifest whose rules can be used.
    pub made: Option<Made>,
    /// Which input can change which output; none if that was not measured.
    pub flow: Option<Flow>,
    /// Where marked secrets turned up; none if they were not searched for.
    pub canaries: Option<Canaries>,
    /// How it did in the cases of each corpus that was given.
    pub corpora: Vec<CorpusResult>,
    /// How it compares with what its source builds; none if that was not asked for.
    pub source: Option<Rebuilt>,
    /// The conclusion: every claim, and whether it holds.
    pub verdicts: Vec<ClaimVerdict>,
}

/// Audit the bytes of a component: read them, start the component, and run the cases of these corpora, which takes
/// seconds. `file` is only shown. A component that cannot be loaded has a report too, which says why.
pub fn audit(sandbox: &Sandbox, file: &Path, bytes: &[u8], corpora: &[Corpus]) -> Report {
    let (inspection, mut error) = match inspect(&display_name(file), bytes) {
        Ok(inspection) => (inspection, None),
        Err(error) => (Inspection::default(), Some(error.to_string())),
    };
    let manifest = inspection.manifest.as_deref().and_then(|text| Manifest::parse(text).ok());
    // The file may have any name here; in a plugin folder it would have the manifest's.
    let name = manifest.as_ref().map_or_else(|| display_name(file), |manifest| manifest.plugin.name.clone());
    let mut report = Report {
        auditor: env!("CARGO_PKG_VERSION"),
        full: false,
        file: file.display().to_string(),
        digest: digest(bytes),
        size: bytes.len(),
        self_description: producers::read(bytes),
        imports: inspection.imports,
        exports: inspection.exports,
        differences: inspection.differences,
        error: None,
        compiling: None,
        made: manifest.as_ref().and_then(verdict::made),
        manifest,
        flow: None,
        canaries: None,
        corpora: Vec::new(),
        source: None,
        verdicts: Vec::new(),
    };
    match sandbox.prepare(&name, bytes).and_then(|plugin| start(&Arc::new(plugin))) {
        Ok(plugin) => {
            report.corpora = corpora.iter().map(|corpus| corpus_result::run(&plugin, corpus)).collect();
            report.compiling = match plugin.compiled {
                Compiled::Apart(needed) => Some(needed),
                _ => None,
            };
        }
        Err(failed) => error = error.or(Some(failed.to_string())),
    }
    report.error = error;
    report.verdicts = verdict::verdicts(&report);
    report
}

/// Add to a report what the component does: information flow, and where secrets turn up. Takes some minutes with
/// 200 trials on two cores. `bytes` must be those of the report; `progress` is called with how much is done, from 0
/// to 1000. A report of a component that cannot be loaded stays as it is.
///
/// # Errors
/// When wasmtime cannot run on this machine.
pub fn observe(
    report: &mut Report,
    bytes: &[u8],
    corpora: &[Corpus],
    options: Options,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<()> {
    let Some(manifest) = report.manifest.clone().filter(|_| report.error.is_none()) else { return Ok(()) };
    let sandbox = Sandbox::made_for(Purpose::Measure, None)?;
    let plugin = Arc::new(sandbox.prepare(&manifest.plugin.name, bytes)?);
    let schema = Instance::new(&plugin, deny(), None, Memory::default()).and_then(|mut instance| instance.schema());
    let cases: Vec<Case> = corpora.iter().flat_map(|corpus| corpus.cases.clone()).collect();
    let values = value_generator::ValueGenerator::new(&manifest, &cases, component_constants::find(bytes));
    // A component whose schema takes too long here can be run all the same.
    let inputs = inputs::Inputs::new(&plugin, values, &schema.unwrap_or_default(), options.seed);
    report.canaries = Some(canaries::search(&inputs, options.time));
    report.flow = Some(flow::measure(&inputs, options, progress));
    report.full = report.is_full();
    report.verdicts = verdict::verdicts(report);
    Ok(())
}

/// Check that it starts at all.
fn start(plugin: &Arc<Plugin>) -> Result<Arc<Plugin>, Error> {
    Instance::new(plugin, deny(), None, Memory::default())?.schema()?;
    Ok(plugin.clone())
}

fn display_name(file: &Path) -> String {
    file.file_stem().map_or_else(|| "?".into(), |name| name.to_string_lossy().into_owned())
}

impl Report {
    /// Add how it compares with what its source builds.
    pub fn add_rebuilt(&mut self, rebuilt: Rebuilt) {
        self.source = Some(rebuilt);
        self.verdicts = verdict::verdicts(self);
    }

    /// Whether it was run in at least [`flow::FULL_TRIALS`] trials of each input, and all of them were made.
    pub fn is_full(&self) -> bool {
        let (Some(flow), Some(canaries)) = (&self.flow, &self.canaries) else { return false };
        flow.asked >= flow::FULL_TRIALS
            && flow.reached == flow.asked
            && flow.ended_early.is_none()
            && canaries.ended_early.is_none()
    }

    /// Whether no claim fails. A claim that was not shown is not a failure.
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.verdict != ClaimStatus::Fails)
    }
}
