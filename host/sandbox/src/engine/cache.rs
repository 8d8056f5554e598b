//! The cache of compiled code on disk, so that starting a plugin takes a millisecond instead of a compilation.
//!
//! This is the only module with `unsafe`, because loading compiled code means running it. Why that is safe: a
//! file is loaded only if (1) the file and its directory belong to us and nobody else may write to them (owner
//! and mode are checked at every use), (2) its name holds the component's digest and wasmtime's hash of
//! everything that code generation depends on, and (3) it ends with the digest of the bytes before. Directory and
//! file are each opened once, no link is followed to them, and what is checked is what was opened, whatever its path
//! leads to by then. So what is loaded is what this wasmtime wrote, unless somebody already runs code as our user. A
//! file is read once, and the bytes that were checked are those that are loaded, whatever happens to the file.
//!
//! It also remembers which component cannot be compiled within the [limits]: to find that takes a minute. Such a file counts
//! under the same conditions as compiled code; its name holds the limits and this program's version besides, so that it is
//! found out anew where one of them is another. What it says can only keep a component from running.
//!
//! What was just compiled is loaded as it came, whether or not there is such a directory. It comes from `compile`, which is
//! this process, or another one of the same program, over a pipe that nobody else has; no other code is taken.
#![allow(unsafe_code)]

use crate::engine::compile::{Compiled, Failure, compile};
use crate::engine::config::{Purpose, Room};
use crate::{digest, limits};
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::{DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes of a SHA-256 digest in hex.
const DIGEST: usize = 64;

/// The most bytes of a reason for which a component was refused.
const REASON: usize = 1000;

/// Load a component's compiled code from `directory`, or [compile] it and put it there. `digest` is the component's.
/// Where the cache cannot be used it is just compiled: without it a start is slower, no more.
///
/// # Errors
/// What is wrong with the component.
pub fn load(
    engine: &Engine,
    directory: Option<&Path>,
    digest: &str,
    (purpose, room, bytes): (Purpose, Room, &[u8]),
) -> Result<(Component, Compiled), Vec<String>> {
    let directory = directory.and_then(private);
    let file = file_name(engine, digest, (), "cwasm");
    let refusal = refusal_name(engine, digest);
    if let Some(directory) = &directory {
        let kept = read(directory, &file, limits::COMPILED);
        // SAFETY: see the module's documentation. `write` wrote this, running as us.
        if let Some(component) = kept.and_then(|code| unsafe { Component::deserialize(engine, &code) }.ok()) {
            return Ok((component, Compiled::Earlier));
        }
        if let Some(reason) = read(directory, &refusal, REASON) {
            return Err(vec![format!("{}, as was found before", String::from_utf8_lossy(&reason))]);
        }
    }
    let (code, compiled) = compile(purpose, room, bytes).map_err(|failure| match failure {
        Failure::Component(reasons) => reasons,
        Failure::NoProcess(why) => vec![why],
        Failure::Limit(reason) => {
            // If that fails, it is found out again.
            let _ = directory.as_ref().map(|directory| write(directory, &refusal, reason.as_bytes()));
            vec![reason]
        }
    })?;
    // If that fails, the next start compiles again.
    let _ = directory.filter(|_| code.len() <= limits::COMPILED).map(|directory| write(&directory, &file, &code));
    // SAFETY: see the module's documentation; wasmtime checks that it is of this version and configuration.
    let component = unsafe { Component::deserialize(engine, &code) };
    Ok((component.map_err(|error| vec![format!("{error:#}")])?, compiled))
}

/// Open a file in the directory; no link is followed, and no pipe keeps us waiting.
fn open(directory: &File, name: &str, flags: OFlag) -> io::Result<File> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    Ok(openat(directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?.into())
}

/// What we wrote, if it is as we wrote it, of at most so many bytes.
fn read(directory: &File, name: &str, most: usize) -> Option<Vec<u8>> {
    let file = open(directory, name, OFlag::O_RDONLY).ok()?;
    if !file.metadata().ok()?.is_file() || !is_ours(&file, 0o022) {
        return None;
    }
    let mut bytes = Vec::new();
    // One with holes takes no room on the disk, and could take minutes to read.
    file.take((most + DIGEST + 1) as u64).read_to_end(&mut bytes).ok()?;
    let expected = bytes.split_off(bytes.len().checked_sub(DIGEST)?);
    (bytes.len() <= most && digest(&bytes).as_bytes() == expected).then_some(bytes)
}

fn write(directory: &File, name: &str, compiled: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let temporary = format!("{name}.{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    // One that a crash has left has a name of ours.
    let _ = unlinkat(directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
    let mut out = open(directory, &temporary, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL)?;
    out.write_all(compiled)?;
    out.write_all(digest(compiled).as_bytes())?;
    Ok(renameat(directory, temporary.as_str(), directory, name)?)
}

/// The name of what is kept of a component, which depends on all that it depends on: `on`, besides the engine.
fn file_name(engine: &Engine, digest: &str, on: impl Hash, ending: &str) -> String {
    // Of another release of Rust it may be another, and is then just not found.
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    on.hash(&mut hasher);
    format!("{digest}-{:016x}.{ending}", hasher.finish())
}

fn refusal_name(engine: &Engine, digest: &str) -> String {
    let limits = (limits::COMPILE_TIME, limits::COMPILE_MEMORY, limits::COMPILED);
    file_name(engine, digest, (env!("CARGO_PKG_VERSION"), limits), "refused")
}

/// The directory, created if it is missing, and open; none unless it is ours alone.
fn private(directory: &Path) -> Option<File> {
    // If it cannot be created it may be there already.
    let _ = DirBuilder::new().mode(0o700).create(directory);
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = File::from(nix::fcntl::open(directory, flags, Mode::empty()).ok()?);
    is_ours(&open, 0o077).then_some(open)
}

/// Whether it belongs to us and grants none of the `forbidden` permissions.
fn is_ours(open: &File, forbidden: u32) -> bool {
    let found = open.metadata();
    found.is_ok_and(|found| found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & forbidden == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config_for;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// The smallest component.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn what_is_loaded_is_what_was_checked() {
        let root = std::env::temp_dir().join(format!("glassbox-cache-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        let (cache, other) = (root.join("cache"), root.join("other"));
        let engine = Engine::new(&config_for(Purpose::Run, Room::Large)).unwrap();
        let compiled = Component::from_binary(&engine, EMPTY).unwrap().serialize().unwrap();
        let directory = private(&cache).unwrap();
        write(&directory, "code", &compiled).unwrap();
        let code = |name| read(&directory, name, limits::COMPILED);
        assert_eq!(code("code"), Some(compiled.clone()));
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1, "no temporary file is left");

        // Somebody puts another directory in its place, and we stay with the one that was opened.
        fs::rename(&cache, &other).unwrap();
        fs::create_dir(&cache).unwrap();
        assert!(code("code").is_some());
        write(&directory, "more", &compiled).unwrap();
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
        assert!(other.join("more").exists());

        // Whatever it is, it is not run, and nothing waits for it.
        symlink("code", other.join("link")).unwrap();
        nix::unistd::mkfifo(&other.join("pipe"), Mode::S_IRWXU).unwrap();
        fs::create_dir(other.join("folder")).unwrap();
        fs::copy(other.join("code"), other.join("writable")).unwrap();
        fs::set_permissions(other.join("writable"), fs::Permissions::from_mode(0o620)).unwrap();
        let mut cut = fs::read(other.join("code")).unwrap();
        cut.truncate(cut.len() - 1);
        fs::write(other.join("cut"), cut).unwrap();
        // Hashing it would take minutes; nothing of it is read.
        File::create(other.join("huge")).unwrap().set_len(1 << 40).unwrap();
        fs::set_permissions(other.join("huge"), fs::Permissions::from_mode(0o600)).unwrap();
        let began = std::time::Instant::now();
        for name in ["link", "pipe", "folder", "writable", "cut", "huge", "none"] {
            assert!(code(name).is_none(), "{name}");
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
        // A link where the file is written is replaced, and not followed.
        let outside = root.join("outside");
        fs::write(&outside, "untouched").unwrap();
        symlink(&outside, other.join("planted")).unwrap();
        write(&directory, "planted", &compiled).unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"untouched");
        assert!(code("planted").is_some());

        // The same holds for what was refused.
        let name = refusal_name(&engine, "1234");
        let refused = |name: &str| read(&directory, name, REASON);
        assert_eq!(refused(&name), None);
        write(&directory, &name, b"too long").unwrap();
        assert_eq!(refused(&name).as_deref(), Some(&b"too long"[..]));
        assert_eq!(refused(&refusal_name(&engine, "5678")), None);
        fs::set_permissions(other.join(&name), fs::Permissions::from_mode(0o620)).unwrap();
        assert_eq!(refused(&name), None);
        // Even one that is whole has an end.
        [REASON, REASON + 1]
            .into_iter()
            .for_each(|length| write(&directory, &length.to_string(), &vec![b'x'; length]).unwrap());
        assert_eq!((refused("1000").map(|reason| reason.len()), refused("1001")), (Some(REASON), None));
        fs::write(other.join("short"), "too short").unwrap();
        fs::write(other.join("other"), format!("too long{}", digest(b"too short"))).unwrap();
        symlink(&name, other.join("leads")).unwrap();
        for name in ["short", "other", "leads", "pipe", "huge"] {
            assert_eq!(refused(name), None, "{name}");
        }

        // Neither a link nor a directory that others can use is one of ours.
        symlink(&other, root.join("linked")).unwrap();
        assert!(private(&root.join("linked")).is_none());
        fs::set_permissions(&other, fs::Permissions::from_mode(0o710)).unwrap();
        assert!(private(&other).is_none());
        fs::remove_dir_all(root).unwrap();
    }
}
