//! Compiled code on disk, so that a start takes a millisecond and not a compilation.
//!
//! The one module with `unsafe`: loading compiled code means running it. Its argument: a file is
//! loaded only if (1) its directory is ours alone (created 0700, owner and mode checked at each
//! use), (2) its name carries the digest of the component and wasmtime's hash of everything that
//! code generation depends on, and (3) its bytes have the digest that the file itself begins with;
//! so what is loaded is, up to somebody who already runs code as us, what this wasmtime wrote.
//! The bytes that are checked are the bytes that are loaded: the file is read once.
#![allow(unsafe_code)]

use crate::engine::digest;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Length of a digest in hex.
const DIGEST: usize = 64;

/// Load the component from `directory`, or compile it and put it there. The cache is an aid: where
/// it cannot be used, the component is compiled, and nothing is said.
pub fn load(engine: &Engine, directory: Option<&Path>, bytes: &[u8], name: &str) -> wasmtime::Result<Component> {
    let file = directory.and_then(private).map(|directory| directory.join(file_name(engine, name)));
    if let Some(component) = file.as_deref().and_then(|file| read(engine, file)) {
        return Ok(component);
    }
    let component = Component::from_binary(engine, bytes)?;
    if let Some(file) = file
        && let Ok(compiled) = component.serialize()
    {
        // Without the cache the next start is slower, no more.
        let _ = write(&file, &compiled);
    }
    Ok(component)
}

fn read(engine: &Engine, file: &Path) -> Option<Component> {
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
    let mut out = std::fs::File::create(&temporary)?;
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

/// Whether the directory is ours alone; makes it where it is missing.
#[cfg(unix)]
fn private(directory: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    if !directory.exists() {
        std::fs::DirBuilder::new().mode(0o700).create(directory).ok()?;
    }
    let found = std::fs::symlink_metadata(directory).ok()?;
    // A file that we make is ours: compare with that, since std has no getuid.
    let own = std::fs::metadata(directory.parent()?).ok()?.uid();
    (found.is_dir() && found.mode() & 0o077 == 0 && found.uid() == own).then(|| directory.to_path_buf())
}

/// Elsewhere there is no such check, and so no cache.
#[cfg(not(unix))]
fn private(_: &Path) -> Option<PathBuf> {
    None
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
