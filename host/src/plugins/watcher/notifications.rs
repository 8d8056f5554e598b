//! The system's notifications of changes: which folder each is about, and folders that are replaced by others. All come
//! from one instance (inotify on Linux), as a user may have only so many.

use super::limits::Trouble;
use super::{FOLDERS, Wake};
use crate::home::Home;
use crate::plugins::messages::{Control, Folder};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Notifications for all folders of a home.
pub(super) struct Notifications {
    home: Home,
    control: Sender<Control>,
    wake: Sender<Wake>,
    /// None where the system has none left.
    watcher: Option<RecommendedWatcher>,
    watched: [Watched; FOLDERS.len()],
    /// Why there are none, or not for all folders.
    trouble: Option<Trouble>,
}

#[derive(Clone, Copy, Default)]
struct Watched {
    /// Identifies the folder, as another one may take its place; none if there was no folder yet.
    id: Option<Id>,
    is_watched: bool,
}

impl Notifications {
    pub(super) fn new(home: &Home, control: &Sender<Control>, wake: Sender<Wake>) -> Self {
        let watched = Default::default();
        Self { home: home.clone(), control: control.clone(), wake, watcher: None, watched, trouble: None }
    }

    /// Why there are none, or not for all folders; none if all is well.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Watch this folder anew.
    pub(super) fn lost(&mut self, folder: Folder) {
        self.watched[folder as usize].is_watched = false;
    }

    /// Watch folders that were made, replaced or lost since the last time, and try again what failed then. Returns those
    /// that were not watched until now, in which anything may have changed.
    pub(super) fn renew(&mut self, home: &Home) -> Vec<Folder> {
        self.trouble = None;
        if self.watcher.is_none() {
            match self.make() {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => self.trouble = Some(Trouble::new(&error)),
            }
        }
        let mut replaced = Vec::new();
        for folder in FOLDERS {
            let path = folder.path(home);
            let Some(id) = id(&path) else { continue };
            let watched = &mut self.watched[folder as usize];
            let is_new = watched.id.replace(id) != Some(id);
            if watched.is_watched && !is_new {
                continue;
            }
            watched.is_watched = false;
            if is_new {
                replaced.push(folder);
            }
            let Some(watcher) = &mut self.watcher else { continue };
            let mode = if folder == Folder::Settings { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            let _ = watcher.unwatch(&path);
            match watcher.watch(&path, mode) {
                // It was not watched for a moment.
                Ok(()) if !is_new => replaced.push(folder),
                Ok(()) => {}
                Err(error) => {
                    self.trouble = Some(Trouble::new(&error));
                    continue;
                }
            }
            watched.is_watched = true;
        }
        replaced
    }

    fn make(&self) -> notify::Result<RecommendedWatcher> {
        let (home, control, wake) = (self.home.clone(), self.control.clone(), self.wake.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is not a change, and our own reading would wake us forever.
            if event.as_ref().is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            // A folder that was moved is not watched any more, and may come back; and if something went wrong, who knows.
            let is_lost =
                |folder: Folder| event.as_ref().map_or(true, |event| event.paths.contains(&folder.path(&home)));
            FOLDERS
                .into_iter()
                .filter(|folder| is_lost(*folder))
                .for_each(|folder| drop(wake.send(Wake::Lost(folder))));
            let changes = changes(&home, event.ok().as_ref());
            let is_change = !changes.is_empty();
            changes.into_iter().for_each(|(folder, whose)| drop(control.send(Control::Changed(folder, whose))));
            if is_change {
                let _ = wake.send(Wake::Look);
            }
        })?;
        if cfg!(target_os = "linux") && !is_heard() {
            // Even dropping it would panic.
            std::mem::forget(watcher);
            return Err(notify::Error::io(ErrorKind::WouldBlock.into()));
        }
        Ok(watcher)
    }
}

/// Whether the watcher has its thread. It does not say when it was given none, and then panics at the first folder.
fn is_heard() -> bool {
    // As much of its name as Linux keeps; it gives it to itself when it begins.
    const NAME: &str = "notify-rs inoti";
    (0..100).any(|_| {
        let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return true };
        let mut names = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
        let found = names.any(|name| name.trim_end() == NAME);
        if !found {
            std::thread::sleep(Duration::from_millis(10));
        }
        found
    })
}

/// In which folders something changed, and for settings whose.
fn changes(home: &Home, event: Option<&notify::Event>) -> Vec<(Folder, Option<String>)> {
    let Some(event) = event.filter(|event| !event.need_rescan() && !event.paths.is_empty()) else {
        return FOLDERS.map(|folder| (folder, None)).into();
    };
    let concerns = |folder: Folder, path: &Path| match folder {
        // What is directly in it; changes in the other folders are not its own.
        Folder::Root => path == home.root() || path.parent() == Some(home.root()),
        // Attempts of ours to write are not changes, and may fail again and again.
        Folder::Settings => path.starts_with(folder.path(home)) && !is_temporary(path),
        _ => path.starts_with(folder.path(home)),
    };
    let mut changes = Vec::new();
    for folder in FOLDERS {
        let paths: Vec<_> = event.paths.iter().filter(|path| concerns(folder, path)).collect();
        if !paths.is_empty() {
            let whose = if folder == Folder::Settings { subfolder(&folder.path(home), &paths) } else { None };
            changes.push((folder, whose));
        }
    }
    changes
}

/// Whether this is a temporary file or the lock, which are there while a file is being written.
fn is_temporary(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "tmp") || path.ends_with(".lock")
}

/// The one subfolder of `folder` in which everything changed; none if there is not exactly one, or if that is
/// not known.
fn subfolder(folder: &Path, paths: &[&PathBuf]) -> Option<String> {
    let mut found = None;
    for path in paths {
        let mut parts = path.strip_prefix(folder).ok()?.components();
        let subfolder = parts.next()?.as_os_str().to_str()?;
        parts.next()?;
        if found.replace(subfolder).is_some_and(|other| other != subfolder) {
            return None;
        }
    }
    found.map(Into::into)
}

/// When a folder was made, its device and its inode; the inode alone may be reused for the next folder.
type Id = (Option<std::time::SystemTime>, u64, u64);

fn id(path: &Path) -> Option<Id> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let (device, inode) = {
        use std::os::unix::fs::MetadataExt;
        (metadata.dev(), metadata.ino())
    };
    #[cfg(not(unix))]
    let (device, inode) = (0, 0);
    Some((metadata.created().ok(), device, inode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::{Event, EventKind};

    #[test]
    fn each_change_is_told_for_its_folder_only() {
        let home = Home::at("/h");
        let told = |paths: &[&str]| {
            let event = paths.iter().fold(Event::new(EventKind::Any), |event, path| event.add_path(path.into()));
            let changes = changes(&home, Some(&event)).into_iter();
            changes.map(|(folder, whose)| format!("{folder:?} {}", whose.unwrap_or_default()).trim().into()).collect()
        };
        let cases: [(&[&str], &[&str]); 10] = [
            (&["/h/plugins/a.wasm"], &["Plugins"]),
            (&["/h/grants/a.toml"], &["Grants"]),
            (&["/h/settings/a.json"], &["Settings"]),
            (&["/h/settings/one/a.json"], &["Settings one"]),
            (&["/h/settings/one/a.json", "/h/settings/two/a.json"], &["Settings"]),
            (&["/h/settings/one/.a.json.x.tmp", "/h/settings/one/a.json"], &["Settings one"]),
            (&["/h/settings/.lock"], &[]),
            (&["/h/glassbox.toml"], &["Root"]),
            (&["/h/plugins"], &["Plugins", "Root"]),
            (&["/h"], &["Root"]),
        ];
        for (paths, expected) in cases {
            let told: Vec<String> = told(paths);
            assert_eq!(told, expected, "{paths:?}");
        }
        assert_eq!(told(&[]).len(), FOLDERS.len(), "something was missed");
    }
}
