//! Replacing a file's content: a reader sees the old content or the new, and a crash loses neither. Where that is not
//! possible the file is written in place, and for a moment is empty; so an empty file must be one that means no.

use super::{LINKS, open_regular, read_bounded};
use crate::Advised;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The permissions of a file that only its owner may use.
const PRIVATE: u32 = 0o600;

/// Those of a file that others may read. Nothing that this program writes is for others to change, whatever the umask.
const PUBLIC: u32 = 0o644;

/// Replace a file's content; others may read it, as far as the umask allows. It is written under a temporary name beside the file and renamed. If the file is a
/// symbolic link, what it leads to is replaced. A file that cannot be replaced, as it is a mount point or its folder
/// cannot be written, is written in place. Returns when it is on the disk.
///
/// # Errors
/// When it cannot be written; the message names the file. It keeps its old content, unless that was being written in
/// place: then it may be empty.
pub fn write_atomically(file: &Path, content: &[u8]) -> Result<()> {
    replace_followed(file, content, PUBLIC, None)
}

/// Like [`write_atomically`], but only its owner can use the file, also if others could before.
///
/// # Errors
/// As for [`write_atomically`].
pub fn write_privately(file: &Path, content: &[u8]) -> Result<()> {
    replace_followed(file, content, PRIVATE, None)
}

/// Like [`write_privately`], but only if the file still has this content right before it is replaced. Whatever takes
/// longer, such as waiting for the disk, is done before that.
///
/// # Errors
/// As for [`write_atomically`]; and when its content is another one.
pub fn write_privately_over(file: &Path, expected: &[u8], content: &[u8]) -> Result<()> {
    replace_followed(file, content, PRIVATE, Some(expected))
}

/// Write a file that nobody but this program writes: only its owner can use it. If it is a symbolic link, the link is
/// replaced, whatever it leads to. This does not wait for the disk: if the machine crashes, the new content may be lost.
///
/// # Errors
/// When it cannot be written; the message names the file.
pub fn write_own(file: &Path, content: &[u8]) -> Result<()> {
    replace(file, content, PRIVATE, None, |_| Ok(())).with_context(|| format!("writing {}", file.display()))
}

/// Like [`write_own`], and returns when it is on the disk.
///
/// # Errors
/// As for [`write_own`].
pub fn write_own_with_sync(file: &Path, content: &[u8]) -> Result<()> {
    replace(file, content, PRIVATE, None, sync).with_context(|| format!("writing {}", file.display()))
}

fn replace_followed(file: &Path, content: &[u8], mode: u32, expected: Option<&[u8]>) -> Result<()> {
    let replaced = follow(file).and_then(|target| replace(&target, content, mode, expected, sync));
    replaced.with_context(|| format!("writing {}", file.display()))
}

fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // Some file systems cannot flush a folder.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// `mode` are the file's permissions on Unix, before the process's umask. `sync` is called for the new file, and then
/// for its folder. With `expected`, nothing is written unless that is what the target holds.
fn replace(
    target: &Path,
    content: &[u8],
    mode: u32,
    expected: Option<&[u8]>,
    sync: impl Fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    // A device or a pipe is nothing to be replaced, wherever a link to it comes from.
    if fs::symlink_metadata(target).is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
        return Err(io::Error::other("it is not a regular file"));
    }
    let still_is = || match expected {
        Some(expected) if read_bounded(target, expected.len()).ok().as_deref() != Some(expected) => {
            Err(io::Error::other("it was changed meanwhile"))
        }
        _ => Ok(()),
    };
    let temporary = match temporary(target, content, mode, &sync) {
        Ok(temporary) => temporary,
        // Nothing can be made in that folder, but the file itself may be writable.
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            still_is()?;
            return write_in_place(target, content, mode, &sync).map_err(|in_place| match in_place.kind() {
                // Of the two reasons, the one about the folder says more.
                ErrorKind::NotFound => error,
                _ => in_place,
            });
        }
        Err(error) => return Err(error),
    };
    still_is()?;
    match temporary.persist(target) {
        Ok(_) => {}
        // It is a mount point, or somebody else's in a folder of all. Meanwhile the temporary file beside it has the new
        // content, and keeps it if that failed half way.
        Err(failed) if matches!(failed.error.kind(), ErrorKind::ResourceBusy | ErrorKind::PermissionDenied) => {
            write_in_place(target, content, mode, &sync).map_err(|error| {
                if fs::metadata(target).is_ok_and(|found| found.len() > 0) {
                    return error;
                }
                match failed.file.keep() {
                    Ok((_, kept)) => io::Error::new(error.kind(), format!("{error} (it is in {})", kept.display())),
                    Err(_) => error,
                }
            })?;
        }
        Err(failed) => return Err(failed.error),
    }
    // The new name is on the disk when the folder is. Whoever may write to a folder need not be able to read it.
    File::open(folder_of(target)).map_or(Ok(()), |folder| sync(&folder))
}

/// A temporary file with this content, in the target's folder. Its name is random, and nothing of that name existed.
fn temporary(
    target: &Path,
    content: &[u8],
    mode: u32,
    sync: impl Fn(&File) -> io::Result<()>,
) -> io::Result<NamedTempFile> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    let mut temporary = builder.tempfile_in(folder_of(target))?;
    temporary.write_all(content)?;
    sync(temporary.as_file())?;
    Ok(temporary)
}

/// Write a file that exists. It is emptied first: if we are stopped half way, nobody reads a mixture of old and new.
fn write_in_place(file: &Path, content: &[u8], mode: u32, sync: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    let check = |found: &fs::Metadata| match found.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a regular file")),
    };
    check(&fs::symlink_metadata(file)?)?;
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
    let mut open = options.write(true).open(file)?;
    check(&open.metadata()?)?;
    #[cfg(unix)]
    if mode == PRIVATE {
        // Who may write to a file need not own it.
        let _ = open.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    open.set_len(0)?;
    sync(&open)?;
    open.write_all(content)?;
    sync(&open)
}

/// Where the symbolic links lead that begin with this file; itself if it is none.
fn follow(file: &Path) -> io::Result<PathBuf> {
    let mut target = file.to_path_buf();
    for _ in 0..LINKS {
        match fs::symlink_metadata(&target) {
            Ok(found) if found.is_symlink() => {
                must_be_trusted(&target, &found)?;
                target = folder_of(&target).join(fs::read_link(&target)?);
            }
            // If it is not there, it is made there.
            _ => return Ok(target),
        }
    }
    Err(io::Error::other("its symbolic links lead in a circle"))
}

/// A link that a stranger has put into a folder of ours must not let them choose which of our files is written.
fn must_be_trusted(link: &Path, found: &fs::Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        let owner = std::os::unix::fs::MetadataExt::uid(found);
        if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
            let link = link.display();
            return Err(io::Error::other(format!(
                "the symbolic link {link} belongs to another user, so it is not followed"
            )));
        }
    }
    #[cfg(not(unix))]
    let _ = (link, found);
    Ok(())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Move a file that cannot be used out of the way, whatever it is: a link is moved itself, not what it leads to. Its
/// new name is the old one with `.damaged-N`, the first that is free. If it is a mount point, its content is copied
/// there, and it stays.
///
/// # Errors
/// When it cannot be moved, or there are a thousand such files; the message names it.
pub fn move_aside(file: &Path) -> Result<PathBuf> {
    for number in 1..1000 {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        let aside = PathBuf::from(name);
        if fs::symlink_metadata(&aside).is_ok() {
            continue;
        }
        let moved = match fs::rename(file, &aside) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => copy(file, &aside),
            moved => moved,
        };
        moved.with_context(|| format!("moving {} aside", file.display()))?;
        return Ok(aside);
    }
    Err(Advised::new(format!("there are a thousand damaged files beside {}", file.display()), "remove some").into())
}

fn copy(file: &Path, to: &Path) -> io::Result<()> {
    let mut from = open_regular(file)?;
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, PRIVATE);
    let mut copy = options.write(true).create_new(true).open(to)?;
    io::copy(&mut from, &mut copy)?;
    copy.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_content_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        write_atomically(&file, b"old").unwrap();
        assert!(replace(&file, b"new", PUBLIC, None, |_| Err(io::Error::other("the disk is full"))).is_err());
        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write_atomically(&folder.path().join("gone/settings.json"), b"x").unwrap_err();
        assert!(error.to_string().contains("gone/settings.json"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn file_and_folder_are_flushed() {
        let folder = tempfile::tempdir().unwrap();
        let flushed = std::cell::RefCell::new(Vec::new());
        let note = |file: &File| {
            flushed.borrow_mut().push(file.metadata()?.is_dir());
            Ok(())
        };
        replace(&folder.path().join("file"), b"x", PRIVATE, None, note).unwrap();
        assert_eq!(*flushed.borrow(), [false, true]);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_replaced_in_its_own_folder() {
        use std::os::unix::fs::{MetadataExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("dotfiles/there")).unwrap();
        fs::create_dir(at("home")).unwrap();
        fs::write(at("dotfiles/there/real"), "old").unwrap();
        // Relative to the folder that each is in.
        symlink("../dotfiles/one", at("home/file")).unwrap();
        symlink("there/real", at("dotfiles/one")).unwrap();
        let before = fs::metadata(at("dotfiles/there/real")).unwrap().ino();
        write_privately(&at("home/file"), b"new").unwrap();
        assert_eq!(fs::read(at("dotfiles/there/real")).unwrap(), b"new");
        assert_ne!(fs::metadata(at("dotfiles/there/real")).unwrap().ino(), before, "replaced, not written over");
        assert!(fs::symlink_metadata(at("home/file")).unwrap().is_symlink());
        assert_eq!(fs::read_dir(at("home")).unwrap().count() + fs::read_dir(at("dotfiles")).unwrap().count(), 3);
        symlink("loop", at("loop")).unwrap();
        let error = format!("{:#}", write_atomically(&at("loop"), b"x").unwrap_err());
        assert!(error.contains("in a circle"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_of_somebody_else_is_not_followed() {
        use std::os::unix::fs::{lchown, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (outside, link) = (folder.path().join("outside"), folder.path().join("link"));
        fs::write(&outside, "untouched").unwrap();
        symlink(&outside, &link).unwrap();
        if lchown(&link, Some(65534), Some(65534)).is_err() {
            // As another user than root nobody can give a file away.
            return;
        }
        let error = format!("{:#}", write_atomically(&link, b"x").unwrap_err());
        assert!(error.contains("belongs to another user"), "{error}");
        assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    }

    #[test]
    fn what_is_moved_aside_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for number in 1..3 {
            fs::write(at("file"), number.to_string()).unwrap();
            let aside = move_aside(&at("file")).unwrap();
            assert_eq!(aside, at(&format!("file.damaged-{number}")));
            assert_eq!(fs::read_to_string(aside).unwrap(), number.to_string());
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", at("file")).unwrap();
            let aside = move_aside(&at("file")).unwrap();
            assert_eq!(fs::read_link(aside).unwrap(), Path::new("nowhere"));
        }
        fs::create_dir(at("file")).unwrap();
        assert!(move_aside(&at("file")).unwrap().is_dir());
        assert!(move_aside(&at("file")).is_err());
    }
}
