//! Writes lines: where the next one goes, in which order line and head are written, rotation, and repairing
//! what a crash left. What happens when writing fails is up to [`crate::Journal`].

use super::chain::{self, Broken, Chained, Head, LINE, Link, Name, Verified};
use super::folder::{self, HEAD};
use super::open_file::{Lock, OpenFile};
use super::{JournalEntry, Rules, What};
use anyhow::{Context, Result};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes to one folder.
pub(super) struct Writer {
    pub(super) folder: PathBuf,
    rules: Rules,
    /// The file that is locked, once it is open.
    lock: Option<Arc<File>>,
    /// None if it must first be found out from the files.
    position: Option<Position>,
    /// The number of the last line that we wrote: if it is not there later, somebody removed it.
    last_written: u64,
    /// Reasons of [`What::Gap`] entries to write before the next entry.
    gaps: VecDeque<String>,
}

/// Where the next line goes.
struct Position {
    head: Head,
    head_file: OpenFile,
    /// Files in order, with their lengths in bytes.
    files: VecDeque<(Name, u64)>,
    /// The last of them, which is written to.
    end: Option<OpenFile>,
    /// False after a write that failed half way: then the files may differ from what this says.
    is_reliable: bool,
}

impl Writer {
    pub(super) fn new(folder: PathBuf, rules: Rules) -> Self {
        Self { folder, rules, lock: None, position: None, last_written: 0, gaps: VecDeque::new() }
    }

    /// Find the place for the next line, and repair what a crash left.
    pub(super) fn open(&mut self) -> Result<()> {
        let _lock = self.lock()?;
        self.recover()?;
        self.write_gaps()
    }

    /// Write one entry. If another process has written meanwhile, its lines are checked first.
    pub(super) fn append(&mut self, entry: &JournalEntry) -> Result<()> {
        let mut lock = self.lock()?;
        if !self.is_current() {
            drop(lock);
            // The folder may have been replaced by another one.
            self.lock = None;
            lock = self.lock()?;
            self.recover()?;
        }
        let _lock = lock;
        self.write_gaps()?;
        self.write(entry)
    }

    fn lock(&mut self) -> Result<Lock> {
        let file = match &self.lock {
            Some(file) => file.clone(),
            None => self.lock.insert(Lock::file(&self.folder)?).clone(),
        };
        Lock::take(file, &self.folder)
    }

    fn write_gaps(&mut self) -> Result<()> {
        while let Some(reason) = self.gaps.front().cloned() {
            self.write(&JournalEntry { what: What::Gap, reason: Some(reason), ..JournalEntry::default() })?;
            self.gaps.pop_front();
        }
        Ok(())
    }

    /// The time now, as it is written in entries: UTC with milliseconds.
    pub(super) fn time(&self) -> String {
        let now = jiff::Timestamp::try_from((self.rules.now)()).unwrap_or(jiff::Timestamp::MAX);
        // A clock that was never set begins in 1970; a year before 0 would be formatted differently.
        format!("{:.3}", now.max(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Whether the files are as we left them. Another process may have written to them, or removed them.
    fn is_current(&mut self) -> bool {
        let Some(position) = &mut self.position else { return false };
        let length = |file: &Option<OpenFile>| file.as_ref().map(|file| file.length());
        let head = position.head.to_text();
        position.is_reliable
            && position.head_file.length() == Some(head.len() as u64)
            && length(&position.end) == position.files.back().map(|(_, length)| Some(*length))
            && position.head_file.begins_with(head.as_bytes())
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(name.to_string())
    }

    /// Find out where the next line goes.
    fn recover(&mut self) -> Result<()> {
        self.position = None;
        let head = folder::head(&self.folder)?;
        let found = match folder::check(&self.folder, head.as_deref())? {
            Ok(found) => found,
            Err(broken) => return self.start_over(&broken),
        };
        self.repair(head.as_deref(), &found)?;
        if found.tail.number < self.last_written {
            let what = format!("the lines up to number {} that this host wrote are no longer here", self.last_written);
            tracing::error!("the journal in {}: {what}", self.folder.display());
            self.gaps.push_back(what);
            self.last_written = 0;
        }
        Ok(())
    }

    /// Move a broken journal aside and begin a new one.
    fn start_over(&mut self, broken: &Broken) -> Result<()> {
        let aside = folder::move_aside(&self.folder)?;
        tracing::error!(
            "the journal in {} is broken: {broken}. Its files are kept in {aside}, and a new journal begins. A power \
             failure can do that to the last lines; if there was none, somebody changed the files",
            self.folder.display()
        );
        self.gaps.push_back(format!("the journal before this one is broken and is kept in {aside}: {broken}"));
        self.last_written = 0;
        self.begin()
    }

    /// Repair all that a crash can leave in a journal that is not broken.
    fn repair(&mut self, head: Option<&[u8]>, found: &Verified) -> Result<()> {
        let Some(head) = head.and_then(Head::parse) else { return self.begin() };
        let names: Vec<_> = folder::files(&self.folder)?.iter().filter_map(|name| Name::parse(name)).collect();
        for name in &names[..found.stale.min(names.len())] {
            remove(&self.path(name))?;
        }
        let mut files = VecDeque::new();
        for name in names.into_iter().skip(found.stale) {
            let path = self.path(&name);
            let length = fs::metadata(&path).with_context(|| format!("reading {}", path.display()))?.len();
            files.push_back((name, length));
        }
        if let Some((name, whole)) = &found.end
            && let Some((_, length)) = files.back_mut()
        {
            let path = self.path(name);
            if *whole == 0 {
                remove(&path)?;
                files.pop_back();
            } else if found.incomplete > 0 {
                tracing::warn!("{}: its last line was incomplete and is removed", path.display());
                OpenFile::open(path, OpenOptions::new().write(true))?.cut(*whole as u64)?;
                *length = *whole as u64;
            }
        }
        if found.behind > 0 {
            tracing::info!("the journal in {} was not closed cleanly; nothing is missing", self.folder.display());
        }
        let mut head_file = self.head_file()?;
        let repaired = Head { last: found.tail, ..head };
        if repaired != head {
            head_file.write_first(repaired.to_text().as_bytes())?;
        }
        let end = match files.back() {
            Some((name, _)) => Some(OpenFile::open(self.path(name), OpenOptions::new().append(true))?),
            None => None,
        };
        self.position = Some(Position { head: repaired, head_file, files, end, is_reliable: true });
        Ok(())
    }

    /// Begin a new journal in a folder without one.
    fn begin(&mut self) -> Result<()> {
        glassbox_util::files::write_own_with_sync(&self.folder.join(HEAD), Head::NEW.to_text().as_bytes())?;
        let head_file = self.head_file()?;
        let files = VecDeque::new();
        self.position = Some(Position { head: Head::NEW, head_file, files, end: None, is_reliable: true });
        Ok(())
    }

    fn head_file(&self) -> Result<OpenFile> {
        OpenFile::open(self.folder.join(HEAD), OpenOptions::new().read(true).write(true))
    }

    fn write(&mut self, entry: &JournalEntry) -> Result<()> {
        let mut position = self.position.take().context("where the journal ends is not known")?;
        let written = self.write_at(&mut position, entry);
        if written.is_ok() {
            self.last_written = position.head.last.number;
        }
        self.position = Some(position);
        written
    }

    /// Write a line at a position: the line first, then the head. So a crash between the two leaves a head that
    /// is one line behind, and never one that records a line that does not exist.
    fn write_at(&self, position: &mut Position, entry: &JournalEntry) -> Result<()> {
        let time = self.time();
        let number = position.head.last.number.checked_add(1).context("the journal's numbers have run out")?;
        let line = entry.to_line(number, &time, &glassbox_util::text::hex(&position.head.last.hash));
        let (date, length) = (&time[..10], line.len() as u64);
        let (name, before) = match position.files.back() {
            Some((name, used)) if !name.is_before(date) && used + length <= self.rules.file => (name.clone(), *used),
            Some((name, _)) => (name.next(date), 0),
            None => (Name::new(date), 0),
        };
        let path = self.path(&name);
        // Until all is done, only the files can tell the position.
        position.is_reliable = false;
        let mut new = None;
        if before == 0 {
            self.make_room(position)?;
            let file = OpenFile::open(path.clone(), OpenOptions::new().append(true).create_new(true));
            // If there is already such a file, we know nothing of it.
            position.is_reliable = file.is_err() && fs::symlink_metadata(&path).is_err();
            new = Some(file?);
        }
        let end = new.as_mut().or(position.end.as_mut()).context("the journal's last file is not open")?;
        let head = Head { last: Link { number, hash: chain::hash(&line[..line.len() - 1]) }, ..position.head };
        if let Err(error) = end.append(&line).and_then(|()| position.head_file.write_first(head.to_text().as_bytes())) {
            let undone = if before == 0 { remove(&path) } else { end.cut(before) };
            position.is_reliable = undone.is_ok();
            return Err(error);
        }
        position.head = head;
        if let Some(new) = new {
            position.files.push_back((name, 0));
            position.end = Some(new);
        }
        if let Some((_, used)) = position.files.back_mut() {
            *used += length;
        }
        position.is_reliable = true;
        Ok(())
    }

    /// Remove the oldest files until there is room for another full one. The head is written first: after a
    /// crash, files that it no longer counts are removed by [`Self::repair`].
    fn make_room(&self, position: &mut Position) -> Result<()> {
        let used = |files: &VecDeque<(Name, u64)>| files.iter().map(|(_, length)| length).sum::<u64>();
        while position.files.len() > 1 && used(&position.files) + self.rules.file > self.rules.total {
            let (second, _) = &position.files[1];
            position.head.first = first_link(&self.path(second))?;
            position.head_file.write_first(position.head.to_text().as_bytes())?;
            if let Some((oldest, _)) = position.files.pop_front() {
                tracing::debug!("removing {oldest}: the journal has reached its largest size");
                remove(&self.path(&oldest))?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("removing {}", path.display()))
}

/// What the head must record about a file that becomes the oldest one.
fn first_link(path: &Path) -> Result<Link> {
    let bytes = folder::read(path, LINE).with_context(|| format!("reading {}", path.display()))?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = Chained::parse(line)
        .map_err(|reason| anyhow::anyhow!("{}, line 1 is not a line of the journal: {reason}", path.display()))?;
    Ok(Link { number: first.number, hash: first.prev })
}
