//! Tells the running host in which of the home's folders something changed. What it was, whoever
//! is told finds out by looking. Of settings it also tells whose they are: there may be hundreds.

use super::messages::{Control, Folder};
use crate::home::Home;
use anyhow::{Context, Result};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

/// Watches a home until it is dropped.
pub struct Watch {
    home: Home,
    control: Sender<Control>,
    watched: Vec<Watched>,
}

struct Watched {
    folder: Folder,
    /// Which folder it was; another one may come in its place.
    id: Option<Id>,
    /// None for a folder that need not be there, and is not.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watch; `control` is told. `homes`: those of all sites.
    ///
    /// # Errors
    /// When a folder cannot be watched.
    pub fn start(home: &Home, homes: &[Home], control: &Sender<Control>) -> Result<Self> {
        // One that is not there yet would not be heard of when it comes.
        for path in homes.iter().map(Home::settings_folder) {
            std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        }
        let mut watch = Self { home: home.clone(), control: control.clone(), watched: Vec::new() };
        for folder in [Folder::Plugins, Folder::Grants, Folder::Settings, Folder::Keys, Folder::Root] {
            let path = folder.path(home);
            if folder == Folder::Keys && !path.is_dir() {
                watch.watched.push(Watched { folder, id: None, _watcher: None });
                continue;
            }
            std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
            watch.watched.push(watch.watch(folder)?);
        }
        Ok(watch)
    }

    /// Something in the home changed: perhaps a whole folder was exchanged for another.
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
                Err(error) => tracing::warn!("{error:#}; changes there are not noticed"),
            }
        }
    }

    fn watch(&self, folder: Folder) -> Result<Watched> {
        let (path, control) = (folder.path(&self.home), self.control.clone());
        let above = path.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| match event {
            // Being read is no change; our own reading would wake us for ever.
            Ok(event) if event.kind.is_access() => {}
            // Nor is it when we try to write, which may fail again and again.
            Ok(event) if folder == Folder::Settings && is_aside(&event.paths) => {}
            // Whatever it was: whoever is told looks for themselves.
            event => drop(control.send(Control::Changed(folder, whose(&above, event.ok().as_ref())))),
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

/// Whether these are only what lies beside the files while they are written.
fn is_aside(paths: &[PathBuf]) -> bool {
    let aside = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "tmp") || path.ends_with(".lock");
    !paths.is_empty() && paths.iter().all(aside)
}

/// The one folder below in which all of it was; none if it was elsewhere, or that is not known.
fn whose(above: &Path, event: Option<&notify::Event>) -> Option<String> {
    let mut found = None;
    for path in &event.filter(|event| !event.need_rescan())?.paths {
        let mut parts = path.strip_prefix(above).ok()?.components();
        let folder = parts.next()?.as_os_str().to_str()?;
        parts.next()?;
        if found.replace(folder).is_some_and(|other| other != folder) {
            return None;
        }
    }
    found.map(Into::into)
}

/// When it was made, and its inode, which alone may be given to the next folder.
type Id = (Option<std::time::SystemTime>, u64);

fn id(path: &Path) -> Option<Id> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Some((metadata.created().ok(), inode))
}
