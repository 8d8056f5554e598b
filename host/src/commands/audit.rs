//! `audit`.

use super::Sign;
use anyhow::{Context, Result};
use glassbox::rebuild::{Rebuilt, rebuild};
use glassbox::{audit, conformance};
use glassbox_sandbox::Sandbox;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Print the report, and sign it if that is wanted; false if anything is wrong.
pub fn audit(
    file: &Path,
    corpora: &[PathBuf],
    json: bool,
    sent: Option<&Path>,
    source: Option<&Path>,
    sign: &Sign,
) -> Result<bool> {
    let key = sign.key()?;
    let bytes = glassbox::home::read_component("file", file)
        .map_err(|error| anyhow::anyhow!("{}", error.reasons.join("; ")))
        .context("the component cannot be read")?;
    // No cache: an audit runs what it was given, not what somebody compiled before.
    let sandbox = Sandbox::new(None)?;
    let mut report = audit::audit(&sandbox, file, &bytes, corpora)?;
    let name = report.manifest.as_ref().map(|manifest| manifest.plugin.name.clone());
    if let (Some(file), Some(name), None) = (sent, &name, &report.error) {
        conformance::sent::write(&Arc::new(sandbox.prepare(name, &bytes)?), corpora, file)?;
    }
    report.source = source.map(|checkout| built_again(&bytes, name.as_deref(), checkout)).transpose()?;
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

/// Not without a word before: here a stranger's code runs as the user.
fn built_again(bytes: &[u8], name: Option<&str>, checkout: &Path) -> Result<Rebuilt> {
    let name =
        name.context("the component has no manifest that can be read: it does not say which source is its own")?;
    let _ = writeln!(
        std::io::stderr(),
        "building {name} with cargo in {}: this runs code of that checkout as you, in no sandbox",
        checkout.display()
    );
    rebuild(bytes, name, checkout).context("it cannot be built again")
}
