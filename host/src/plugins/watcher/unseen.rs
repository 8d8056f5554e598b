//! Whether files of a home may change without a notification: on a file system that others write to, in a file that is
//! mounted, or behind a link.

use super::FOLDERS;
use super::way::{Mount, mounts};
use crate::attest::PublicKey;
use crate::home::Home;
use crate::plugins::messages::Folder;
use glassbox_util::files::links;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why there may be changes without notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// This folder is on the file system with this name, which other machines or programs may write to.
    FileSystem(PathBuf, String),
    /// This file is mounted from elsewhere, and changes where it comes from.
    Mount(PathBuf),
    /// It is not known what is mounted.
    UnknownMounts(String),
    /// This is a symbolic link.
    Link(PathBuf),
    /// This file has another name, under which it can be changed.
    OtherName(PathBuf),
    /// `[policy]` names this file, which is in no folder that is watched.
    Elsewhere(PathBuf),
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileSystem(path, name) => {
                write!(f, "{} is on {name}, where not all changes are notified", path.display())
            }
            Self::Mount(at) => write!(f, "{} is mounted from elsewhere", at.display()),
            Self::UnknownMounts(error) => write!(f, "this system does not say what is mounted where: {error}"),
            Self::Link(path) => write!(f, "{} is a symbolic link", path.display()),
            Self::OtherName(path) => write!(f, "{} has another name (a hard link)", path.display()),
            Self::Elsewhere(path) => write!(f, "the key {} is outside of the home", path.display()),
        }
    }
}

/// Why files of this home may change without a notification; none if they cannot. `links_are_watched`: whether those on
/// the way to the home are.
pub fn why(home: &Home, links_are_watched: bool) -> Option<Unseen> {
    let link = if links_are_watched { None } else { links(&absolute(home.root())).pop() };
    link.map(Unseen::Link).or_else(|| why_files(home)).or_else(|| why_mounts(home))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

fn why_mounts(home: &Home) -> Option<Unseen> {
    let mounts = match mounts() {
        Ok(mounts) => mounts,
        Err(error) => return Some(Unseen::UnknownMounts(error.to_string())),
    };
    let subfolders = std::fs::read_dir(home.settings_folder()).into_iter().flatten().flatten();
    let subfolders = subfolders.map(|entry| entry.path()).filter(|path| path.is_dir());
    let folders = FOLDERS.iter().map(|folder| folder.path(home)).chain(subfolders);
    let foreign =
        folders.filter_map(|folder| folder.canonicalize().ok()).find_map(|real| foreign_file_system(&real, &mounts));
    // A folder that is mounted is watched as any other; but a file is watched in the folder where it is mounted only.
    let root = home.root().canonicalize().unwrap_or_else(|_| absolute(home.root()));
    let file = |mount: &Mount| mount.at.starts_with(&root) && !mount.at.is_dir();
    foreign.or_else(|| mounts.iter().find(|mount| file(mount)).map(|mount| Unseen::Mount(mount.at.clone())))
}

fn why_files(home: &Home) -> Option<Unseen> {
    for folder in FOLDERS {
        let path = folder.path(home);
        if folder != Folder::Root && path.is_symlink() {
            return Some(Unseen::Link(path));
        }
        let found = match folder {
            Folder::Root => why_file(&home.config_file()),
            Folder::Settings => why_in(&path, 1),
            _ => why_in(&path, 0),
        };
        if found.is_some() {
            return found;
        }
    }
    policy_files(home).iter().find_map(|file| {
        let is_watched = file.parent() == Some(home.root()) || file.parent() == Some(&Folder::Keys.path(home));
        if is_watched { why_file(file) } else { Some(Unseen::Elsewhere(file.clone())) }
    })
}

/// Why files in a folder, and in as many levels of folders below it, may.
fn why_in(folder: &Path, levels: usize) -> Option<Unseen> {
    let mut entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.find_map(|path| {
        why_file(&path).or_else(|| if levels > 0 && path.is_dir() { why_in(&path, levels - 1) } else { None })
    })
}

fn why_file(path: &Path) -> Option<Unseen> {
    let metadata = path.symlink_metadata().ok()?;
    if metadata.is_symlink() {
        return Some(Unseen::Link(path.into()));
    }
    #[cfg(unix)]
    if metadata.is_file() && std::os::unix::fs::MetadataExt::nlink(&metadata) > 1 {
        return Some(Unseen::OtherName(path.into()));
    }
    None
}

/// The files with auditors' keys that `[policy]` names; none where the configuration cannot be read.
pub(super) fn policy_files(home: &Home) -> Vec<PathBuf> {
    let policy = home.config().ok().and_then(|config| config.policy);
    let names = policy.into_iter().flat_map(|policy| policy.require_audit_by);
    names.filter(|name| !PublicKey::is_text(name)).map(|name| home.path(Path::new(&name))).collect()
}

/// File systems on which all that happens goes through this machine's kernel, which tells of it: their numbers in
/// `statfs(2)`.
#[cfg(target_os = "linux")]
const LOCAL: [u32; 16] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0xf2f5_2010, // f2fs
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x4d44,      // vfat, msdos
    0x2011_bab0, // exfat
    0x7366_746e, // ntfs3
    0x2fc1_2fc1, // zfs
    0xca45_1a4e, // bcachefs
    0x3153_464a, // jfs
    0x5265_4973, // reiserfs
    0x3434,      // nilfs
    0x2405_1905, // ubifs
    0x72b6,      // jffs2
];

#[cfg(target_os = "linux")]
fn foreign_file_system(folder: &Path, mounts: &[Mount]) -> Option<Unseen> {
    let unseen = |name| Unseen::FileSystem(folder.into(), name);
    let number = match nix::sys::statfs::statfs(folder) {
        // Some systems have it with a sign.
        Ok(found) => found.filesystem_type().0 as u64 & 0xffff_ffff,
        Err(error) => return Some(unseen(format!("a file system that cannot be asked ({error})"))),
    };
    if LOCAL.iter().any(|local| u64::from(*local) == number) {
        return None;
    }
    // Of several that were mounted at the same place, the last one counts.
    let covering = mounts.iter().filter(|mount| folder.starts_with(&mount.at));
    let name = covering.max_by_key(|mount| mount.at.components().count()).map(|mount| mount.kind.clone());
    Some(unseen(name.unwrap_or_else(|| format!("a file system with the number {number:#x}"))))
}

#[cfg(not(target_os = "linux"))]
fn foreign_file_system(_: &Path, _: &[Mount]) -> Option<Unseen> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use glassbox_tests::Folder as TestFolder;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn each_way_around_notifications_is_seen() {
        let folder = TestFolder::new("unseen");
        let (root, elsewhere) = (folder.0.join("home"), folder.0.join("elsewhere"));
        let home = Home::at(&root);
        let (file, at) = (elsewhere.join("file"), |name: &str| root.join(name));
        for name in ["plugins", "grants", "settings/one", "keys"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        fs::create_dir_all(&elsewhere).unwrap();
        fs::write(&file, "").unwrap();
        for name in ["settings/a.json", "settings/one/a.json", "grants/a.toml", "plugins/a.wasm", "keys/a.pub"] {
            fs::write(at(name), "").unwrap();
        }
        assert_eq!(why_files(&home), None);
        for name in
            ["settings/b.json", "settings/one/b.json", "grants/b.toml", "plugins/b.wasm", "keys/b", "glassbox.toml"]
        {
            symlink(&file, at(name)).unwrap();
            assert_eq!(why_files(&home), Some(Unseen::Link(at(name))));
            fs::remove_file(at(name)).unwrap();
            fs::hard_link(&file, at(name)).unwrap();
            assert_eq!(why_files(&home), Some(Unseen::OtherName(at(name))));
            fs::remove_file(at(name)).unwrap();
        }
        for name in ["settings/one", "settings", "plugins", "grants", "keys"] {
            fs::rename(at(name), elsewhere.join("moved")).unwrap();
            symlink(elsewhere.join("moved"), at(name)).unwrap();
            assert_eq!(why_files(&home), Some(Unseen::Link(at(name))));
            fs::remove_file(at(name)).unwrap();
            fs::rename(elsewhere.join("moved"), at(name)).unwrap();
        }
        let policy = |key: &str| format!("[policy]\nrequire_audit_by = [\"{key}\"]\n");
        fs::write(home.config_file(), policy("./keys/a.pub")).unwrap();
        assert_eq!(why_files(&home), None);
        fs::write(home.config_file(), policy("../elsewhere/file")).unwrap();
        assert_eq!(why_files(&home), Some(Unseen::Elsewhere(root.join("../elsewhere/file"))));
        // What others keep here does not matter.
        fs::write(home.config_file(), "").unwrap();
        symlink(&file, at("run.lock")).unwrap();
        assert_eq!(why_files(&home), None);
        let link = folder.0.join("link");
        symlink(&root, &link).unwrap();
        assert_eq!(why(&Home::at(&link), false), Some(Unseen::Link(link.clone())));
        let ordinary = why(&home, false);
        assert!(ordinary.is_none() || matches!(&ordinary, Some(Unseen::FileSystem(..))), "{ordinary:?}");
        assert_eq!(why(&Home::at(&link), true), ordinary);
    }
}
