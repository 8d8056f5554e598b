//! `audit`.

use super::Sign;
use anyhow::{Context, Result};
use glassbox::audit;
use glassbox_sandbox::Sandbox;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Print the report, and sign it if that is wanted; false if anything is wrong.
pub fn audit(file: &Path, corpora: &[PathBuf], json: bool, sign: &Sign) -> Result<bool> {
    let key = sign.key()?;
    let bytes = glassbox::home::read_component("file", file)
        .map_err(|error| anyhow::anyhow!("{}", error.reasons.join("; ")))
        .context("the component cannot be read")?;
    // No cache: an audit runs what it was given, not what somebody compiled before.
    let report = audit::audit(&Sandbox::new(None)?, file, &bytes, corpora)?;
    let mut text = serde_json::to_vec_pretty(&report)?;
    text.push(b'\n');
    let mut out = std::io::stdout().lock();
    match json {
        true => out.write_all(&text)?,
        false => write!(out, "{report}")?,
    }
    // Nobody has signed what they could not see.
    out.flush()?;
    if let Some(key) = key {
        let signed = sign.sign(&key, file, &report, &text)?;
        if !json {
            writeln!(out, "{signed}")?;
        }
    }
    Ok(report.passed())
}
