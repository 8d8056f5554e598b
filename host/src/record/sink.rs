//! The file that a recording is written to: for its owner only, never beyond its limit, whole calls only.

use super::format::{self, Header};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// As much is recorded, if nothing else is said.
pub const LIMIT: u64 = 64 << 20;

/// Kept free for the last line.
const LAST: u64 = 64;

/// A recording that is being written; clones write to the same. When the last is gone it is closed.
#[derive(Clone)]
pub struct Sink(Arc<Inner>);

struct Inner {
    path: PathBuf,
    limit: u64,
    scrubs: bool,
    since: Instant,
    lives: AtomicU64,
    open: AtomicBool,
    file: Mutex<(File, u64)>,
    /// Its size with nothing in it.
    empty: u64,
}

impl Sink {
    /// Begin a recording. `scrubs`: texts are replaced by stand-ins.
    ///
    /// # Errors
    /// When the file is there already, or cannot be made.
    pub fn create(path: &Path, limit: u64, scrubs: bool) -> Result<Self> {
        let file = private().create_new(true).open(path);
        let mut file = match file {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                anyhow::bail!(
                    "{} is there already; choose another name for the recording, or remove it",
                    path.display()
                )
            }
            file => file.with_context(|| format!("the recording cannot be written to {}", path.display()))?,
        };
        let header = format::header(&Header::new(scrubs, false));
        file.write_all(header.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self(Arc::new(Inner {
            path: path.into(),
            limit,
            scrubs,
            since: Instant::now(),
            lives: AtomicU64::new(0),
            open: AtomicBool::new(true),
            file: Mutex::new((file, header.len() as u64)),
            empty: header.len() as u64,
        })))
    }

    /// The end: what is still at work is not waited for.
    pub fn close(&self) {
        self.0.close();
    }

    pub(super) fn scrubs(&self) -> bool {
        self.0.scrubs
    }

    pub(super) fn since(&self) -> Instant {
        self.0.since
    }

    pub(super) fn next_life(&self) -> u64 {
        self.0.lives.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether it still records.
    pub(super) fn takes(&self) -> bool {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Write the lines of a call.
    pub fn write(&self, lines: &str) {
        let Inner { path, limit, open, file, .. } = &*self.0;
        let mut guard = file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, written) = &mut *guard;
        if !self.takes() {
            return;
        }
        if *written + lines.len() as u64 + LAST > *limit {
            let _ = file.write_all(format::end("full").as_bytes());
            open.store(false, Ordering::Relaxed);
            tracing::warn!(
                "the recording {} is full with {written} bytes, and ends here; --record-limit allows more",
                path.display()
            );
        } else if let Err(error) = file.write_all(lines.as_bytes()) {
            open.store(false, Ordering::Relaxed);
            tracing::warn!("the recording {} ends here, it cannot be written: {error}", path.display());
        }
        *written += lines.len() as u64;
    }
}

impl Inner {
    fn close(&self) {
        let mut guard = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, written) = &mut *guard;
        if self.open.swap(false, Ordering::Relaxed) {
            let _ = file.write_all(format::end("stopped").as_bytes());
        }
        // A host that could not even start would be in its own way the next time.
        if *written == self.empty {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Write a file for its owner only, in place of what was there.
///
/// # Errors
/// When it cannot be written; what was there before is still there.
pub fn write_privately(path: &Path, content: &[u8]) -> Result<()> {
    let fail = || format!("writing {}", path.display());
    let folder = path.parent().with_context(fail)?;
    fs::create_dir_all(folder).with_context(fail)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    // One that a killed host left would keep its mode.
    let _ = fs::remove_file(&temporary);
    let written = private().create_new(true).open(&temporary).and_then(|mut file| file.write_all(content));
    let written = written.and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(fail)
}
