//! Files that stay open from line to line, since opening them costs more than writing a line; and
//! whether what is open is still what lies in the folder.

use super::folder;
use anyhow::{Context, Result, bail};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long another process may hold the lock: it writes two lines, or checks 32 MiB.
const LOCK: Duration = Duration::from_secs(5);

/// An open file, and its name.
pub(super) struct OpenFile {
    file: File,
    path: PathBuf,
    /// What tells it from other files of that name.
    id: Option<(u64, u64)>,
}

impl OpenFile {
    pub(super) fn open(path: PathBuf, options: &OpenOptions) -> Result<Self> {
        let open = || {
            let file = options.open(&path)?;
            let id = id(&file.metadata()?);
            Ok::<_, std::io::Error>((file, id))
        };
        let (file, id) = open().with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { file, path, id })
    }

    /// Its length, if it is still what is found under its name.
    pub(super) fn length(&self) -> Option<u64> {
        let found = fs::metadata(&self.path).ok()?;
        (found.is_file() && id(&found) == self.id).then_some(found.len())
    }

    /// Whether it begins with these bytes.
    pub(super) fn begins_with(&mut self, expected: &[u8]) -> bool {
        let mut bytes = vec![0; expected.len()];
        self.file.rewind().is_ok() && self.file.read_exact(&mut bytes).is_ok() && bytes == expected
    }

    /// Write over its beginning, with one call.
    pub(super) fn write_first(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.rewind().and_then(|()| self.file.write_all(bytes));
        written.with_context(|| format!("writing {}", self.path.display()))
    }

    /// Write behind its end, if it was opened for that.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).with_context(|| format!("writing {}", self.path.display()))
    }

    /// Cut it off.
    pub(super) fn cut(&self, length: u64) -> Result<()> {
        self.file.set_len(length).with_context(|| format!("cutting {}", self.path.display()))
    }
}

fn id(metadata: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        // Names have to do.
        let _ = metadata;
        None
    }
}

/// The lock between processes, taken until this is dropped.
pub(super) struct Lock(Arc<File>);

impl Lock {
    /// The file that is locked; the folder is made where it is missing.
    pub(super) fn file(folder: &Path) -> Result<Arc<File>> {
        let path = folder.join("lock");
        let open = || OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let opened = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                folder::make(folder)?;
                open()
            }
            opened => opened,
        };
        Ok(Arc::new(opened.with_context(|| format!("writing {}", path.display()))?))
    }

    pub(super) fn take(file: Arc<File>) -> Result<Self> {
        let end = Instant::now() + LOCK;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
                Err(TryLockError::WouldBlock) => bail!("another process has kept the journal locked for {LOCK:?}"),
                Err(TryLockError::Error(error)) => return Err(error).context("locking the journal"),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Where that fails it is closed with the file, at the latest.
        let _ = self.0.unlock();
    }
}
