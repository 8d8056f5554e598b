//! Tells the running host that files changed: settings now, as the user or a command writes them.

use anyhow::{Context, Result};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::Path;

/// Call `changed` for every change in a folder, until the returned watcher is dropped.
///
/// # Errors
/// When the folder cannot be watched.
pub fn folder(folder: &Path, changed: impl Fn() + Send + 'static) -> Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| match event {
        // Being read is no change; our own reading would wake us for ever.
        Ok(event) if event.kind.is_access() => {}
        // Whatever it was: whoever is told looks for themselves.
        _ => changed(),
    })
    .context("watching files is not possible here")?;
    watcher.watch(folder, RecursiveMode::NonRecursive).with_context(|| format!("watching {}", folder.display()))?;
    Ok(watcher)
}
