//! Tells the running host in which of the home's folders something changed. What it was, whoever
//! is told finds out by looking.

use crate::home::Home;
use crate::supervisor::Control;
use anyhow::{Context, Result};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::Path;
use std::sync::mpsc::Sender;

/// A folder of the home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// `plugins/`
    Plugins,
    /// `grants/`
    Grants,
    /// `settings/`
    Settings,
    /// The home itself: `glassbox.toml`.
    Root,
}

/// Watch a home until the returned watchers are dropped.
///
/// # Errors
/// When a folder cannot be watched.
pub fn home(home: &Home, control: &Sender<Control>) -> Result<Vec<RecommendedWatcher>> {
    let folders = [
        (Folder::Plugins, home.plugins()),
        (Folder::Grants, home.grants()),
        (Folder::Settings, home.settings_folder()),
        (Folder::Root, home.root().to_path_buf()),
    ];
    let watch = |(folder, path): &(Folder, std::path::PathBuf)| watch(*folder, path, control.clone());
    folders.iter().map(watch).collect()
}

fn watch(folder: Folder, path: &Path, control: Sender<Control>) -> Result<RecommendedWatcher> {
    // One that is not there yet would not be heard of when it comes.
    std::fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| match event {
        // Being read is no change; our own reading would wake us for ever.
        Ok(event) if event.kind.is_access() => {}
        // Whatever it was: whoever is told looks for themselves.
        _ => drop(control.send(Control::Changed(folder))),
    })
    .context("watching files is not possible here")?;
    watcher.watch(path, RecursiveMode::NonRecursive).with_context(|| format!("watching {}", path.display()))?;
    Ok(watcher)
}
