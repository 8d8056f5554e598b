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

/// The custom section that holds the package's version, as WebAssembly's tool conventions have it.
const VERSION_SECTION: &str = "version";

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "component";

/// Build `package` of the workspace at `workspace`, and embed its version and `manifest` (TOML text). All builds
/// share one target directory below `target_dir`; it must not be the outer cargo's own, which is
/// locked while a build script runs.
///
/// # Errors
/// What failed and what to do about it.
pub fn build(workspace: &Path, package: &str, manifest: &str, target_dir: &Path) -> Result<Vec<u8>> {
    let module = build_module(workspace, package, target_dir)?;
    let module = std::fs::read(&module).with_context(|| format!("reading {}", module.display()))?;
    let version = version(workspace, package)?;
    embed(&section(&encode(&module)?, VERSION_SECTION, &version), manifest)
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
    Ok(section(component, MANIFEST_SECTION, manifest))
}

/// A component with one more section.
fn section(component: &[u8], name: &str, text: &str) -> Vec<u8> {
    let section = wasm_encoder::CustomSection { name: name.into(), data: text.as_bytes().into() };
    let mut out = component.to_vec();
    wasm_encoder::ComponentSection::append_to_component(&section, &mut out);
    out
}

fn build_module(workspace: &Path, package: &str, target_dir: &Path) -> Result<PathBuf> {
    ensure_target(workspace)?;
    // First what it depends on: the compiler must be told where that lies.
    run(cargo(workspace).args(["tree", "--quiet", "--locked", "--package", package, "--target", TARGET]))
        .with_context(|| format!("fetching what {package} depends on"))?;
    let mut flags = rustflags(workspace, cargo_home().as_deref());
    flags.extend(library_source(workspace)?.map(|(path, name)| remap(&path, &name)));
    run(cargo(workspace)
        .args(["build", "--lib", "--locked", "--package", package, "--target", TARGET, "--profile", PROFILE])
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")))
    .with_context(|| format!("building {package} for {TARGET}"))?;
    Ok(target_dir.join(TARGET).join(PROFILE).join(package.replace('-', "_")).with_extension("wasm"))
}

/// The version that the package has there.
fn version(workspace: &Path, package: &str) -> Result<String> {
    let output = run(cargo(workspace).args(["pkgid", "--quiet", "--locked", "--package", package]))
        .with_context(|| format!("asking for the version of {package}"))?;
    // `path+file:///folder#name@1.2.3`, or `#1.2.3` where the folder is called as the package is.
    Ok(output.trim().rsplit(['#', '@']).next().unwrap_or_default().into())
}

/// Cargo, without the outer cargo's wishes for the outer build: clippy's wrapper, flags, a forced target.
fn cargo(workspace: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace);
    for name in ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_MAKEFLAGS"] {
        command.env_remove(name);
    }
    command
}

/// Returns what it prints.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {}", command.get_program().display()))?;
    ensure!(output.status.success(), "cargo failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into())
}

/// `getrandom`'s backend is chosen by a flag; no path of this machine may get into the bytes,
/// which are the same wherever they are built.
fn rustflags(workspace: &Path, cargo_home: Option<&Path>) -> Vec<String> {
    let mut flags: Vec<String> = vec!["--cfg".into(), "getrandom_backend=\"custom\"".into()];
    // The linker's numbers without their padding: a tenth of the component.
    flags.push("-Clink-arg=--compress-relocations".into());
    let mut paths = vec![(workspace.to_path_buf(), "/glassbox")];
    if let Some(home) = cargo_home {
        paths.push((home.into(), "/cargo"));
        // The folder in between is named after the server, which may be a mirror. Of two prefixes that fit, the
        // compiler takes the last.
        let servers = std::fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
        paths.extend(servers.map(|folder| (folder.path(), "/cargo/registry")));
    }
    flags.extend(paths.iter().map(|(path, name)| remap(path, name)));
    flags
}

fn remap(path: &Path, name: &str) -> String {
    format!("--remap-path-prefix={}={name}", path.display())
}

/// Where the standard library's source lies if it is installed, and what the compiler calls it if it is not.
fn library_source(workspace: &Path) -> Result<Option<(PathBuf, String)>> {
    let sysroot = ask_rustc(workspace, &["--print", "sysroot"])?;
    let version = ask_rustc(workspace, &["-vV"])?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    Ok(commit.map(|commit| (Path::new(&sysroot).join("lib/rustlib/src/rust"), format!("/rustc/{commit}"))))
}

/// What rustc says; nothing if it fails.
fn ask_rustc(workspace: &Path, question: &[&str]) -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    let output = command.current_dir(workspace).args(question).output();
    let output = output.with_context(|| format!("starting {}", command.get_program().display()))?;
    let answer = if output.status.success() { output.stdout.as_slice() } else { b"" };
    Ok(String::from_utf8_lossy(answer).trim().into())
}

/// What compiles there, as it names itself: the workspace may name its own.
#[must_use]
pub fn compiler(workspace: &Path) -> String {
    let version = ask_rustc(workspace, &["--version"]).unwrap_or_default();
    if version.is_empty() { "a compiler that does not say its version".into() } else { version }
}

fn cargo_home() -> Option<PathBuf> {
    let given = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    given.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// Add the WebAssembly target where it is missing and rustup is there to add it.
fn ensure_target(workspace: &Path) -> Result<()> {
    let folder = ask_rustc(workspace, &["--print", "target-libdir", "--target", TARGET])?;
    if !folder.is_empty() && Path::new(&folder).is_dir() {
        return Ok(());
    }
    let added = Command::new("rustup").current_dir(workspace).args(["target", "add", TARGET]).output();
    if !added.is_ok_and(|output| output.status.success()) {
        bail!("the Rust target {TARGET} is missing and could not be added; run: rustup target add {TARGET}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_that_crates_came_from_is_not_in_the_paths() {
        let home = std::env::temp_dir().join(format!("glassbox-component-{}", std::process::id()));
        std::fs::create_dir_all(home.join("registry/src/mirror.example-0123456789abcdef")).unwrap();
        let flags = rustflags(Path::new("/checkout"), Some(&home));
        std::fs::remove_dir_all(&home).unwrap();
        let home = home.display();
        assert_eq!(
            flags[3..],
            [
                "--remap-path-prefix=/checkout=/glassbox".to_string(),
                format!("--remap-path-prefix={home}=/cargo"),
                format!("--remap-path-prefix={home}/registry/src/mirror.example-0123456789abcdef=/cargo/registry"),
            ]
        );
    }
}
