//! Files that others may touch at the same time: reading within bounds, and writing so that a reader
//! sees the old content or the new, and a crash loses neither.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// The bytes of a file that must not have more than `most`.
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
/// When it cannot be read, is a pipe, a socket or a device, or has more.
pub fn read_bounded(file: &Path, most: usize) -> io::Result<Vec<u8>> {
    const MIB: usize = 1 << 20;
    let mut bytes = Vec::new();
    open_regular(file)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let most = if most.is_multiple_of(MIB) { format!("{} MiB", most / MIB) } else { format!("{most} bytes") };
        return Err(io::Error::other(format!("it has more than {most}, the most that is read")));
    }
    Ok(bytes)
}

/// Open a file that somebody dropped somewhere. A pipe would keep us waiting for whoever writes to it,
/// a device has no end, and just opening one may do something.
///
/// # Errors
/// When it cannot be opened, or is a pipe, a socket or a device. A folder opens, and fails to be read.
pub fn open_regular(file: &Path) -> io::Result<File> {
    let check = |metadata: &fs::Metadata| match metadata.is_file() || metadata.is_dir() {
        true => Ok(()),
        false => Err(io::Error::other("it is a pipe, a socket or a device, not a regular file")),
    };
    check(&fs::metadata(file)?)?;
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::libc::O_NONBLOCK);
    let open = options.read(true).open(file)?;
    // It may have been replaced in between.
    check(&open.metadata()?)?;
    Ok(open)
}

/// Refuse a file that others can read, with the command that fixes it. `what` is in it, for the message.
///
/// # Errors
/// When others can read it, it is not a regular file, or it cannot be looked at.
pub fn must_be_private(file: &Path, what: &str) -> Result<()> {
    let metadata = fs::metadata(file).with_context(|| format!("{what} in {}", file.display()))?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        bail!("others can read {what} in {}; run 'chmod 600 {}'", file.display(), file.display());
    }
    if !metadata.is_file() {
        bail!("{what} in {}: it is not a regular file", file.display());
    }
    Ok(())
}

/// Make a folder, and those above it.
///
/// # Errors
/// When it cannot be made; the message names it.
pub fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))
}

/// Remove a file; false if there was none.
///
/// # Errors
/// When it is there and cannot be removed; the message names it.
pub fn remove(file: &Path) -> Result<bool> {
    match fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("removing {}", file.display())),
    }
}

/// Write to a temporary name beside the file, then rename: whoever reads sees the old content or the new.
/// Returns once the disk has it.
///
/// # Errors
/// When it cannot be written; the message names the file. The old content is still there.
pub fn write_atomically(file: &Path, content: &[u8]) -> Result<()> {
    replace(file, content, 0o666, File::sync_all)
}

/// The same without waiting for the disk: if the machine crashes, the new content may be lost.
///
/// # Errors
/// As [`write_atomically`].
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
