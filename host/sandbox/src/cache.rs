//! The cache of compiled code on disk, so that starting a plugin takes a millisecond instead of a compilation.
//!
//! This is the only module with `unsafe`, because loading compiled code means running it. Why that is safe: a
//! file is loaded only if (1) the file and its directory belong to us and nobody else may write to them (owner
//! and mode are checked at every use), (2) its name holds the component's digest and wasmtime's hash of
//! everything that code generation depends on, and (3) it ends with the digest of the bytes before. So what is
//! loaded is what this wasmtime wrote, unless somebody already runs code as our user. A file is complete when it
//! gets its name, and nothing writes to it afterwards, so the bytes that were checked are those that are mapped.
//! (They are mapped to avoid a copy of half a megabyte.)
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

/// Bytes of a SHA-256 digest in hex.
const DIGEST: u64 = 64;

/// Load the component's compiled code from `directory`, or compile it and put it there. `name` is the digest of
/// `bytes`. Where the cache cannot be used the component is just compiled: without it a start is slower, no more.
///
/// # Errors
/// Why it does not compile, one entry for each reason.
pub fn load(engine: &Engine, directory: Option<&Path>, bytes: &[u8], name: &str) -> Result<Component, Vec<String>> {
    let file = directory.and_then(private).map(|directory| directory.join(file_name(engine, name)));
    if let Some(component) = file.as_deref().and_then(|file| read(engine, file)) {
        return Ok(component);
    }
    compilable(bytes)?;
    // A compiler is large: a panic in it, over somebody's file, must not end the host.
    let compiled = catch_unwind(AssertUnwindSafe(|| Component::from_binary(engine, bytes)));
    let compiled = compiled.map_err(|_| vec!["the compiler panicked".into()])?;
    let component = compiled.map_err(|error| vec![format!("{error:#}")])?;
    if let Some(file) = file
        && let Ok(compiled) = component.serialize()
    {
        // If that fails, the next start compiles again.
        let _ = write(&file, &compiled);
    }
    Ok(component)
}

fn read(engine: &Engine, file: &Path) -> Option<Component> {
    // The directory is ours alone, so nobody replaces the file between this check and reading it.
    let found = std::fs::symlink_metadata(file).ok()?;
    if !found.is_file() || !is_ours(&found, 0o022) || !is_whole(file, found.len()).ok()? {
        return None;
    }
    // SAFETY: the checks above; see the module's documentation. `write` wrote this file, running as us.
    unsafe { Component::deserialize_file(engine, file) }.ok()
}

/// Whether the file, `length` bytes long, ends with the digest of the bytes before that.
fn is_whole(file: &Path, length: u64) -> std::io::Result<bool> {
    let mut file = std::fs::File::open(file)?;
    let mut hasher = Sha256::new();
    // In pieces: read as a whole, it would take as much memory again as the code itself.
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

/// The directory, created if it is missing; none unless it is ours alone.
fn private(directory: &Path) -> Option<PathBuf> {
    #[cfg(unix)]
    if !directory.exists() {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().mode(0o700).create(directory).ok()?;
    }
    let found = std::fs::symlink_metadata(directory).ok()?;
    (found.is_dir() && is_ours(&found, 0o077)).then(|| directory.to_path_buf())
}

/// Whether it belongs to us and grants none of the `forbidden` permissions.
#[cfg(unix)]
fn is_ours(found: &Metadata, forbidden: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & forbidden == 0
}

/// Elsewhere there is no such check, so there is no cache.
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
