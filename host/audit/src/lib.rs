//! The audit of a component: what it is, what it touches, what it asks for, and what it was observed to
//! do, in sandboxes that send nothing. Nothing is taken from what it says of itself.

pub mod canaries;
pub mod conformance;
mod constants;
mod corpus;
mod difference;
pub mod flow;
mod html;
pub mod identity;
mod inputs;
mod picture;
mod prng;
pub mod rebuild;
mod scenario;
mod text;
mod values;
pub mod verdict;
pub mod versions;

pub use corpus::{Corpus, Failure, Family};
pub use html::page;
pub use text::rows;

use crate::conformance::{Case, Cases};
use crate::rebuild::Rebuilt;
use anyhow::Result;
use canaries::Canaries;
use flow::{Flow, Options};
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Error, Inspection, Instance, Manifest, Plugin, Sandbox, digest, inspect};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use verdict::{Holds, Verdict};

/// The JSON Schema of [`Report`].
pub const SCHEMA: &str = include_str!("report.schema.json");

/// The whole report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Its size in bytes.
    pub size: usize,
    /// What it says of itself.
    #[serde(flatten)]
    pub hearsay: identity::Hearsay,
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
    /// Which input can change which output; none if that was not measured.
    pub flow: Option<Flow>,
    /// Where marked secrets turned up; none if that was not looked for.
    pub canaries: Option<Canaries>,
    /// One for each corpus.
    pub corpora: Vec<Corpus>,
    /// What came of building it again; none if that was not asked for.
    pub source: Option<Rebuilt>,
    /// What it comes to.
    pub verdicts: Vec<Verdict>,
}

/// Audit these bytes, but for what [`observe`] adds. A component that cannot be loaded has a report too.
#[must_use]
pub fn audit(sandbox: &Sandbox, file: &Path, bytes: &[u8], corpora: &[Cases]) -> Report {
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
        hearsay: identity::hearsay(bytes),
        imports: inspection.imports,
        exports: inspection.exports,
        differences: inspection.differences,
        error: None,
        manifest,
        flow: None,
        canaries: None,
        corpora: Vec::new(),
        source: None,
        verdicts: Vec::new(),
    };
    match sandbox.prepare(&name, bytes).and_then(|plugin| start(&Arc::new(plugin))) {
        Ok(plugin) => report.corpora = corpora.iter().map(|cases| corpus::run(&plugin, cases)).collect(),
        Err(failed) => error = error.or(Some(failed.to_string())),
    }
    report.error = error;
    report.verdicts = verdict::verdicts(&report);
    report
}

/// Add to a report what the component does: information flow and canaries. Nothing for one that cannot
/// be loaded. `progress` is told, from 0 to 1000, how far it is.
///
/// # Errors
/// When wasmtime does not run on this machine.
pub fn observe(
    report: &mut Report,
    bytes: &[u8],
    corpora: &[Cases],
    options: Options,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<()> {
    let Some(manifest) = report.manifest.clone().filter(|_| report.error.is_none()) else { return Ok(()) };
    let sandbox = sandbox()?;
    let plugin = Arc::new(sandbox.prepare(&manifest.plugin.name, bytes)?);
    let schema = Instance::new(&plugin, Capabilities::deny(), None).and_then(|mut instance| instance.schema());
    let cases: Vec<Case> = corpora.iter().flat_map(|corpus| corpus.cases.clone()).collect();
    let values = values::Values::new(&manifest, &cases, constants::values(bytes));
    // One whose schema takes too long here can be run all the same.
    let inputs = inputs::Inputs::new(&plugin, values, &schema.unwrap_or_default(), options.seed);
    report.canaries = Some(canaries::search(&inputs, options.time));
    report.flow = Some(flow::measure(&inputs, options, progress));
    report.verdicts = verdict::verdicts(report);
    Ok(())
}

/// Counts what each call costs. Memory is taken from the heap: a hundred thousand short runs on several threads
/// would spend a third of their time with mapping and unmapping it.
fn sandbox() -> Result<Sandbox, Error> {
    let mut config = glassbox_sandbox::config();
    config.consume_fuel(true).signals_based_traps(false).memory_init_cow(false);
    // A little room to grow, so that what is there need not be copied for a page more.
    config.memory_reservation(0).memory_reservation_for_growth(256 << 10).memory_guard_size(0).memory_may_move(true);
    Sandbox::with(&config, None)
}

/// Whether it starts at all.
fn start(plugin: &Arc<Plugin>) -> Result<Arc<Plugin>, Error> {
    Instance::new(plugin, Capabilities::deny(), None)?.schema()?;
    Ok(plugin.clone())
}

fn display_name(file: &Path) -> String {
    file.file_stem().map_or_else(|| "?".into(), |name| name.to_string_lossy().into_owned())
}

impl Report {
    /// Add what came of building it again.
    pub fn built(&mut self, rebuilt: Rebuilt) {
        self.source = Some(rebuilt);
        self.verdicts = verdict::verdicts(self);
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.verdict != Holds::Fails)
    }
}
