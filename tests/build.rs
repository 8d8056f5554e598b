//! Builds the component that misbehaves for the tests.

use anyhow::{Context, Result};
use std::path::PathBuf;

fn main() -> Result<()> {
    let tests = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let workspace = tests.parent().context("the tests lie in the workspace")?;
    for path in ["examples/misfit", "wit", "Cargo.lock", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", workspace.join(path).display());
    }
    let manifest = std::fs::read_to_string(workspace.join("examples/misfit/misfit.toml"))?;
    let component = glassbox_component::build(workspace, "misfit", &manifest, &out.join("component"))?;
    std::fs::write(out.join("misfit.wasm"), component)?;
    Ok(())
}
