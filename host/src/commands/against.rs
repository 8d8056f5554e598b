//! `audit NEW --against OLD`.

use anyhow::{Context, Result};
use glassbox::versions::{Component, compare};
use glassbox_sandbox::Sandbox;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Print how a version differs from the one before; false if it sees or says more.
pub fn against(file: &Path, old: &Path, corpora: &[PathBuf], json: bool) -> Result<bool> {
    let read = |file: &Path| {
        glassbox::home::read_component("file", file)
            .map_err(|error| anyhow::anyhow!("{}", error.reasons.join("; ")))
            .context("the component cannot be read")
    };
    let (before, after) = (read(old)?, read(file)?);
    let (before, after) = (Component { file: old, bytes: &before }, Component { file, bytes: &after });
    let versions = compare(&Sandbox::new(None)?, before, after, corpora)?;
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &versions)?;
        writeln!(out)?;
    } else {
        write!(out, "{versions}")?;
    }
    Ok(!versions.more)
}
