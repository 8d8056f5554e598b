//! Files that somebody else may use at the same time: reading with a limit, and writing so that a reader sees the old
//! content or the new, and a crash loses neither. Which files there are, and what is in them, is not known here.

use crate::Advised;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// Read a file of at most `most` bytes.
///
/// ```
/// use glassbox_util::files::{read_bounded, write_atomically};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("note");
/// write_atomically(&file, b"hello")?;
/// assert_eq!(read_bounded(&file, 5)?, b"hello");
/// assert!(read_bounded(&file, 4).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When it cannot be read, is a pipe, a socket or a device, or has more bytes. The message does not name the file.
pub fn read_bounded(file: &Path, most: usize) -> io::Result<Vec<u8>> {
    const MIB: usize = 1 << 20;
    let mut bytes = Vec::new();
    open_regular(file)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let most = if most.is_multiple_of(MIB) { format!("{} MiB", most / MIB) } else { format!("{most} bytes") };
        return Err(io::Error::other(format!("it has more than {most}, which is the limit")));
    }
    Ok(bytes)
}

/// Open a file for reading that may be anything, as somebody else put it there. A pipe could keep us waiting for ever,
/// a device has no end, and even opening one can have effects.
///
/// # Errors
/// When it cannot be opened, or is a pipe, a socket or a device. (A folder can be opened; reading it fails.) The
/// message does not name the file.
fn open_regular(file: &Path) -> io::Result<File> {
    let check = |metadata: &fs::Metadata| match metadata.is_file() || metadata.is_dir() {
        true => Ok(()),
        false => Err(io::Error::other("it is a pipe, a socket or a device, not a regular file")),
    };
    check(&fs::metadata(file)?)?;
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::libc::O_NONBLOCK);
    let open = options.read(true).open(file)?;
    // It may have been replaced since the first check.
    check(&open.metadata()?)?;
    Ok(open)
}

/// Check that only its owner can read a file that holds a secret. `what` names the secret in messages: `the API key`.
///
/// # Errors
/// When others can read it (an [`Advised`] with the command that changes that), it is not a regular file, or there is
/// none. The message names the file.
pub fn must_be_private(file: &Path, what: &str) -> Result<()> {
    let metadata = fs::metadata(file).with_context(|| format!("{what} in {}", file.display()))?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        let file = file.display();
        return Err(Advised::new(format!("others can read {what} in {file}"), format!("run 'chmod 600 {file}'")).into());
    }
    ensure!(metadata.is_file(), "{what} in {}: it is not a regular file", file.display());
    Ok(())
}

/// Create a folder, and those above it, unless they exist.
///
/// # Errors
/// When it cannot be created; the message names it.
pub fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))
}

/// Remove a file. Returns false if there was none.
///
/// # Errors
/// When it exists and cannot be removed; the message names it.
pub fn remove(file: &Path) -> Result<bool> {
    match fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("removing {}", file.display())),
    }
}

/// Replace a file's content. It is written under a temporary name beside the file and renamed, so that readers see
/// either the old content or the new. Returns when it is on the disk.
///
/// # Errors
/// When it cannot be written; the message names the file, which keeps its old content.
pub fn write_atomically(file: &Path, content: &[u8]) -> Result<()> {
    replace(file, content, 0o666, File::sync_all)
}

/// Like [`write_atomically`], without waiting for the disk: if the machine crashes, the new content may be lost.
///
/// # Errors
/// As for [`write_atomically`].
pub fn write_without_sync(file: &Path, content: &[u8]) -> Result<()> {
    replace(file, content, 0o666, |_| Ok(()))
}

/// Like [`write_without_sync`], but only its owner can read the file, also if others could before.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_privately(file: &Path, content: &[u8]) -> Result<()> {
    replace(file, content, 0o600, |_| Ok(()))
}

/// `mode` are the file's permissions on Unix, before the process's umask.
fn replace(file: &Path, content: &[u8], mode: u32, sync: impl FnOnce(&File) -> io::Result<()>) -> Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut temporary = builder.tempfile_in(folder)?;
        temporary.write_all(content)?;
        sync(temporary.as_file())?;
        temporary.persist(file)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_content_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        write_atomically(&file, b"old").unwrap();
        assert!(replace(&file, b"new", 0o666, |_| Err(io::Error::other("the disk is full"))).is_err());
        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write_atomically(&folder.path().join("gone/settings.json"), b"x").unwrap_err();
        assert!(error.to_string().contains("gone/settings.json"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_a_regular_file_is_refused() {
        let error = read_bounded(Path::new("/dev/zero"), 10).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        assert!(must_be_private(folder.path(), "the key").is_err());
        let file = folder.path().join("key");
        write_atomically(&file, b"secret").unwrap();
        let mode = |mode| fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        mode(0o640);
        let error = must_be_private(&file, "the key").unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        mode(0o600);
        must_be_private(&file, "the key").unwrap();
        mode(0o644);
        write_privately(&file, b"secret").unwrap();
        must_be_private(&file, "the key").unwrap();
        assert!(remove(&file).unwrap() && !remove(&file).unwrap());
    }
}
