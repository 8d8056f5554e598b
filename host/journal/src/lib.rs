//! The journal: what was queued, blocked, sent, failed or dropped, when, by which component and because
//! of which event; and what happened to plugins. JSON lines in `journal/2026-07-27.jsonl`, chained by
//! hashes, with a `head` that knows the last one. No id and no secret is in it: it can be shown to
//! anybody. Whoever makes an entry takes care of that, with [`JournalEntry::redacted`].
//!
//! **What it can show.** A line that was altered, removed, moved, put in or cut off, a file that is
//! missing or renamed, and a head that does not fit. What it cannot: who owns the machine can write lines
//! and head anew, and can remove the whole folder.
//!
//! **What a crash leaves.** A line is written with one call, then the head, in place. After a SIGKILL the
//! last line may not be whole, or the head one line behind; the next [`Journal::open`] repairs that.
//! Nothing is synced to the disk for each line: SD cards wear out by it, and a print's reports are
//! not worth that. So when the power fails, the last seconds may be missing, or the head may know of a
//! line that is not there. That cannot be told from a line that somebody cut off, and is treated as such.
//!
//! **What is not repaired.** A journal that is broken otherwise goes into a folder `broken-N` as it is, a
//! new one begins, and its first entry says so. All lines are checked when a journal is opened; while it
//! is written, the head and the last file's length are compared before each line.
//!
//! **Size.** A file takes 4 MiB, all of them 32 MiB; the oldest whole files go. A clock that goes back
//! does not: entries have the time that it showed, and their order is by number.
//!
//! Several processes may write: each line is written under a lock on the file `lock`.

pub mod chain;
mod entry;
mod folder;
mod open_file;
mod reader;
mod redact;
mod writer;

pub use entry::{JournalEntry, JournalRequest, What};
pub use folder::{broken_folders, verify};
pub use reader::Reader;
pub use redact::redact;

use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use writer::Writer;

/// All files together, in bytes: some hundred thousand reports, and little on the smallest SD card.
pub const TOTAL: u64 = 32 << 20;

/// What a journal goes by. Others than the default are for tests.
pub struct Rules {
    /// The largest file, in bytes; not more than [`chain::FILE`].
    pub file: u64,
    /// All files together, in bytes; at least two files.
    pub total: u64,
    /// The time.
    pub now: Box<dyn Fn() -> SystemTime + Send>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { file: chain::FILE as u64, total: TOTAL, now: Box::new(SystemTime::now) }
    }
}

/// The handle; clones write to the same journal.
#[derive(Clone)]
pub struct Journal {
    folder: Arc<Path>,
    state: Arc<Mutex<State>>,
}

struct State {
    writer: Writer,
    outage: Option<Outage>,
}

/// Since when nothing can be written.
struct Outage {
    since: String,
    lost: u64,
    reason: String,
}

impl Journal {
    /// Open the journal in a folder, which is made where it is missing, and repair what a crash left.
    ///
    /// # Errors
    /// When the folder or what is in it cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_with(folder, Rules::default())
    }

    /// Open with other rules.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(folder: &Path, rules: Rules) -> Result<Self> {
        let journal = Self::at(folder, rules);
        journal.lock().writer.open()?;
        Ok(journal)
    }

    /// The journal in a folder that is looked at only when there is something to write: for a host
    /// that goes on though it cannot be written.
    #[must_use]
    pub fn at(folder: &Path, rules: Rules) -> Self {
        let writer = Writer::new(PathBuf::from(folder), rules);
        Self { folder: folder.into(), state: Arc::new(Mutex::new(State { writer, outage: None })) }
    }

    /// Write an entry. Nothing is returned: an entry that cannot be written stops nobody. It is logged
    /// once, such entries are counted, and when writing works again an entry says how many are missing.
    pub fn write(&self, entry: &JournalEntry) {
        self.lock().write(entry);
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, entry: &JournalEntry) {
        if !self.end_outage() {
            return;
        }
        if let Err(error) = self.writer.append(entry) {
            tracing::error!(
                "the journal in {} cannot be written, entries are counted until it can: {error:#}; make room on \
                 the disk, or let the folder be written",
                self.writer.folder.display()
            );
            // Not the whole message: paths are nobody's business who reads the journal.
            let reason = error.root_cause().to_string();
            self.outage = Some(Outage { since: self.writer.time(), lost: 1, reason });
        }
    }

    /// Whether entries can be written, as far as is known; one more is lost where they cannot.
    fn end_outage(&mut self) -> bool {
        let Some(outage) = &mut self.outage else { return true };
        let lost = if outage.lost == 1 { "1 entry".into() } else { format!("{} entries", outage.lost) };
        let reason = format!("{lost} could not be written since {}: {}", outage.since, outage.reason);
        let gap = JournalEntry { what: What::Gap, reason: Some(reason), ..JournalEntry::default() };
        if self.writer.append(&gap).is_err() {
            outage.lost += 1;
            return false;
        }
        tracing::info!("the journal can be written again; {lost} were lost");
        self.outage = None;
        true
    }
}

impl Drop for State {
    /// The last chance to say what is missing.
    fn drop(&mut self) {
        self.end_outage();
    }
}
