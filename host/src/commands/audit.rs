//! `audit`.

use anyhow::{Context, Result};
use glassbox::audit;
use glassbox_sandbox::Sandbox;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Print the report; false if anything is wrong.
pub fn audit(file: &Path, corpora: &[PathBuf], json: bool) -> Result<bool> {
    let bytes = glassbox::home::read_component("file", file)
        .map_err(|error| anyhow::anyhow!("{}", error.reasons.join("; ")))
        .context("the component cannot be read")?;
    // No cache: an audit runs what it was given, not what somebody compiled before.
    let report = audit::audit(&Sandbox::new(None)?, file, &bytes, corpora)?;
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(report.passed())
}
