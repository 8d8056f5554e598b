//! The journal: an append-only log of JSON lines in files like `2026-07-27.jsonl`, chained by SHA-256, with a
//! file `head` that holds the number and the hash of the last line. Glassbox records in it what was queued,
//! blocked, sent, failed or dropped (when, by which component, because of which event), and what happened to
//! plugins. It contains no id and no secret, so that it can be shown to anybody; the code that makes an entry
//! sees to that, with [`JournalEntry::redacted`]. Plugins, settings and printing the journal are elsewhere.
//!
//! ```
//! use glassbox_journal::{Journal, JournalEntry, Reader, What, verify};
//! # let temporary = tempfile::tempdir()?;
//! # let folder = temporary.path().join("journal");
//! # let folder = folder.as_path();
//!
//! // Write two entries.
//! let journal = Journal::open(folder)?;
//! journal.write(&JournalEntry { what: What::Started, ..JournalEntry::default() });
//! journal.write(&JournalEntry {
//!     what: What::Waiting,
//!     plugin: "tracking".into(),
//!     reason: Some("nobody has granted it anything".into()),
//!     ..JournalEntry::default()
//! });
//!
//! // Read them: each is one line of JSON.
//! let mut lines = Vec::new();
//! Reader::new(folder).read(|line| {
//!     lines.push(String::from_utf8_lossy(line).into_owned());
//!     Ok(())
//! })?;
//! assert!(lines[0].starts_with(r#"{"n":1,"t":"2"#) && lines[0].contains(r#""what":"started""#));
//! assert!(lines[1].contains(r#""plugin":"tracking""#));
//!
//! // Check the chain.
//! let verified = verify(folder)?.expect("nobody touched it");
//! assert_eq!(verified.lines, 2);
//!
//! // Alter one byte, and the check names the line.
//! # drop(journal);
//! let (name, _) = verified.end.expect("it has a file");
//! let file = folder.join(name.to_string());
//! std::fs::write(&file, std::fs::read_to_string(&file)?.replace("nobody has", "nobody had"))?;
//! let broken = verify(folder)?.expect_err("it was altered");
//! assert_eq!(broken.line, Some(2));
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! **What it can show.** A line that was altered, removed, moved, inserted or cut off, a file that is missing or
//! renamed, and a head that does not match. What it cannot: the owner of the machine can rewrite all lines and
//! the head, or remove the whole folder.
//!
//! **What a crash leaves.** A line is written with one call, then the head is overwritten in place. After a
//! SIGKILL the last line may be incomplete, or the head may be one line behind; the next [`Journal::open`]
//! repairs that. Lines are not synced to the disk one by one: that wears out SD cards, and a print's reports are
//! not worth it. So after a power failure the last seconds may be missing, or the head may know of a line that
//! is not there. That cannot be told from a line that somebody cut off, and is treated as such.
//!
//! **What is not repaired.** A journal that is broken in any other way is moved into a folder `broken-N` as it
//! is, a new one begins, and its first entry says so. All lines are checked when a journal is opened; while it
//! is being written, the head and the last file's length are compared before each line.
//!
//! **Size.** A file takes up to 4 MiB, all files together 32 MiB; the oldest files are removed whole. If the
//! clock goes back, entries have the time that it showed; their order is by number.
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

/// The most that all files together take, in bytes: some hundred thousand reports, and little on the smallest
/// SD card.
pub const TOTAL: u64 = 32 << 20;

/// How large a journal gets, and which clock it uses. Only tests need others than the default.
pub struct Rules {
    /// The largest file, in bytes; at most [`chain::FILE`].
    pub file: u64,
    /// The most that all files together take, in bytes; at least twice [`file`](Self::file).
    pub total: u64,
    /// The clock for the time of entries.
    pub now: Box<dyn Fn() -> SystemTime + Send>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { file: chain::FILE as u64, total: TOTAL, now: Box::new(SystemTime::now) }
    }
}

/// A journal to write to. Clones write to the same one.
#[derive(Clone)]
pub struct Journal {
    folder: Arc<Path>,
    state: Arc<Mutex<State>>,
}

struct State {
    writer: Writer,
    outage: Option<Outage>,
}

/// A time during which nothing can be written.
struct Outage {
    /// When it began, as entries have their time.
    since: String,
    /// Entries that could not be written since.
    lost: u64,
    reason: String,
}

impl Journal {
    /// Open the journal in a folder, check it, and repair what a crash left. The folder is made if it is missing.
    /// A broken journal is no error: it is moved aside, and a new one begins.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read or written, or another process keeps the journal locked
    /// for five seconds. The message names the file.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_with(folder, Rules::default())
    }

    /// Open it with other rules than the default.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(folder: &Path, rules: Rules) -> Result<Self> {
        let journal = Self::at(folder, rules);
        journal.lock().writer.open()?;
        Ok(journal)
    }

    /// The journal in a folder that is opened only when there is something to write: for a host that keeps
    /// running although its journal cannot be opened.
    pub fn at(folder: &Path, rules: Rules) -> Self {
        let writer = Writer::new(PathBuf::from(folder), rules);
        Self { folder: folder.into(), state: Arc::new(Mutex::new(State { writer, outage: None })) }
    }

    /// Write an entry. This returns no error, since an entry that cannot be written must not stop anything. The
    /// first failure is logged, entries that are lost are counted, and once writing works again an entry of the
    /// kind [`What::Gap`] says how many are missing.
    pub fn write(&self, entry: &JournalEntry) {
        self.lock().write(entry);
    }

    /// The folder that it writes to.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, entry: &JournalEntry) {
        if !self.is_writable() {
            return;
        }
        if let Err(error) = self.writer.append(entry) {
            tracing::error!(
                "the journal in {} cannot be written, entries are counted until it can: {error:#}; make room on \
                 the disk, or make the folder writable",
                self.writer.folder.display()
            );
            // Not the whole message: it holds paths, which readers of the journal need not know.
            let reason = error.root_cause().to_string();
            self.outage = Some(Outage { since: self.writer.time(), lost: 1, reason });
        }
    }

    /// Whether entries can be written, as far as is known. During an outage this tries to end it; if that fails,
    /// one more entry is lost.
    fn is_writable(&mut self) -> bool {
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
        self.is_writable();
    }
}
