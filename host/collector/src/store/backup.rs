//! A copy of the store, made while reports come in. The exports are not in it: they can be made of it.

use super::{Store, retention, schema};
use anyhow::{Context, Result};
use glassbox_util::{Advised, files};
use jiff::civil::Date;
use rusqlite::TransactionBehavior;
use std::fs::{self, File};
use std::path::Path;

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
    let copy = Store::open(to)?;
    let file = store.shared();
    let mut shared =
        schema::open(&file, schema::SHARED, true).with_context(|| format!("opening {}", file.display()))?;
    // Held to the end. Who receives takes this file first, and waits: so no day refers to what the copy of it lacks.
    let _held = shared.transaction_with_behavior(TransactionBehavior::Immediate)?;
    copy_file(&file, &copy.shared(), schema::SHARED)?;
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
    for folder in [to.join("days").as_path(), to] {
        File::open(folder)?.sync_all().with_context(|| format!("writing {}", folder.display()))?;
    }
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
