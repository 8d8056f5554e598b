//! Builds a tracker from its source: a nested cargo for `wasm32-unknown-unknown`, the component
//! encoding, and the manifest embedded as a custom section, so that one file is the plugin.
//!
//! Used by build scripts, the host's (which embeds the bundled tracker) and the tests' (which builds
//! the example plugins), and by `glassbox pack` for everybody else's plugins.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The custom section that holds the manifest.
pub const MANIFEST_SECTION: &str = "glassbox:manifest";

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "component";

/// Build `package` of the workspace at `workspace` and embed `manifest` (TOML text). All builds
/// share one target directory below `target_dir`; it must not be the outer cargo's own, which is
/// locked while a build script runs.
///
/// # Errors
/// What failed and what to do about it.
pub fn build(workspace: &Path, package: &str, manifest: &str, target_dir: &Path) -> Result<Vec<u8>> {
    let module = build_module(workspace, package, target_dir)?;
    let module = std::fs::read(&module).with_context(|| format!("reading {}", module.display()))?;
    embed(&encode(&module)?, manifest)
}

/// Make a component of a core module that carries `wit-bindgen`'s type information.
///
/// # Errors
/// When the module does not fit the world that it was built for.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    wit_component::ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| anyhow::anyhow!("encoding the component: {error:#}"))
}

/// Append the manifest to a component.
///
/// # Errors
/// When `component` is not even a WebAssembly file.
pub fn embed(component: &[u8], manifest: &str) -> Result<Vec<u8>> {
    ensure!(component.starts_with(b"\0asm"), "not a WebAssembly file");
    let section = wasm_encoder::CustomSection { name: MANIFEST_SECTION.into(), data: manifest.as_bytes().into() };
    let mut out = component.to_vec();
    wasm_encoder::ComponentSection::append_to_component(&section, &mut out);
    Ok(out)
}

fn build_module(workspace: &Path, package: &str, target_dir: &Path) -> Result<PathBuf> {
    ensure_target(workspace)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command
        .current_dir(workspace)
        .args(["build", "--lib", "--locked", "--package", package, "--target", TARGET, "--profile", PROFILE])
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(workspace).join("\x1f"));
    // The outer cargo's wishes for the outer build: clippy's wrapper, flags, a forced target.
    for name in ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_MAKEFLAGS"] {
        command.env_remove(name);
    }
    let output = command.output().with_context(|| format!("starting {}", cargo.display()))?;
    if !output.status.success() {
        bail!("building {package} for {TARGET} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(target_dir.join(TARGET).join(PROFILE).join(package.replace('-', "_")).with_extension("wasm"))
}

/// `getrandom`'s backend is chosen by a flag; no path of this machine may get into the bytes,
/// which are the same wherever they are built.
fn rustflags(workspace: &Path) -> Vec<String> {
    let mut flags: Vec<String> = vec!["--cfg".into(), "getrandom_backend=\"custom\"".into()];
    // The linker's numbers without their padding: a tenth of the component.
    flags.push("-Clink-arg=--compress-relocations".into());
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    for (path, name) in [(Some(workspace.to_path_buf()), "/glassbox"), (home, "/cargo")] {
        if let Some(path) = path {
            flags.push(format!("--remap-path-prefix={}={name}", path.display()));
        }
    }
    flags
}

/// Add the WebAssembly target where it is missing and rustup is there to add it.
fn ensure_target(workspace: &Path) -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .current_dir(workspace)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("asking rustc for its targets")?;
    let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && directory.is_dir() {
        return Ok(());
    }
    let added = Command::new("rustup").current_dir(workspace).args(["target", "add", TARGET]).output();
    if !added.is_ok_and(|output| output.status.success()) {
        bail!("the Rust target {TARGET} is missing and could not be added; run: rustup target add {TARGET}");
    }
    Ok(())
}
