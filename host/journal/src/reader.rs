//! Reads lines one after the other, also those that come later: for looking at them. Whether they hang
//! together is not asked here.

use super::chain::{Chained, FILE, Link, Name, hash};
use super::folder;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// Reads a journal, and knows how far it has come.
pub struct Reader {
    folder: PathBuf,
    /// The file that we are in, and where.
    at: Option<(Name, usize)>,
    /// The last line that was read.
    last: Option<Link>,
    /// The head when we last came to the end.
    head: Option<Vec<u8>>,
}

impl Reader {
    /// From the first line on. The folder need not exist yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), at: None, last: None, head: None }
    }

    /// Hand on all whole lines that were not yet. True if the journal was begun anew since; its lines
    /// are handed on from the first.
    ///
    /// # Errors
    /// When it cannot be read, or what it is handed on to fails.
    pub fn read(&mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let head = folder::head(&self.folder)?;
        // One small file tells whether there is anything to do.
        if head.is_some() && head == self.head {
            return Ok(false);
        }
        let anew = !self.go_on(&mut each)?;
        if anew {
            (self.at, self.last) = (None, None);
            self.go_on(&mut each)?;
        }
        self.head = head;
        Ok(anew)
    }

    /// Read on; false, and nothing is handed on, if this is another journal than the one that was read.
    fn go_on(&mut self, each: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let files = folder::files(&self.folder).with_context(|| format!("reading {}", self.folder.display()))?;
        let names: Vec<_> = files.iter().filter_map(|name| Name::parse(name)).collect();
        if self.at.as_ref().is_some_and(|(name, _)| names.last().is_none_or(|end| end < name)) {
            return Ok(false);
        }
        let mut before = self.last;
        for name in names {
            let from = match &self.at {
                Some((at, _)) if name < *at => continue,
                Some((at, from)) if name == *at => *from,
                _ => 0,
            };
            let path = self.folder.join(name.to_string());
            let bytes = match folder::read(&path, FILE) {
                // The oldest one, removed just now.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                bytes => bytes.with_context(|| format!("reading {}", path.display()))?,
            };
            if bytes.len() > FILE {
                bail!(
                    "{} is larger than a host makes its files; 'glassbox journal --verify' says more",
                    path.display()
                );
            }
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |feed| feed + 1);
            if whole < from {
                return Ok(false);
            }
            for line in bytes[from..whole].split_inclusive(|byte| *byte == b'\n') {
                let line = &line[..line.len() - 1];
                if let Ok(chained) = Chained::parse(line) {
                    // Where files were removed for their size before we came to them, numbers have a gap.
                    if before.take().is_some_and(|before| !is_later(&chained, before)) {
                        return Ok(false);
                    }
                    self.last = Some(Link { number: chained.number, hash: hash(line) });
                }
                each(line)?;
            }
            self.at = Some((name, whole));
        }
        Ok(true)
    }
}

/// Whether the line comes after that one, in one journal.
fn is_later(line: &Chained, before: Link) -> bool {
    match before.number.checked_add(1) {
        Some(next) if line.number == next => line.prev == before.hash,
        next => next.is_some_and(|next| line.number > next),
    }
}
