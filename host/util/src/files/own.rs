//! Files and folders that only we are to use, such as those that processes of ours lock. Whoever else can write to the
//! folder may have put something else there, and whoever can open a lock can hold it for ever.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Open a file that only we are to use for reading and writing; it is made, for its owner only, unless it exists. No
/// link is followed, nothing is truncated, and no pipe keeps us waiting. (Whether others can use one that exists, the
/// caller has to check.)
///
/// # Errors
/// When it cannot be opened or made, or is a link or anything else than a regular file. The message does not name it.
pub fn open_own(file: &Path) -> io::Result<File> {
    let mut options = File::options();
    open_own_with(file, options.read(true).write(true).create(true).truncate(false))
}

/// Put a new, empty file that only we can use in the place of whatever is there, and open it.
///
/// # Errors
/// When it cannot be made, or what is there is a folder. The message does not name it.
pub fn renew_own(file: &Path) -> io::Result<File> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".own.").suffix(".tmp").tempfile_in(folder)?;
    temporary.persist(file).map_err(|failed| failed.error)
}

/// Like [`open_own`], with these options: what is made is for its owner only.
///
/// # Errors
/// As for [`open_own`].
pub fn open_own_with(file: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let check = |found: &Metadata| match found.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_symlink() => Err(io::Error::other("it is a symbolic link, and must be a regular file")),
        _ => Err(io::Error::other("it is not a regular file")),
    };
    // Even opening a device can have effects.
    fs::symlink_metadata(file).map_or(Ok(()), |found| check(&found))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
    }
    let open = options.open(file)?;
    // It may have been replaced since the first check.
    check(&open.metadata()?)?;
    Ok(open)
}

/// Whether the path, itself and not as a link, leads to this open file.
pub fn is_at(file: &Path, open: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |found: &Metadata| (found.dev(), found.ino());
        matches!((fs::symlink_metadata(file), open.metadata()), (Ok(ref there), Ok(ref open)) if id(there) == id(open))
    }
    #[cfg(not(unix))]
    {
        // The path has to do.
        let _ = open;
        file.exists()
    }
}

/// Create a folder, and those above it, unless they exist. Those that are made are for their owner only.
///
/// # Errors
/// When it cannot be created. The message does not name it.
pub fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_link_or_a_pipe_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("outside"), "theirs").unwrap();
        symlink(at("outside"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for name in ["link", "dangling", "pipe", "."] {
            assert!(open_own(&at(name)).is_err(), "{name}");
        }
        assert!(!at("nowhere").exists());
        let own = open_own(&at("own")).unwrap();
        assert_eq!(own.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(is_at(&at("own"), &own) && !is_at(&at("outside"), &own) && !is_at(&at("none"), &own));
        fs::write(at("own"), "kept").unwrap();
        open_own(&at("own")).unwrap();
        assert_eq!(fs::read_to_string(at("own")).unwrap(), "kept");
        for name in ["link", "pipe", "own"] {
            let renewed = renew_own(&at(name)).unwrap();
            assert!(is_at(&at(name), &renewed) && renewed.metadata().unwrap().len() == 0, "{name}");
            assert_eq!(renewed.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_to_string(at("outside")).unwrap(), "theirs");
        make_private_folder(&at("a/b")).unwrap();
        assert_eq!(fs::metadata(at("a")).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
