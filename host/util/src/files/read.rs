//! Reading what somebody else may have put there: it may be anything, of any size.

use std::fs::{File, Metadata};
use std::io::{self, Read};
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
    let (mut open, length) = open_with_length(file)?;
    let length = usize::try_from(length).unwrap_or(most).min(most);
    let mut bytes = vec![0; length + 1];
    let read = open.read(&mut bytes)?;
    bytes.truncate(read);
    // As many bytes as it should have are all of it, where there was room for more. Files of /proc say that they have
    // none, and some file systems give less than they are asked for.
    if read != length {
        open.take((most + 1 - read) as u64).read_to_end(&mut bytes)?;
    }
    if bytes.len() > most {
        let most = if most.is_multiple_of(MIB) { format!("{} MiB", most / MIB) } else { format!("{most} bytes") };
        return Err(io::Error::other(format!("it has more than {most}, which is the limit")));
    }
    Ok(bytes)
}

/// Open a file for reading that may be anything, as somebody else put it there: a pipe could keep us waiting for ever,
/// and a device has no end. Whatever such a file may be goes through here.
///
/// # Errors
/// When it cannot be opened, or is a pipe, a socket or a device. (A folder can be opened; reading it fails.) The
/// message does not name the file.
pub fn open_regular(file: &Path) -> io::Result<File> {
    open_with_length(file).map(|(open, _)| open)
}

/// Whether there may be a file that only we are not allowed to read.
pub fn is_denied(file: &Path) -> bool {
    open_regular(file).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// The same as [`open_regular`], and how many bytes it has.
fn open_with_length(file: &Path) -> io::Result<(File, u64)> {
    let irregular = || io::Error::other("it is a pipe, a socket or a device, not a regular file");
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY);
    options.read(true);
    for _ in 0..REPLACED {
        let open = options.open(file).map_err(|error| match error.raw_os_error() {
            // A socket, or a device without a driver.
            #[cfg(unix)]
            Some(nix::libc::ENXIO | nix::libc::ENODEV) => irregular(),
            _ => error,
        })?;
        let metadata = open.metadata()?;
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(irregular());
        }
        if !is_removed(&metadata) {
            return Ok((open, metadata.len()));
        }
    }
    Err(io::Error::other("it is mounted from a file that was replaced or removed; mount it again"))
}

/// How often a file may be replaced while we open it.
const REPLACED: usize = 10;

/// Whether an open file has no name any more.
fn is_removed(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::nlink(metadata) == 0;
    #[cfg(not(unix))]
    return false;
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        for file in [Path::new("/dev/zero"), &pipe, &link, &folder.path().join("socket")] {
            let error = read_bounded(file, 10).unwrap_err().to_string();
            assert!(error.contains("not a regular file"), "{}: {error}", file.display());
        }
    }
}
