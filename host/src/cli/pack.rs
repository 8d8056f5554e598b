//! `pack`: makes a plugin from a module and a manifest.

use anyhow::{Context, Result};
use glassbox_sandbox::Sandbox;
use glassbox_util::files::write_atomically;
use std::io::Write;
use std::path::Path;

/// Make the plugin. It is written only if a host would load it.
pub fn pack(module: &Path, manifest: &Path, output: &Path) -> Result<()> {
    let code = std::fs::read(module).with_context(|| format!("reading the module {}", module.display()))?;
    let text =
        std::fs::read_to_string(manifest).with_context(|| format!("reading the manifest {}", manifest.display()))?;
    let component = glassbox_component::encode(&code)
        .and_then(|component| glassbox_component::embed(&component, &text))
        .with_context(|| format!("{} cannot be made a plugin", module.display()))?;
    let name = output.file_stem().context("the output needs a file name")?.to_string_lossy();
    let plugin = Sandbox::new(None)?.prepare(&name, &component)?;
    write_atomically(output, &component)?;
    let mut out = std::io::stdout().lock();
    Ok(writeln!(out, "{}: {} bytes, sha256 {}", output.display(), plugin.size, plugin.digest)?)
}
