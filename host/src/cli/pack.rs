//! `pack`: makes a plugin from a module and a manifest.

use anyhow::{Context, Result};
use glassbox_sandbox::{Sandbox, limits};
use glassbox_util::files::{read_bounded, write_atomically};
use std::io::{self, Write};
use std::path::Path;

/// The largest module, in bytes: more than that has symbols for debugging, and would make no plugin.
const LARGEST_MODULE: usize = 64 << 20;

/// Make the plugin. It is written only if a host would load it.
pub fn pack(module: &Path, manifest: &Path, output: &Path) -> Result<()> {
    let code =
        read_bounded(module, LARGEST_MODULE).with_context(|| format!("reading the module {}", module.display()))?;
    let text = |bytes| String::from_utf8(bytes).map_err(io::Error::other);
    let text = read_bounded(manifest, limits::MANIFEST)
        .and_then(text)
        .with_context(|| format!("reading the manifest {}", manifest.display()))?;
    let component = glassbox_component::encode(&code)
        .and_then(|component| glassbox_component::embed(&component, &text))
        .with_context(|| format!("{} cannot be made a plugin", module.display()))?;
    let name = output.file_stem().context("the output needs a file name")?.to_string_lossy();
    let plugin = Sandbox::new(None)?.prepare(&name, &component)?;
    write_atomically(output, &component)?;
    let mut out = std::io::stdout().lock();
    Ok(writeln!(out, "{}: {} bytes, sha256 {}", output.display(), plugin.size, plugin.digest)?)
}
