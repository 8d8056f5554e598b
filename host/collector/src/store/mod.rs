//! The store: one SQLite file for each UTC day, and one that they share. A day is removed by removing its file; what
//! many reports repeat (lists of plugins, environments) is kept once, in the shared file. One process writes.

pub mod backup;
pub mod day;
pub mod keeper;
pub mod look;
pub mod retention;
pub(crate) mod schema;
pub(crate) mod shared;
pub mod writer;

use anyhow::{Context, Result};
use glassbox_util::{Advised, files};
use jiff::civil::Date;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Where the store's files are.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

impl Store {
    /// The store in a folder, which is made for its owner only unless it exists.
    ///
    /// # Errors
    /// When it cannot be made; the message names it.
    pub fn open(folder: &Path) -> Result<Self> {
        files::make_folder(&folder.join("days"))?;
        Ok(Self(folder.into()))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The file of a day.
    #[must_use]
    pub fn day(&self, day: Date) -> PathBuf {
        self.0.join("days").join(format!("{day}.sqlite"))
    }

    /// The file that the days share.
    #[must_use]
    pub fn shared(&self) -> PathBuf {
        self.0.join("shared.sqlite")
    }

    /// The folder of the exports.
    #[must_use]
    pub fn exports(&self) -> PathBuf {
        self.0.join("exports")
    }

    /// All days that there are, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read; the message names it.
    pub fn days(&self) -> Result<Vec<Date>> {
        let folder = self.0.join("days");
        let entries = fs::read_dir(&folder).with_context(|| format!("reading the folder {}", folder.display()))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        // Strictly what is written: jiff reads other notations too.
        let day = |name: String| {
            let date: Date = name.strip_suffix(".sqlite")?.parse().ok()?;
            (name == format!("{date}.sqlite")).then_some(date)
        };
        let mut days: Vec<_> = names.filter_map(day).collect();
        days.sort();
        Ok(days)
    }

    /// The right to be the one process that receives. It lasts as long as the file is open.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be made.
    pub fn lock(&self) -> Result<File> {
        let file = self.0.join("lock");
        let lock = files::open_own(&file).with_context(|| format!("opening {}", file.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => {
                let what = format!("another collector uses {}", self.0.display());
                Err(Advised::new(what, "stop that one, or name another folder with --data").into())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", file.display())),
        }
    }
}
