//! Watches the home's folders, and tells the supervisor in which of them something changed; for settings also
//! whose, as there may be hundreds of OctoPrints. What changed, the supervisor finds out by reading the files,
//! which also is where rapid changes are debounced.

use super::messages::{Control, Folder};
use crate::home::Home;
use anyhow::{Context, Result};
use glassbox_util::files::make_folder;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

/// Watches a home until it is dropped.
pub struct HomeWatcher {
    home: Home,
    control: Sender<Control>,
    watched: Vec<Watched>,
}

struct Watched {
    folder: Folder,
    /// Identifies the folder that is watched, as another one may take its place.
    id: Option<Id>,
    /// None for a folder that need not exist and does not.
    _watcher: Option<RecommendedWatcher>,
}

impl HomeWatcher {
    /// Begin to watch, and send [`Control::Changed`] for each change. `homes` are the OctoPrints' views of the home.
    ///
    /// # Errors
    /// When a folder cannot be made or watched.
    pub fn start(home: &Home, homes: &[Home], control: &Sender<Control>) -> Result<Self> {
        // A folder that is made later would not be noticed.
        homes.iter().try_for_each(|home| make_folder(&home.settings_folder()))?;
        let mut watcher = Self { home: home.clone(), control: control.clone(), watched: Vec::new() };
        for folder in [Folder::Plugins, Folder::Grants, Folder::Settings, Folder::Keys, Folder::Root] {
            let path = folder.path(home);
            if folder == Folder::Keys && !path.is_dir() {
                watcher.watched.push(Watched { folder, id: None, _watcher: None });
                continue;
            }
            make_folder(&path)?;
            watcher.watched.push(watcher.watch(folder)?);
        }
        Ok(watcher)
    }

    /// Call this when something in the home itself changed: a folder may have been replaced by another, which is
    /// watched from now on.
    pub fn renew(&mut self) {
        for i in 0..self.watched.len() {
            let folder = self.watched[i].folder;
            let id = id(&folder.path(&self.home));
            if id.is_none() || id == self.watched[i].id {
                continue;
            }
            match self.watch(folder) {
                Ok(watched) => {
                    self.watched[i] = watched;
                    let _ = self.control.send(Control::Changed(folder, None));
                }
                Err(error) => tracing::warn!("{error:#}; changes in it will not be noticed"),
            }
        }
    }

    fn watch(&self, folder: Folder) -> Result<Watched> {
        let (path, control) = (folder.path(&self.home), self.control.clone());
        let watched = path.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| match event {
            // Reading is not a change, and our own reading would wake us forever.
            Ok(event) if event.kind.is_access() => {}
            // Neither is an attempt of ours to write, which may fail again and again.
            Ok(event) if folder == Folder::Settings && is_temporary(&event.paths) => {}
            event => drop(control.send(Control::Changed(folder, subfolder(&watched, event.ok().as_ref())))),
        })
        .context("watching files is not possible here")?;
        let id = id(&path);
        let mode = if folder == Folder::Settings { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        watcher.watch(&path, mode).with_context(|| format!("watching {}", path.display()))?;
        Ok(Watched { folder, id, _watcher: Some(watcher) })
    }
}

impl Folder {
    fn path(self, home: &Home) -> PathBuf {
        match self {
            Self::Plugins => home.plugins(),
            Self::Grants => home.grants(),
            Self::Settings => home.settings_folder(),
            Self::Keys => home.root().join("keys"),
            Self::Root => home.root().to_path_buf(),
        }
    }
}

/// Whether these are only temporary files and the lock, which are there while a file is being written.
fn is_temporary(paths: &[PathBuf]) -> bool {
    let temporary = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "tmp") || path.ends_with(".lock");
    !paths.is_empty() && paths.iter().all(temporary)
}

/// The one subfolder of `watched` in which everything changed; none if there is not exactly one, or if that is
/// not known.
fn subfolder(watched: &Path, event: Option<&notify::Event>) -> Option<String> {
    let mut found = None;
    for path in &event.filter(|event| !event.need_rescan())?.paths {
        let mut parts = path.strip_prefix(watched).ok()?.components();
        let folder = parts.next()?.as_os_str().to_str()?;
        parts.next()?;
        if found.replace(folder).is_some_and(|other| other != folder) {
            return None;
        }
    }
    found.map(Into::into)
}

/// When a folder was made, and its inode; the inode alone may be reused for the next folder.
type Id = (Option<std::time::SystemTime>, u64);

fn id(path: &Path) -> Option<Id> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Some((metadata.created().ok(), inode))
}
