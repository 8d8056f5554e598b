//! What tells the content of the home's folders now from what it was: names and bytes, as on some file systems neither
//! times nor sizes do. Only of plugins, which are large, it is the stamps of the files, by which the supervisor decides
//! whether one is to be loaded again.

use super::FOLDERS;
use super::unseen::policy_files;
use crate::home::Home;
use crate::plugins::messages::Folder;
use glassbox_sandbox::limits;
use glassbox_util::files::read_bounded;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// The most bytes of a file that are read: more than any of these may have.
const LARGEST: usize = if limits::SETTINGS > 1 << 20 { limits::SETTINGS } else { 1 << 20 };

/// The fingerprints of all folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprints([u64; FOLDERS.len()]);

impl Fingerprints {
    /// Those of the content now.
    pub(super) fn take(home: &Home) -> Self {
        Self(FOLDERS.map(|folder| {
            let (mut hasher, path) = (DefaultHasher::new(), folder.path(home));
            match folder {
                Folder::Plugins => folder_of(&path, 0, &mut hasher, &stamp),
                Folder::Settings => folder_of(&path, 1, &mut hasher, &content),
                Folder::Grants | Folder::Keys => folder_of(&path, 0, &mut hasher, &content),
                Folder::Root => {
                    content(&home.config_file(), &mut hasher);
                    content(&home.trusted_file(), &mut hasher);
                    let authority = home.config().ok().and_then(|config| config.ca_file);
                    policy_files(home).iter().chain(&authority).for_each(|file| content(file, &mut hasher));
                }
            }
            hasher.finish()
        }))
    }

    /// The folders whose content differs.
    pub(super) fn different(&self, other: &Self) -> impl Iterator<Item = Folder> {
        let pairs = self.0.into_iter().zip(other.0);
        FOLDERS.into_iter().zip(pairs).filter(|(_, (one, other))| one != other).map(|(folder, _)| folder)
    }
}

/// Of all files of a folder, and of as many levels of folders below it.
fn folder_of(folder: &Path, levels: usize, hasher: &mut DefaultHasher, file: &impl Fn(&Path, &mut DefaultHasher)) {
    let mut paths: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        // They come and go while a file is being written.
        if path.extension().is_some_and(|ext| ext == "tmp") || path.ends_with(".lock") {
            continue;
        }
        path.hash(hasher);
        match path.is_dir() {
            true if levels > 0 => folder_of(&path, levels - 1, hasher, file),
            true => {}
            false => file(&path, hasher),
        }
    }
}

fn content(file: &Path, hasher: &mut DefaultHasher) {
    match read_bounded(file, LARGEST) {
        Ok(bytes) => bytes.hash(hasher),
        Err(error) => {
            error.to_string().hash(hasher);
            stamp(file, hasher);
        }
    }
}

fn stamp(file: &Path, hasher: &mut DefaultHasher) {
    let Ok(metadata) = fs::metadata(file) else { return };
    (metadata.len(), metadata.modified().ok()).hash(hasher);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (metadata.ino(), metadata.ctime(), metadata.ctime_nsec(), metadata.mode()).hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_tests::Folder as TestFolder;

    #[test]
    fn only_what_changed_differs_whatever_its_size_and_time() {
        let folder = TestFolder::new("fingerprint");
        let home = Home::at(&folder.0);
        let write = |name: &str, content: &str| {
            let file = folder.0.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
            fs::File::options().write(true).open(file).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        };
        let all = ["plugins/a.wasm", "grants/a.toml", "settings/one/a.json", "keys/a.pub", "glassbox.toml"];
        all.iter().for_each(|name| write(name, "[a]"));
        let mut before = Fingerprints::take(&home);
        for (name, folder) in all.iter().zip(FOLDERS) {
            assert_eq!(Fingerprints::take(&home), before, "reading changes nothing");
            write(name, "[b]");
            let now = Fingerprints::take(&home);
            assert_eq!(before.different(&now).collect::<Vec<_>>(), [folder], "{name}");
            before = now;
        }
        // Neither attempts to write, nor what is in folders that nobody reads.
        for name in ["settings/.a.json.x.tmp", "settings/.lock", "settings/one/.lock", "journal/x", "run.lock"] {
            write(name, "");
            assert_eq!(Fingerprints::take(&home), before, "{name}");
        }
        write("settings/b.json", "");
        assert_eq!(before.different(&Fingerprints::take(&home)).collect::<Vec<_>>(), [Folder::Settings]);
    }
}
