//! Compares two versions of a tracker: what the new one can see, say and touch that the old one could not, and what
//! it sends differently in recorded cases. One version is examined by [`crate::audit`].

mod behaviour;
mod influence;
mod report_text;

pub use behaviour::{Behaviour, Change, Group};
pub use influence::Influences;

use crate::conformance::Corpus;
use crate::{Report, flow};
use anyhow::Result;
use glassbox_contract::Prepare;
use glassbox_grant::Exceeds;
use glassbox_sandbox::{Manifest, Sandbox};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// One of the two components to compare.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    /// Its path, which is only shown.
    pub file: &'a Path,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Everything that the comparison found.
#[derive(Debug, Serialize)]
pub struct Versions {
    /// The old version.
    pub old: Side,
    /// The new version.
    pub new: Side,
    /// Whether the new version sees, says or touches anything new, or may do so: what could not be compared counts.
    pub more: bool,
    /// Changes of imports and exports.
    pub touches: Changes,
    /// Changes of the manifest, as phrases: what the component can see and say.
    pub manifest: Changes,
    /// Changes of the flow matrix; none if it was not measured.
    pub flow: Option<Influences>,
    /// Changes of what is sent, for each corpus; empty if one of the two does not start.
    pub behaviour: Vec<Behaviour>,
}

/// One of the two versions, in the report.
#[derive(Debug, Serialize)]
pub struct Side {
    /// Its path, as it was given.
    pub file: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Its size in bytes.
    pub size: usize,
    /// Why it cannot be loaded, if it cannot.
    pub error: Option<String>,
}

/// What only one of the two versions has.
#[derive(Debug, Default, Serialize)]
pub struct Changes {
    /// What only the new one has.
    pub more: Vec<String>,
    /// What only the old one has.
    pub less: Vec<String>,
}

/// Compare two versions. Information flow is measured only with `measure`, which takes about two minutes; then
/// `progress` is called with how much is done, from 0 to 1000.
///
/// # Errors
/// When wasmtime cannot run on this machine.
pub fn compare(
    sandbox: &Sandbox,
    old: Component,
    new: Component,
    corpora: &[Corpus],
    measure: Option<flow::Options>,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Versions> {
    let [mut was, mut is] = [old, new].map(|one| crate::audit(sandbox, one.file, one.bytes, &[]));
    if let Some(options) = measure {
        crate::observe(&mut was, old.bytes, corpora, options, &|done| progress(done / 2))?;
        crate::observe(&mut is, new.bytes, corpora, options, &|done| progress(500 + done / 2))?;
    }
    let mut behaviour = Vec::new();
    if let (Some(was), Some(is)) = (prepare(sandbox, &was, old.bytes)?, prepare(sandbox, &is, new.bytes)?) {
        behaviour = corpora.iter().map(|cases| Behaviour::of(&was, &is, cases)).collect();
    }
    let mut versions = Versions {
        more: false,
        touches: Changes::of(&touched(&was), &touched(&is)),
        manifest: manifests(was.manifest.as_ref(), is.manifest.as_ref()),
        flow: was.flow.as_ref().zip(is.flow.as_ref()).map(|(was, is)| Influences::of(was, is)),
        behaviour,
        old: Side::of(was),
        new: Side::of(is),
    };
    versions.more = versions.is_more();
    Ok(versions)
}

/// The component, if the audit could start it.
fn prepare(sandbox: &Sandbox, report: &Report, bytes: &[u8]) -> Result<Option<Arc<glassbox_sandbox::Plugin>>> {
    let name = report.manifest.as_ref().filter(|_| report.error.is_none()).map(|manifest| &manifest.plugin.name);
    Ok(name.map(|name| sandbox.prepare(name, bytes)).transpose()?.map(Arc::new))
}

fn touched(report: &Report) -> Vec<String> {
    let imports = report.imports.iter().map(|name| format!("import {name}"));
    imports.chain(report.exports.iter().map(|name| format!("export {name}"))).collect()
}

fn manifests(old: Option<&Manifest>, new: Option<&Manifest>) -> Changes {
    let (Some(old), Some(new)) = (old, new) else { return Changes::default() };
    let mut changes = Changes { more: new.exceeds(old), less: old.exceeds(new) };
    if old.plugin.name != new.plugin.name {
        changes.more.insert(0, format!("be another plugin: '{}' instead of '{}'", new.plugin.name, old.plugin.name));
    }
    changes
}

impl Side {
    fn of(report: Report) -> Self {
        Self { file: report.file, digest: report.digest, size: report.size, error: report.error }
    }
}

impl Changes {
    fn of(old: &[String], new: &[String]) -> Self {
        let only = |these: &[String], those: &[String]| {
            these.iter().filter(|this| !those.contains(this)).cloned().collect::<Vec<_>>()
        };
        Self { more: only(new, old), less: only(old, new) }
    }
}

impl Versions {
    /// What could not be compared may be something new.
    fn is_more(&self) -> bool {
        self.old.error.is_some()
            || self.new.error.is_some()
            || !self.touches.more.is_empty()
            || !self.manifest.more.is_empty()
            || self.flow.as_ref().is_some_and(|flow| !flow.changes.more.is_empty())
            || self.behaviour.iter().any(Behaviour::is_more)
    }
}
