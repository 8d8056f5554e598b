//! Compiled code on disk, so that a start takes a millisecond and not a compilation.
//!
//! The one module with `unsafe`: loading compiled code means running it. Its argument: a file is
//! loaded only if (1) it and its directory are ours, and nobody else may write to them (owners and
//! modes are checked at each use), (2) its name carries the digest of the component and wasmtime's
//! hash of everything that code generation depends on, and (3) its bytes have the digest that the
//! file itself ends with; so what is loaded is, up to somebody who already runs code as us, what
//! this wasmtime wrote. A file is complete when it gets its name, and nothing writes to it after
//! that, so what was checked is what is mapped; mapping spares a copy of half a megabyte.
#![allow(unsafe_code)]

use crate::check::compilable;
use crate::{digest, hex};
use sha2::{Digest, Sha256};
use std::fs::Metadata;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Length of a digest in hex.
const DIGEST: u64 = 64;

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
    if !found.is_file() || !is_ours(&found, 0o022) || !is_whole(file, found.len()).ok()? {
        return None;
    }
    // SAFETY: see the module's documentation; the file was written by `write`, by us.
    unsafe { Component::deserialize_file(engine, file) }.ok()
}

/// Whether the file of this length ends with the digest of what stands before it.
fn is_whole(file: &Path, length: u64) -> std::io::Result<bool> {
    let mut file = std::fs::File::open(file)?;
    let mut hasher = Sha256::new();
    // Piece by piece: the whole would be as much memory again as the code itself.
    let mut piece = [0; 16 << 10];
    let mut compiled = (&mut file).take(length.saturating_sub(DIGEST));
    while let read @ 1.. = compiled.read(&mut piece)? {
        hasher.update(&piece[..read]);
    }
    let mut expected = Vec::new();
    file.take(DIGEST + 1).read_to_end(&mut expected)?;
    Ok(hex(&hasher.finalize()).as_bytes() == expected)
}

fn write(file: &Path, compiled: &[u8]) -> std::io::Result<()> {
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = std::fs::File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.write(true).create(true).truncate(true).open(&temporary)?;
    out.write_all(compiled)?;
    out.write_all(digest(compiled).as_bytes())?;
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
