//! Files that stay open from line to line, since opening one costs more than writing a line; whether an open
//! file is still the one in the folder; and the lock between processes.

use anyhow::{Context, Result, bail};
use glassbox_util::files::{StandIn, cannot_lock, make_folder, open_own, open_own_with};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long to wait for another process that has the lock: it writes two lines, or checks 32 MiB.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// An open file and its path.
pub(super) struct OpenFile {
    file: File,
    path: PathBuf,
    /// Device and inode, to recognize another file of the same name.
    id: Option<(u64, u64)>,
}

impl OpenFile {
    pub(super) fn open(path: PathBuf, options: &mut OpenOptions) -> Result<Self> {
        let mut open = || {
            let file = open_own_with(&path, options)?;
            let id = id(&file.metadata()?);
            Ok::<_, std::io::Error>((file, id))
        };
        let (file, id) = open().with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { file, path, id })
    }

    /// Its length in bytes, if its path still leads to it.
    pub(super) fn length(&self) -> Option<u64> {
        let found = fs::metadata(&self.path).ok()?;
        (found.is_file() && id(&found) == self.id).then_some(found.len())
    }

    /// Whether it begins with these bytes.
    pub(super) fn begins_with(&mut self, expected: &[u8]) -> bool {
        let mut bytes = vec![0; expected.len()];
        self.file.rewind().is_ok() && self.file.read_exact(&mut bytes).is_ok() && bytes == expected
    }

    /// Overwrite its beginning, with one call.
    pub(super) fn write_first(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.rewind().and_then(|()| self.file.write_all(bytes));
        written.with_context(|| format!("writing {}", self.path.display()))
    }

    /// Append to it, with one call. It must have been opened for that.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).with_context(|| format!("writing {}", self.path.display()))
    }

    /// Truncate it to so many bytes.
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
        // The path has to do.
        let _ = metadata;
        None
    }
}

/// The lock between processes, held until this is dropped.
pub(super) struct Lock {
    file: Arc<File>,
    /// What is held in its place where files cannot be locked.
    stand_in: Option<StandIn>,
}

impl Lock {
    /// Open the file that is locked; the folder is made if it is missing.
    pub(super) fn file(folder: &Path) -> Result<Arc<File>> {
        let path = folder.join("lock");
        let open = || open_own(&path);
        let opened = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_folder(folder)?;
                open()
            }
            opened => opened,
        };
        let file = opened.with_context(|| format!("writing {}", path.display()))?;
        // If others could open it, they could hold it for ever, and nothing would be written.
        #[cfg(unix)]
        if let Ok(found) = file.metadata()
            && found.permissions().mode() & 0o077 != 0
        {
            let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
        }
        Ok(Arc::new(file))
    }

    /// Lock the file, which is in this folder.
    pub(super) fn take(file: Arc<File>, folder: &Path) -> Result<Self> {
        let end = Instant::now() + LOCK_TIMEOUT;
        loop {
            let locked = match file.try_lock() {
                Err(TryLockError::Error(error)) if cannot_lock(&error) => {
                    match StandIn::try_take(&folder.join("lock.held")).context("locking the journal")? {
                        Some(held) => return Ok(Self { file, stand_in: Some(held) }),
                        None => Err(TryLockError::WouldBlock),
                    }
                }
                locked => locked,
            };
            match locked {
                Ok(()) => return Ok(Self { file, stand_in: None }),
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
                Err(TryLockError::WouldBlock) => {
                    bail!("another process has kept the journal locked for {LOCK_TIMEOUT:?}")
                }
                Err(TryLockError::Error(error)) => return Err(error).context("locking the journal"),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.stand_in.is_none() {
            // If that fails, closing the file unlocks it.
            let _ = self.file.unlock();
        }
    }
}
