//! Two versions of a tracker side by side: what the new one can see, say and touch that the old one could
//! not, and what it says otherwise in recorded cases. What one version is by itself is in [`crate::audit`].

mod behaviour;
mod influence;
mod text;

pub use behaviour::{Behaviour, Change, Group};
pub use influence::Influences;

use crate::conformance::Cases;
use crate::{Report, flow};
use anyhow::Result;
use glassbox_sandbox::{Manifest, Sandbox};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// A component: its file and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    /// The file.
    pub file: &'a Path,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// The whole comparison.
#[derive(Debug, Serialize)]
pub struct Versions {
    /// The version before.
    pub old: Side,
    /// The version after.
    pub new: Side,
    /// Whether the new one sees or says anything more.
    pub more: bool,
    /// Imports and exports.
    pub touches: Changes,
    /// The manifest, in words: what it can see and say.
    pub manifest: Changes,
    /// Which input can change which output; none where that was not measured.
    pub flow: Option<Influences>,
    /// One for each corpus; none where one of the two does not start.
    pub behaviour: Vec<Behaviour>,
}

/// One of the two.
#[derive(Debug, Serialize)]
pub struct Side {
    /// The file.
    pub file: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Its size in bytes.
    pub size: usize,
    /// Why it cannot be loaded, if it cannot.
    pub error: Option<String>,
}

/// What there is now and was not, and the other way round.
#[derive(Debug, Default, Serialize)]
pub struct Changes {
    /// Only the new one has it.
    pub more: Vec<String>,
    /// Only the old one had it.
    pub less: Vec<String>,
}

/// Compare two versions; information flow only if it is to be measured. `progress` is told, from 0 to 1000,
/// how far that is.
///
/// # Errors
/// When wasmtime does not run on this machine.
pub fn compare(
    sandbox: &Sandbox,
    old: Component,
    new: Component,
    corpora: &[Cases],
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

/// A component that the audit could start.
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
    /// What could not be compared is not known to be no more.
    fn is_more(&self) -> bool {
        self.old.error.is_some()
            || self.new.error.is_some()
            || !self.touches.more.is_empty()
            || !self.manifest.more.is_empty()
            || self.flow.as_ref().is_some_and(|flow| !flow.changes.more.is_empty())
            || self.behaviour.iter().any(Behaviour::is_more)
    }
}
