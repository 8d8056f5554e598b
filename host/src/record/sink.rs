//! The file that a recording is written to: accessible to its owner only, never larger than its limit, and with complete
//! calls only.

use super::format::{self, Header};
use anyhow::{Context, Result};
use glassbox_util::Advised;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The default of a recording's largest size, in bytes.
pub const LIMIT: u64 = 64 << 20;

/// Bytes that are kept free for the last line.
const LAST: u64 = 64;

/// A recording that is being written. Clones write to the same file; when the last one is dropped, it is closed.
#[derive(Clone)]
pub struct Sink(Arc<Inner>);

struct Inner {
    path: PathBuf,
    limit: u64,
    redacts: bool,
    since: Instant,
    instance_ids: AtomicU64,
    open: AtomicBool,
    file: Mutex<(File, u64)>,
    /// Its size with only the header, in bytes.
    empty: u64,
}

impl Sink {
    /// Begin a recording of at most `limit` bytes. If `redacts` is true, its texts are to be stand-ins.
    ///
    /// # Errors
    /// When the file exists already, with advice; or when it cannot be made.
    pub fn create(path: &Path, limit: u64, redacts: bool) -> Result<Self> {
        let file = private().create_new(true).open(path);
        let mut file = match file {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let what = format!("{} already exists", path.display());
                return Err(Advised::new(what, "choose another name for the recording, or remove it").into());
            }
            file => file.with_context(|| format!("the recording cannot be written to {}", path.display()))?,
        };
        let header = format::header(&Header::new(redacts, false));
        file.write_all(header.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self(Arc::new(Inner {
            path: path.into(),
            limit,
            redacts,
            since: Instant::now(),
            instance_ids: AtomicU64::new(0),
            open: AtomicBool::new(true),
            file: Mutex::new((file, header.len() as u64)),
            empty: header.len() as u64,
        })))
    }

    /// End the recording. Calls that are still going on are not waited for.
    pub fn close(&self) {
        self.0.close();
    }

    pub(super) fn redacts(&self) -> bool {
        self.0.redacts
    }

    pub(super) fn since(&self) -> Instant {
        self.0.since
    }

    pub(super) fn next_instance_id(&self) -> u64 {
        self.0.instance_ids.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether it is still open.
    pub(super) fn takes(&self) -> bool {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Write the lines of a call. If it is full, it ends here; errors are logged, and end it, too.
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
                "the recording {} is full at {written} bytes, and ends here; --record-limit allows more",
                path.display()
            );
        } else if let Err(error) = file.write_all(lines.as_bytes()) {
            open.store(false, Ordering::Relaxed);
            tracing::warn!("the recording {} cannot be written, and ends here: {error}", path.display());
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
        // If the host could not even start, the file would be in the way of the next attempt.
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

/// Options to write a file that only its owner can access.
fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
