//! The store: one SQLite file for each UTC day, and one that they share. A day is removed by removing its file; what
//! many reports repeat (lists of plugins, environments) is kept once, in the shared file. One process writes.

pub mod backup;
mod clock;
pub mod counters;
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
use nix::unistd::{Uid, User};
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the store's files are.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

impl Store {
    /// The store in a folder, which is made for its owner only unless it exists.
    ///
    /// # Errors
    /// When it cannot be made, or belongs to another user; the message names it.
    pub fn open(folder: &Path) -> Result<Self> {
        must_be_ours(folder)?;
        files::make_folder(&folder.join("days"))?;
        Ok(Self(folder.into()))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The file of a day.
    pub fn day(&self, day: Date) -> PathBuf {
        self.0.join("days").join(format!("{day}.sqlite"))
    }

    /// The file that the days share.
    pub fn shared(&self) -> PathBuf {
        self.0.join("shared.sqlite")
    }

    /// The folder of what the page shows and no export has.
    pub fn page(&self) -> PathBuf {
        self.0.join("page")
    }

    /// The socket at which a collector that runs says how it goes, to whom the folder belongs.
    pub fn status_socket(&self) -> PathBuf {
        self.0.join("status.socket")
    }

    /// The folder of the exports.
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

    /// What is beside the days and is none: days that were damaged, and moved aside.
    ///
    /// # Errors
    /// When the folder cannot be read; the message names it.
    pub fn moved_aside(&self) -> Result<Vec<PathBuf>> {
        let folder = self.0.join("days");
        let entries = fs::read_dir(&folder).with_context(|| format!("reading the folder {}", folder.display()))?;
        let is_aside = |file: &PathBuf| file.to_str().is_some_and(|name| name.contains(".sqlite.damaged-"));
        let mut aside: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_aside).collect();
        aside.sort();
        Ok(aside)
    }

    /// The right to remove something from days or from the file that they share, for as long as the file is open: `forget`,
    /// retention and a backup, which copies one file after the other, exclude each other. Who receives does not wait for it.
    ///
    /// # Errors
    /// When another has it for longer than `patience`, or the file cannot be made.
    pub fn removing(&self, patience: Duration) -> Result<File> {
        let until = Instant::now() + patience;
        loop {
            match self.try_lock("removing")? {
                Some(lock) => return Ok(lock),
                None if Instant::now() < until => std::thread::sleep(Duration::from_millis(100)),
                None => {
                    let what = format!("a backup of {} is being made, or something is removed", self.0.display());
                    return Err(Advised::new(what, "try again later").into());
                }
            }
        }
    }

    /// The right to be the one process that receives. It lasts as long as the file is open.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be made.
    pub fn lock(&self) -> Result<File> {
        self.try_lock("lock")?.ok_or_else(|| {
            let what = format!("another collector uses {}", self.0.display());
            Advised::new(what, "stop that one, or name another folder with --data").into()
        })
    }

    /// The right to be the one process that imports. It lasts as long as the file is open.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be made.
    pub fn importing(&self) -> Result<File> {
        self.try_lock("importing")?.ok_or_else(|| {
            let what = format!("another import into {} is going on", self.0.display());
            Advised::new(what, "wait until that has ended").into()
        })
    }

    /// A file that is locked; none if another has it.
    fn try_lock(&self, name: &str) -> Result<Option<File>> {
        let file = self.0.join(name);
        let lock = files::open_own(&file).with_context(|| format!("opening {}", file.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", file.display())),
        }
    }
}

/// What another user makes in a store, root not excepted, the one that it belongs to cannot read or write: the service would
/// miss a day, or not start.
fn must_be_ours(folder: &Path) -> Result<()> {
    let owner = match folder.metadata() {
        Ok(found) => Uid::from_raw(found.uid()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("looking at the folder {}", folder.display())),
    };
    if owner == Uid::effective() {
        return Ok(());
    }
    let name = User::from_uid(owner).ok().flatten().map_or_else(|| format!("#{owner}"), |user| user.name);
    let what = format!("the store {} belongs to the user {name}", folder.display());
    Err(Advised::new(what, format!("do this as that user: sudo -u '{name}' glassbox-collector ..")).into())
}
