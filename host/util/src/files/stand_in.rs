//! What stands in for a lock where files cannot be locked: on NFS without its lock service, on some FUSE and 9p mounts,
//! and where a container's seccomp profile forbids it.

use super::open_own_with;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// One that is older than this was left by a process that was killed: a lock is held for the time it takes to write a file.
const LEFT: Duration = Duration::from_secs(60);

/// Whether this error of locking means that files cannot be locked here at all.
pub fn cannot_lock(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use nix::libc::{ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM};
        // The last one is how seccomp forbids what it does not know.
        error.raw_os_error().is_some_and(|number| [ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM].contains(&number))
    }
    #[cfg(not(unix))]
    {
        error.kind() == ErrorKind::Unsupported
    }
}

/// A file that is there while its maker works; for moments only. It is removed when this is dropped.
#[derive(Debug)]
pub struct StandIn(PathBuf);

impl StandIn {
    /// Make the file; none if another process has it.
    ///
    /// # Errors
    /// When it cannot be made. The message does not name it.
    pub fn try_take(file: &Path) -> io::Result<Option<Self>> {
        match open_own_with(file, File::options().write(true).create_new(true)) {
            Ok(_) => Ok(Some(Self(file.into()))),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let made = fs::symlink_metadata(file).and_then(|found| found.modified());
                let age = made.ok().and_then(|made| SystemTime::now().duration_since(made).ok());
                if age.is_some_and(|age| age > LEFT) {
                    fs::remove_file(file)?;
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // If that fails, it is taken for one that was left.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_has_it_and_one_that_was_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lock.held");
        let held = StandIn::try_take(&file).unwrap().expect("nobody has it");
        assert!(StandIn::try_take(&file).unwrap().is_none());
        drop(held);
        assert!(!file.exists());

        let left = File::create(&file).unwrap();
        left.set_modified(SystemTime::now() - LEFT - Duration::from_secs(1)).unwrap();
        assert!(StandIn::try_take(&file).unwrap().is_none(), "it is only removed");
        assert!(StandIn::try_take(&file).unwrap().is_some());
        assert!(StandIn::try_take(&folder.path().join("none/lock.held")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_somebody_has_is_not_one_that_cannot_be_had() {
        use nix::libc::{EINTR, ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM, EWOULDBLOCK};
        let number = io::Error::from_raw_os_error;
        for cannot in [ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM] {
            assert!(cannot_lock(&number(cannot)), "{cannot}");
        }
        assert!(!cannot_lock(&number(EWOULDBLOCK)) && !cannot_lock(&number(EINTR)));
    }
}
