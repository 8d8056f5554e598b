//! Builds the example plugins for the tests: those that count, misbehave, leak or ask for too much, and print-hours.

use anyhow::{Context, Result};
use std::path::PathBuf;

fn main() -> Result<()> {
    let tests = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let workspace = tests.parent().context("the tests lie in the workspace")?;
    for path in ["wit", "Cargo.lock", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", workspace.join(path).display());
    }
    // What the puppet has from the bundled tracker.
    println!("cargo:rerun-if-changed={}", workspace.join("guest").display());
    for name in ["counter", "leaky", "misfit", "outsider", "print-hours", "puppet"] {
        let folder = workspace.join("examples").join(name);
        println!("cargo:rerun-if-changed={}", folder.display());
        let manifest = match name {
            "puppet" => workspace.join("guest/tracker.toml"),
            _ => folder.join(name).with_extension("toml"),
        };
        let manifest = std::fs::read_to_string(&manifest).with_context(|| format!("reading {}", manifest.display()))?;
        let component = glassbox_component::build(workspace, name, &manifest, &out.join("component"))?;
        std::fs::write(out.join(name).with_extension("wasm"), component)?;
    }
    Ok(())
}
