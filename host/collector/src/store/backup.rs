//! A copy of the store, made while reports come in. The exports are not in it: they can be made of it.

use super::{Store, retention, schema};
use anyhow::{Context, Result};
use glassbox_util::{Advised, files};
use jiff::civil::Date;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The end of the name of a backup that is being made.
const UNFINISHED: &str = ".unfinished";

/// Somebody is being forgotten, or old days go: that takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Copy the store into a new or an empty folder, which is its owner's only. It is a store like any other. `progress` is told
/// how many of how many days are copied. Days that are damaged cannot be, and are returned.
///
/// # Errors
/// When the folder holds something, or a file cannot be read or written; the message names it.
pub fn backup(store: &Store, to: &Path, progress: impl Fn(usize, usize)) -> Result<Vec<Date>> {
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        let what = format!("{} is not empty", to.display());
        return Err(Advised::new(what, "name a new folder: nothing is written over a backup").into());
    }
    // Whatever ends it, there is no half of a backup that looks like a whole one.
    let mut unfinished = to.components().as_path().as_os_str().to_os_string();
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    if unfinished.exists() {
        let what = format!("{} is left of a backup that was not finished", unfinished.display());
        return Err(Advised::new(what, "remove it, and try again").into());
    }
    // Nothing is removed meanwhile. What is added does not wait.
    let _removing = store.removing(PATIENCE)?;
    let copy = Store::open(&unfinished)?;
    let (days, mut damaged) = (store.days()?, Vec::new());
    for (done, day) in days.iter().enumerate() {
        progress(done, days.len());
        match copy_file(&store.day(*day), &copy.day(*day), schema::DAY) {
            Err(error) if retention::is_damage(&error) => {
                files::remove(&copy.day(*day))?;
                damaged.push(*day);
            }
            copied => copied?,
        }
    }
    // Last, so that no day refers to what the copy of it lacks: what a day refers to is there before the day does.
    copy_file(&store.shared(), &copy.shared(), schema::SHARED)?;
    for folder in [unfinished.join("days").as_path(), &unfinished] {
        File::open(folder)?.sync_all().with_context(|| format!("writing {}", folder.display()))?;
    }
    fs::rename(&unfinished, to).with_context(|| format!("giving {} its name", to.display()))?;
    Ok(damaged)
}

fn copy_file(from: &Path, to: &Path, schema: &[&str]) -> Result<()> {
    let copy = || -> Result<()> {
        // Before SQLite does, as others must not read it.
        let made = files::open_own(to)?;
        let path = to.to_str().context("the path is not UTF-8, which SQLite asks for")?;
        schema::open_to_read(from, schema)?.execute("VACUUM INTO ?", [path])?;
        made.sync_all()?;
        Ok(())
    };
    copy().with_context(|| format!("copying {} to {}", from.display(), to.display()))
}
