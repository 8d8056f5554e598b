//! Builds a tracker from its source: runs a nested cargo for `wasm32-unknown-unknown`, encodes the module as a
//! component, and embeds the manifest as a custom section, so that a plugin is a single file.
//!
//! It is used by two build scripts (the host's embeds the bundled tracker, the tests' builds the example plugins), by
//! `glassbox pack` for everybody else's plugins, and by the audit's rebuild. It checks nothing: that is the sandbox's
//! task. Errors are for the person at the terminal, and so they are `anyhow`'s.
//!
//! ```
//! // The smallest component there is, with a manifest.
//! let plugin = glassbox_component::embed(b"\0asm\x0d\0\x01\0", "plugin.name = \"hours\"")?;
//! assert!(plugin.ends_with(b"plugin.name = \"hours\""));
//! assert!(glassbox_component::embed(b"hello", "").is_err());
//! # Ok::<(), anyhow::Error>(())
//! ```

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the custom section that holds the manifest.
pub const MANIFEST_SECTION: &str = "glassbox:manifest";

/// The name of the custom section that holds the package's version, by WebAssembly's tool conventions.
const VERSION_SECTION: &str = "version";

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "component";

/// Build `package` of the workspace at `workspace` as a component, and embed its version and `manifest` (TOML text).
/// Builds share `target_dir`, which must not be the outer cargo's target directory: that is locked while a build script
/// runs.
///
/// # Errors
/// When the WebAssembly target is missing and cannot be added, cargo fails, or encoding does; the message says what to
/// do or shows cargo's output.
pub fn build(workspace: &Path, package: &str, manifest: &str, target_dir: &Path) -> Result<Vec<u8>> {
    let module = build_module(workspace, package, target_dir)?;
    let module = std::fs::read(&module).with_context(|| format!("reading {}", module.display()))?;
    let version = version(workspace, package)?;
    embed(&section(&encode(&module)?, VERSION_SECTION, &version), manifest)
}

/// Encode a core module, which contains `wit-bindgen`'s type information, as a component.
///
/// # Errors
/// When it is not a module, or does not match the world that it was built for.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    wit_component::ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| anyhow::anyhow!("encoding the component: {error:#}"))
}

/// Append a manifest (TOML text, which is not checked) to a component.
///
/// # Errors
/// When `component` is not WebAssembly.
pub fn embed(component: &[u8], manifest: &str) -> Result<Vec<u8>> {
    ensure!(component.starts_with(b"\0asm"), "not a WebAssembly file");
    Ok(section(component, MANIFEST_SECTION, manifest))
}

/// A component with one more custom section.
fn section(component: &[u8], name: &str, text: &str) -> Vec<u8> {
    let section = wasm_encoder::CustomSection { name: name.into(), data: text.as_bytes().into() };
    let mut out = component.to_vec();
    wasm_encoder::ComponentSection::append_to_component(&section, &mut out);
    out
}

fn build_module(workspace: &Path, package: &str, target_dir: &Path) -> Result<PathBuf> {
    ensure_target(workspace)?;
    // Fetch its dependencies first: the compiler must be told where their sources are.
    run(cargo(workspace).args(["tree", "--quiet", "--locked", "--package", package, "--target", TARGET]))
        .with_context(|| format!("fetching the dependencies of {package}"))?;
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

/// The package's version in that workspace.
fn version(workspace: &Path, package: &str) -> Result<String> {
    let output = run(cargo(workspace).args(["pkgid", "--quiet", "--locked", "--package", package]))
        .with_context(|| format!("asking for the version of {package}"))?;
    // `path+file:///folder#name@1.2.3`, or `#1.2.3` if the folder has the package's name.
    Ok(output.trim().rsplit(['#', '@']).next().unwrap_or_default().into())
}

/// Cargo, without what the environment holds for the outer build: clippy's wrapper, flags, a target.
fn cargo(workspace: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace);
    for name in ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_MAKEFLAGS"] {
        command.env_remove(name);
    }
    command
}

/// Run a command. Returns what it prints.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {}", command.get_program().display()))?;
    ensure!(output.status.success(), "cargo failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into())
}

/// The compiler's flags: among them other names for the paths of this machine, so that the same source gives the same
/// bytes everywhere.
fn rustflags(workspace: &Path, cargo_home: Option<&Path>) -> Vec<String> {
    // Leaves out the padding of the linker's numbers, a tenth of the component.
    let mut flags: Vec<String> = vec!["-Clink-arg=--compress-relocations".into()];
    let mut paths = vec![(workspace.to_path_buf(), "/glassbox")];
    if let Some(home) = cargo_home {
        paths.push((home.into(), "/cargo"));
        // The folder of the sources is named after their server, which may be a mirror. If two prefixes match, the
        // compiler uses the last.
        let servers = std::fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
        paths.extend(servers.map(|folder| (folder.path(), "/cargo/registry")));
    }
    flags.extend(paths.iter().map(|(path, name)| remap(path, name)));
    flags
}

fn remap(path: &Path, name: &str) -> String {
    format!("--remap-path-prefix={}={name}", path.display())
}

/// Where the standard library's source is if it is installed, and the name that the compiler gives it if it is not.
fn library_source(workspace: &Path) -> Result<Option<(PathBuf, String)>> {
    let sysroot = ask_rustc(workspace, &["--print", "sysroot"])?;
    let version = ask_rustc(workspace, &["-vV"])?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    Ok(commit.map(|commit| (Path::new(&sysroot).join("lib/rustlib/src/rust"), format!("/rustc/{commit}"))))
}

/// What rustc prints; empty if it fails.
fn ask_rustc(workspace: &Path, question: &[&str]) -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    let output = command.current_dir(workspace).args(question).output();
    let output = output.with_context(|| format!("starting {}", command.get_program().display()))?;
    let answer = if output.status.success() { output.stdout.as_slice() } else { b"" };
    Ok(String::from_utf8_lossy(answer).trim().into())
}

/// The compiler that is used for that workspace, which may choose its own: what `rustc --version` prints there.
pub fn compiler(workspace: &Path) -> String {
    let version = ask_rustc(workspace, &["--version"]).unwrap_or_default();
    if version.is_empty() { "an unknown compiler".into() } else { version }
}

fn cargo_home() -> Option<PathBuf> {
    let given = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    given.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// Add the WebAssembly target if it is missing and rustup can add it.
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
            flags[1..],
            [
                "--remap-path-prefix=/checkout=/glassbox".to_string(),
                format!("--remap-path-prefix={home}=/cargo"),
                format!("--remap-path-prefix={home}/registry/src/mirror.example-0123456789abcdef=/cargo/registry"),
            ]
        );
    }
}
