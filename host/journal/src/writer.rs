//! Writes lines: where the next one goes, in which order line and head are written, rotation, and
//! mending what a crash left. Whether trouble is told, and to whom, is the handle's business.

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
    /// What is locked, once it is open.
    lock: Option<Arc<File>>,
    /// None where it has to be found out from the files.
    position: Option<Position>,
    /// The number of the last line that we wrote: lines up to here cannot be gone.
    known: u64,
    /// What the journal has to say of itself before the next entry.
    notes: VecDeque<String>,
}

/// Where the next line goes.
struct Position {
    head: Head,
    head_file: OpenFile,
    /// Files and their lengths.
    files: VecDeque<(Name, u64)>,
    /// The last of them, to write to.
    end: Option<OpenFile>,
    /// Whether the files are as this says, as far as it is up to us.
    sure: bool,
}

impl Writer {
    pub(super) fn new(folder: PathBuf, rules: Rules) -> Self {
        Self { folder, rules, lock: None, position: None, known: 0, notes: VecDeque::new() }
    }

    /// Find the place for the next line, and repair what has to be.
    pub(super) fn open(&mut self) -> Result<()> {
        let _lock = self.lock()?;
        self.recover()?;
        self.write_notes()
    }

    /// Write one entry.
    pub(super) fn append(&mut self, entry: &JournalEntry) -> Result<()> {
        let mut lock = self.lock()?;
        if !self.is_current() {
            drop(lock);
            // The folder may be another one by now.
            self.lock = None;
            lock = self.lock()?;
            self.recover()?;
        }
        let _lock = lock;
        self.write_notes()?;
        self.write(entry)
    }

    fn lock(&mut self) -> Result<Lock> {
        let file = match &self.lock {
            Some(file) => file.clone(),
            None => self.lock.insert(Lock::file(&self.folder)?).clone(),
        };
        Lock::take(file)
    }

    fn write_notes(&mut self) -> Result<()> {
        while let Some(reason) = self.notes.front().cloned() {
            self.write(&JournalEntry { what: What::Gap, reason: Some(reason), ..JournalEntry::default() })?;
            self.notes.pop_front();
        }
        Ok(())
    }

    /// The time, as entries have it.
    pub(super) fn time(&self) -> String {
        let now = jiff::Timestamp::try_from((self.rules.now)()).unwrap_or(jiff::Timestamp::MAX);
        // A clock that was never set begins in 1970; years before 0 have another form.
        format!("{:.3}", now.max(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Whether the files are as we left them. Another process may have written, or removed them.
    fn is_current(&mut self) -> bool {
        let Some(position) = &mut self.position else { return false };
        let length = |held: &Option<OpenFile>| held.as_ref().map(|held| held.length());
        let head = position.head.to_text();
        position.sure
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
            Err(broken) => return self.begin_anew(&broken),
        };
        self.repair(head.as_deref(), &found)?;
        if found.tail.number < self.known {
            let what = format!("the lines up to number {} that this host wrote are not here any more", self.known);
            tracing::error!("the journal in {}: {what}", self.folder.display());
            self.notes.push_back(what);
            self.known = 0;
        }
        Ok(())
    }

    /// Put a broken journal aside.
    fn begin_anew(&mut self, broken: &Broken) -> Result<()> {
        let aside = folder::put_aside(&self.folder)?;
        tracing::error!(
            "the journal in {} is broken: {broken}. Its files are kept in {aside}, and a new journal begins. A power \
             failure can do that to the last lines; if there was none, somebody changed the files",
            self.folder.display()
        );
        self.notes.push_back(format!("the journal before this one is broken, and is kept in {aside}: {broken}"));
        self.known = 0;
        self.begin()
    }

    /// Bring a sound journal in order: all that a crash can leave.
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
                tracing::warn!("{}: its last line was not whole, and is cut off", path.display());
                OpenFile::open(path, OpenOptions::new().write(true))?.cut(*whole as u64)?;
                *length = *whole as u64;
            }
        }
        if found.behind > 0 {
            tracing::info!("the journal in {} was not cleanly closed; nothing is missing", self.folder.display());
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
        self.position = Some(Position { head: repaired, head_file, files, end, sure: true });
        Ok(())
    }

    /// Begin a journal where there is none.
    fn begin(&mut self) -> Result<()> {
        glassbox_util::files::write_atomically(&self.folder.join(HEAD), Head::NEW.to_text().as_bytes())?;
        let head_file = self.head_file()?;
        self.position = Some(Position { head: Head::NEW, head_file, files: VecDeque::new(), end: None, sure: true });
        Ok(())
    }

    fn head_file(&self) -> Result<OpenFile> {
        OpenFile::open(self.folder.join(HEAD), OpenOptions::new().read(true).write(true))
    }

    fn write(&mut self, entry: &JournalEntry) -> Result<()> {
        let mut position = self.position.take().context("where the journal ends is not known")?;
        let written = self.write_at(&mut position, entry);
        if written.is_ok() {
            self.known = position.head.last.number;
        }
        self.position = Some(position);
        written
    }

    /// Write a line to the place that was found: the line first, then the head. So a crash between
    /// the two leaves a head that is one line behind, and never one that knows of a line that is not.
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
        // Until all is done, the files have to say where we are.
        position.sure = false;
        let mut new = None;
        if before == 0 {
            self.make_room(position)?;
            let file = OpenFile::open(path.clone(), OpenOptions::new().append(true).create_new(true));
            // What is there already we do not know.
            position.sure = file.is_err() && fs::symlink_metadata(&path).is_err();
            new = Some(file?);
        }
        let end = new.as_mut().or(position.end.as_mut()).context("the journal's last file is not open")?;
        let head = Head { last: Link { number, hash: chain::hash(&line[..line.len() - 1]) }, ..position.head };
        if let Err(error) = end.append(&line).and_then(|()| position.head_file.write_first(head.to_text().as_bytes())) {
            let undone = if before == 0 { remove(&path) } else { end.cut(before) };
            position.sure = undone.is_ok();
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
        position.sure = true;
        Ok(())
    }

    /// Remove the oldest files until another one may be filled. The head first: files that it does
    /// not count any more are removed after a crash, too.
    fn make_room(&self, position: &mut Position) -> Result<()> {
        let used = |files: &VecDeque<(Name, u64)>| files.iter().map(|(_, length)| length).sum::<u64>();
        while position.files.len() > 1 && used(&position.files) + self.rules.file > self.rules.total {
            let (second, _) = &position.files[1];
            position.head.first = first_link(&self.path(second))?;
            position.head_file.write_first(position.head.to_text().as_bytes())?;
            if let Some((oldest, _)) = position.files.pop_front() {
                tracing::debug!("{oldest} is removed: the journal has reached its size");
                remove(&self.path(&oldest))?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("removing {}", path.display()))
}

/// What the head has to say of a file that becomes the oldest one.
fn first_link(path: &Path) -> Result<Link> {
    let bytes = folder::read(path, LINE).with_context(|| format!("reading {}", path.display()))?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = Chained::parse(line)
        .map_err(|reason| anyhow::anyhow!("{}, line 1 is not a line of the journal: {reason}", path.display()))?;
    Ok(Link { number: first.number, hash: first.prev })
}
