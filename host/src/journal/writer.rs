//! Writes lines: where the next one goes, in which order line and head are written, rotation, and
//! mending what a crash left. Whether trouble is told, and to whom, is the handle's business.

use super::chain::{self, Broken, Chained, Head, LINE, Link, Name, Verified};
use super::folder::{self, HEAD};
use super::{Entry, Rules, What};
use anyhow::{Context, Result};
use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes to one folder.
pub(super) struct Writer {
    pub(super) folder: PathBuf,
    rules: Rules,
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
    /// Files and their lengths.
    files: VecDeque<(Name, u64)>,
}

impl Writer {
    pub(super) fn new(folder: PathBuf, rules: Rules) -> Self {
        Self { folder, rules, position: None, known: 0, notes: VecDeque::new() }
    }

    /// Find the place for the next line, and mend what has to be.
    pub(super) fn open(&mut self) -> Result<()> {
        folder::make(&self.folder)?;
        let _lock = folder::lock(&self.folder)?;
        self.recover()?;
        self.write_notes()
    }

    /// Write one entry.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<()> {
        let _lock = folder::lock(&self.folder)?;
        if !self.is_current() {
            self.recover()?;
        }
        self.write_notes()?;
        self.write(entry)
    }

    fn write_notes(&mut self) -> Result<()> {
        while let Some(reason) = self.notes.front().cloned() {
            self.write(&Entry { what: What::Gap, reason: Some(reason), ..Entry::default() })?;
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
    fn is_current(&self) -> bool {
        let Some(position) = &self.position else { return false };
        let head = folder::head(&self.folder);
        let end = position.files.back().map(|(name, length)| {
            fs::metadata(self.path(name)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == *length)
        });
        head.is_ok_and(|head| head.is_some_and(|head| head == position.head.to_text().as_bytes())) && end != Some(false)
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
        self.mend(head.as_deref(), &found)?;
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
    fn mend(&mut self, head: Option<&[u8]>, found: &Verified) -> Result<()> {
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
                cut(&path, *whole as u64)?;
                *length = *whole as u64;
            }
        }
        if found.behind > 0 {
            tracing::info!("the journal in {} was not cleanly closed; nothing is missing", self.folder.display());
        }
        let mended = Head { last: found.tail, ..head };
        if mended != head {
            self.write_head(&mended)?;
        }
        self.position = Some(Position { head: mended, files });
        Ok(())
    }

    /// Begin a journal where there is none.
    fn begin(&mut self) -> Result<()> {
        crate::home::write_atomically(&self.folder.join(HEAD), Head::NEW.to_text().as_bytes())?;
        self.position = Some(Position { head: Head::NEW, files: VecDeque::new() });
        Ok(())
    }

    /// Write a line to the place that was found: the line first, then the head. So a crash between
    /// the two leaves a head that is one line behind, and never one that knows of a line that is not.
    fn write(&mut self, entry: &Entry) -> Result<()> {
        // Where anything fails, the files have to say where we are; unless they are as they were.
        let mut position = self.position.take().context("where the journal ends is not known")?;
        let time = self.time();
        let number = position.head.last.number.checked_add(1).context("the journal's numbers have run out")?;
        let line = entry.to_line(number, &time, &chain::hex(&position.head.last.hash));
        let length = line.len() as u64;
        let date = &time[..10];
        let last = position.files.back().cloned();
        let (name, before) = match &last {
            Some((name, used)) if !name.is_before(date) && used + length <= self.rules.file => (name.clone(), *used),
            Some((name, _)) => (name.next(date), 0),
            None => (Name::new(date), 0),
        };
        if before == 0 {
            self.make_room(&mut position)?;
        }
        let mut head = position.head;
        head.last = Link { number, hash: chain::hash(&line[..line.len() - 1]) };
        let path = self.path(&name);
        let fail = || format!("writing {}", path.display());
        let mut file = OpenOptions::new().append(true).create_new(before == 0).open(&path).with_context(fail)?;
        let written = file.write_all(&line).with_context(fail).and_then(|()| self.write_head(&head));
        if let Err(error) = written {
            let undone = if before == 0 { remove(&path) } else { cut(&path, before) };
            self.position = undone.is_ok().then_some(position);
            return Err(error);
        }
        if before == 0 {
            position.files.push_back((name, length));
        } else if let Some((_, used)) = position.files.back_mut() {
            *used += length;
        }
        self.position = Some(Position { head, ..position });
        self.known = number;
        Ok(())
    }

    /// Remove the oldest files until another one may be filled. The head first: files that it does
    /// not count any more are removed after a crash, too.
    fn make_room(&self, position: &mut Position) -> Result<()> {
        let used = |files: &VecDeque<(Name, u64)>| files.iter().map(|(_, length)| length).sum::<u64>();
        while position.files.len() > 1 && used(&position.files) + self.rules.file > self.rules.total {
            let (second, _) = &position.files[1];
            position.head.first = first_link(&self.path(second))?;
            self.write_head(&position.head)?;
            if let Some((oldest, _)) = position.files.pop_front() {
                tracing::debug!("{oldest} is removed: the journal has reached its size");
                remove(&self.path(&oldest))?;
            }
        }
        Ok(())
    }

    fn write_head(&self, head: &Head) -> Result<()> {
        let path = self.folder.join(HEAD);
        OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(head.to_text().as_bytes()))
            .with_context(|| format!("writing {}", path.display()))
    }
}

fn cut(path: &Path, length: u64) -> Result<()> {
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(length));
    cut.with_context(|| format!("cutting {}", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("removing {}", path.display()))
}

/// What the head has to say of a file that becomes the oldest one.
fn first_link(path: &Path) -> Result<Link> {
    let bytes = folder::read(path, LINE).with_context(|| format!("reading {}", path.display()))?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = Chained::parse(line)
        .map_err(|reason| anyhow::anyhow!("{}, line 1 is no line of the journal: {reason}", path.display()))?;
    Ok(Link { number: first.number, hash: first.prev })
}
