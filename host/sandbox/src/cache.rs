//! Compiled code on disk, so that a start takes a millisecond and not a compilation.
//!
//! The one module with `unsafe`: loading compiled code means running it. Its argument: a file is
//! loaded only if (1) it and its directory are ours, and nobody else may write to them (owners and
//! modes are checked at each use), (2) its name carries the digest of the component and wasmtime's
//! hash of everything that code generation depends on, and (3) its bytes have the digest that the
//! file itself begins with; so what is loaded is, up to somebody who already runs code as us, what
//! this wasmtime wrote.
//! The bytes that are checked are the bytes that are loaded: the file is read once.
#![allow(unsafe_code)]

use crate::{check::compilable, engine::digest};
use std::fs::Metadata;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Length of a digest in hex.
const DIGEST: usize = 64;

/// Load the component from `directory`, or compile it and put it there. The cache is an aid: where
/// it cannot be used, the component is compiled, and nothing is said.
pub fn load(engine: &Engine, directory: Option<&Path>, bytes: &[u8], name: &str) -> Result<Component, Vec<String>> {
    let file = directory.and_then(private).map(|directory| directory.join(file_name(engine, name)));
    if let Some(component) = file.as_deref().and_then(|file| read(engine, file)) {
        return Ok(component);
    }
    compilable(bytes)?;
    // A compiler is large: one that gives up on somebody's file must not end the host.
    let compiled = catch_unwind(AssertUnwindSafe(|| Component::from_binary(engine, bytes)));
    let compiled = compiled.map_err(|_| vec!["the compiler gave up on it".into()])?;
    let component = compiled.map_err(|error| vec![format!("{error:#}")])?;
    if let Some(file) = file
        && let Ok(compiled) = component.serialize()
    {
        // Without the cache the next start is slower, no more.
        let _ = write(&file, &compiled);
    }
    Ok(component)
}

fn read(engine: &Engine, file: &Path) -> Option<Component> {
    // The directory is ours alone: nobody exchanges the file between this and the reading.
    let found = std::fs::symlink_metadata(file).ok()?;
    if !found.is_file() || !is_ours(&found, 0o022) {
        return None;
    }
    let content = std::fs::read(file).ok()?;
    let (expected, compiled) = content.split_at_checked(DIGEST)?;
    if digest(compiled).as_bytes() != expected {
        return None;
    }
    // SAFETY: see the module's documentation; `compiled` was written by `write`, by us.
    unsafe { Component::deserialize(engine, compiled) }.ok()
}

fn write(file: &Path, compiled: &[u8]) -> std::io::Result<()> {
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = std::fs::File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.write(true).create(true).truncate(true).open(&temporary)?;
    out.write_all(digest(compiled).as_bytes())?;
    out.write_all(compiled)?;
    drop(out);
    std::fs::rename(&temporary, file)
}

fn file_name(engine: &Engine, name: &str) -> String {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{name}-{:016x}.cwasm", hasher.finish())
}

/// The directory, made where it is missing, if it is ours alone.
fn private(directory: &Path) -> Option<PathBuf> {
    #[cfg(unix)]
    if !directory.exists() {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().mode(0o700).create(directory).ok()?;
    }
    let found = std::fs::symlink_metadata(directory).ok()?;
    (found.is_dir() && is_ours(&found, 0o077)).then(|| directory.to_path_buf())
}

/// Whether it belongs to us, and has none of these permissions.
#[cfg(unix)]
fn is_ours(found: &Metadata, forbidden: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & forbidden == 0
}

/// Elsewhere there is no such check, and so no cache.
#[cfg(not(unix))]
fn is_ours(_: &Metadata, _: u32) -> bool {
    false
}

/// FNV-1a: the same in every build, as `DefaultHasher` does not promise to be.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn finish(&self) -> u64 {
        self.0
    }
}
