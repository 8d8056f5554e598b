//! Builds the bundled tracker from `guest/`, so that `glassbox` is one file to install.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let host = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let workspace = host.parent().context("the host lies in the workspace")?;
    for path in [
        "guest/src",
        "guest/Cargo.toml",
        "guest/tracker.toml",
        // The guest includes it.
        "host/sandbox/src/python.rs",
        "wit",
        "Cargo.lock",
        "Cargo.toml",
        "rust-toolchain.toml",
    ] {
        println!("cargo:rerun-if-changed={}", workspace.join(path).display());
    }
    println!("cargo:rustc-env=WASMTIME_VERSION={}", wasmtime_version(workspace)?);
    let manifest = workspace.join("guest/tracker.toml");
    let manifest = std::fs::read_to_string(&manifest).with_context(|| format!("reading {}", manifest.display()))?;
    let component = glassbox_component::build(workspace, "glassbox-tracker", &manifest, &out.join("component"))?;
    std::fs::write(out.join("tracking.wasm"), component)?;
    Ok(())
}

/// The version that the lock file pins: `--version` names it.
fn wasmtime_version(workspace: &Path) -> Result<String> {
    let lock = std::fs::read_to_string(workspace.join("Cargo.lock")).context("reading Cargo.lock")?;
    let after = lock.split("name = \"wasmtime\"\nversion = \"").nth(1).context("wasmtime is not in Cargo.lock")?;
    Ok(after.split('"').next().unwrap_or_default().into())
}
