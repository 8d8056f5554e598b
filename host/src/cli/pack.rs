//! `pack`: makes a plugin from a module and a manifest.

use super::progress;
use anyhow::{Context, Result};
use glassbox_contract::Prepare;
use glassbox_sandbox::{Manifest, Sandbox, limits};
use glassbox_util::files::{read_bounded, write_atomically};
use glassbox_util::{Advised, encoding};
use std::io::{self, Write};
use std::path::Path;

/// The largest module, in bytes: more than that has symbols for debugging, and would make no plugin.
const LARGEST_MODULE: usize = 64 << 20;

/// What a WebAssembly module begins with; a component begins with the same four bytes and another version.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Make the plugin. It is written only if a host would load it.
pub fn pack(module: &Path, manifest: &Path, output: &Path) -> Result<()> {
    let code =
        read_bounded(module, LARGEST_MODULE).with_context(|| format!("reading the module {}", module.display()))?;
    let text = |bytes: Vec<u8>| encoding::text(&bytes).map(String::from).map_err(io::Error::other);
    let text = read_bounded(manifest, limits::MANIFEST)
        .and_then(text)
        .with_context(|| format!("reading the manifest {}", manifest.display()))?;
    must_be_module(module, &code)?;
    must_fit(manifest, &text, output)?;
    let component = glassbox_component::encode(&code)
        .and_then(|component| glassbox_component::embed(&component, &text))
        .with_context(|| format!("{} cannot be made a plugin", module.display()))?;
    let name = output.file_stem().context("the output needs a file name")?.to_string_lossy();
    let plugin = progress::during("compiling the plugin", || Sandbox::new(None)?.prepare(&name, &component))?;
    write_atomically(output, &component)?;
    let mut out = super::out();
    Ok(writeln!(out, "{}: {} bytes, sha256 {}", super::output::path(output), plugin.size, plugin.digest)?)
}

fn must_be_module(file: &Path, code: &[u8]) -> Result<()> {
    if code.starts_with(MODULE) {
        return Ok(());
    }
    let (what, advice) = match code.starts_with(&MODULE[..4]) {
        true => {
            ("is a component already, and not a module", "take the module that cargo builds for wasm32-unknown-unknown")
        }
        false => ("is not a WebAssembly module", "the first file is the module, the second its manifest"),
    };
    Err(Advised::new(format!("{} {what}", file.display()), advice).into())
}

/// Check the manifest before the module: whoever writes one makes more mistakes there.
fn must_fit(file: &Path, text: &str, output: &Path) -> Result<()> {
    let parsed = Manifest::parse(text).map_err(|error| {
        Advised::new(
            format!("the manifest {}: {error}", file.display()),
            "fix it; host/sandbox/README.md explains its keys",
        )
    })?;
    let name = parsed.plugin.name;
    if output.file_name().is_none_or(|given| given != format!("{name}.wasm").as_str()) {
        let what = format!(
            "the manifest {} says that the plugin is '{name}', and not what {} is called",
            file.display(),
            output.display()
        );
        return Err(Advised::new(what, format!("write it to {name}.wasm, or change the name in the manifest")).into());
    }
    Ok(())
}
