//! Files that hold a secret: who else can read one, and whether anybody could do something about that.

use crate::Advised;
use anyhow::{Context, Result, ensure};
use std::fs::{self, Metadata};
use std::path::Path;

/// What to do where `chmod` does nothing.
const MOUNT: &str =
    "mount it with the mode 0400 (Compose: 'mode: 0400', Kubernetes: 'defaultMode: 0400', FAT: 'fmask=0177')";

/// Check that nobody else can read a file that holds a secret. `what` names the secret in messages: `the API key`.
///
/// Where others can read it and `chmod` could not change that, as it is root's and read-only, on a disk that is read-only
/// or one that knows no permissions, as secrets of containers are, it is taken all the same: then this returns a warning.
///
/// # Errors
/// When others can read it, and `chmod` would change that (an [`Advised`] with the command); it is not a regular file, or
/// there is none. The message names the file.
pub fn must_be_private(file: &Path, what: &str) -> Result<Option<String>> {
    let found = fs::metadata(file).with_context(|| format!("{what} in {}", file.display()))?;
    ensure!(found.is_file(), "{what} in {}: it is not a regular file", file.display());
    if !lets_others(&found) {
        return Ok(None);
    }
    if let Some(why) = cannot_be_changed(file, &found) {
        let mode = format!("the mode of {} lets others read {what}", file.display());
        return Ok(Some(format!("{mode}, and {why}, so it is used all the same; if you can, {MOUNT}")));
    }
    if is_closed(file) {
        return Ok(None);
    }
    let advice = format!(
        "run 'chmod 600 {}'; where that is not possible, as for a container's secret or on a FAT disk, {MOUNT}",
        file.display()
    );
    Err(Advised::new(format!("others can read {what} in {}", file.display()), advice).into())
}

/// Whether the file's permissions let anybody else read it.
fn lets_others(found: &Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::mode(found) & 0o077 != 0;
    #[cfg(not(unix))]
    {
        let _ = found;
        false
    }
}

/// Whether nobody else can get to the file, as a folder that it is in is closed to them.
fn is_closed(file: &Path) -> bool {
    #[cfg(unix)]
    {
        let closed =
            |folder: &Path| fs::metadata(folder).is_ok_and(|it| std::os::unix::fs::MetadataExt::mode(&it) & 0o011 == 0);
        // What links lead through does not matter: others can go where the file is.
        file.canonicalize().is_ok_and(|file| file.ancestors().skip(1).any(closed))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}

/// Why `chmod` would not help, for people; none if it would.
#[cfg(unix)]
fn cannot_be_changed(file: &Path, found: &Metadata) -> Option<&'static str> {
    use nix::sys::statvfs::{FsFlags, statvfs};
    use std::os::unix::fs::MetadataExt;
    let me = nix::unistd::geteuid().as_raw();
    // Whoever makes such a file for others to read, and nobody to write, does so on purpose.
    if found.uid() == 0 && found.mode() & 0o222 == 0 {
        return Some("it is a read-only file of root's");
    }
    if me != 0 && found.uid() != me {
        return Some("it belongs to another user");
    }
    if statvfs(file).is_ok_and(|disk| disk.flags().contains(FsFlags::ST_RDONLY)) {
        return Some("its disk is read-only");
    }
    has_no_permissions(file).then_some("its disk knows no permissions")
}

#[cfg(not(unix))]
fn cannot_be_changed(_: &Path, _: &Metadata) -> Option<&'static str> {
    None
}

/// Whether the file is on a disk whose permissions are made up when it is mounted.
#[cfg(target_os = "linux")]
fn has_no_permissions(file: &Path) -> bool {
    // FAT, exFAT, NTFS twice, FUSE (NTFS and others), SMB three times, Plan 9 (WSL), VirtualBox, HFS+, UDF.
    const KINDS: [u32; 12] = [
        0x4d44,
        0x2011_bab0,
        0x5346_544e,
        0x7366_746e,
        0x6573_5546,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x0102_1997,
        0x786f_4256,
        0x482b,
        0x1501_3346,
    ];
    let kind = |kind: nix::sys::statfs::FsType| {
        // A number of 32 bits; where its type is signed, the large ones are negative.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let kind = kind.0 as u32;
        kind
    };
    nix::sys::statfs::statfs(file).is_ok_and(|disk| KINDS.contains(&kind(disk.filesystem_type())))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn has_no_permissions(_: &Path) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::{remove, write_atomically, write_privately};
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_must_be_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        write_atomically(&file, b"secret").unwrap();
        let mode = |at: &Path, mode| fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
        let check = || must_be_private(&file, "the key");
        mode(&file, 0o644);
        mode(folder.path(), 0o700);
        assert_eq!(check().unwrap(), None, "nobody else can enter its folder");
        mode(folder.path(), 0o755);
        let error = check().unwrap_err().to_string();
        assert!(error.contains("chmod 600") && error.contains("mode: 0400"), "{error}");
        mode(&file, 0o640);
        check().unwrap_err();
        mode(&file, 0o600);
        assert_eq!(check().unwrap(), None);
        mode(&file, 0o644);
        write_privately(&file, b"secret").unwrap();
        assert_eq!(check().unwrap(), None);
        mode(&file, 0o444);
        if nix::unistd::geteuid().is_root() {
            let warning = check().unwrap().unwrap();
            assert!(warning.contains("it is a read-only file of root's"), "{warning}");
            // Another user's.
            std::os::unix::fs::chown(&file, Some(1234), None).unwrap();
        }
        check().unwrap_err();
        assert!(must_be_private(folder.path(), "the key").is_err());
        assert!(remove(&file).unwrap() && !remove(&file).unwrap());
    }

    #[test]
    fn a_disk_that_cannot_be_written_or_belongs_to_others_is_no_reason_to_refuse() {
        // Root's, with permissions that nobody can change: in /proc.
        let file = Path::new("/proc/version");
        if let Ok(found) = fs::metadata(file) {
            assert!(lets_others(&found) && cannot_be_changed(file, &found).is_some());
        }
        if cfg!(target_os = "linux") {
            assert!(!has_no_permissions(Path::new("/")));
        }
    }
}
