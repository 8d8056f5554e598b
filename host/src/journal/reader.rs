//! Reads lines one after the other, also those that come later: for looking at them. Whether they hang
//! together is not asked here.

use super::chain::{Chained, FILE, Head, Name};
use super::folder;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// Reads a journal, and knows how far it has come.
pub struct Reader {
    folder: PathBuf,
    /// The file that we are in, and where.
    at: Option<(Name, usize)>,
    /// The number of the last line.
    last: u64,
    /// The head when we last came to the end.
    head: Option<Vec<u8>>,
}

impl Reader {
    /// From the first line on. The folder need not exist yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), at: None, last: 0, head: None }
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
        let last = head.as_deref().and_then(Head::parse).map(|head| head.last.number);
        let files = folder::files(&self.folder).with_context(|| format!("reading {}", self.folder.display()))?;
        let names: Vec<_> = files.iter().filter_map(|name| Name::parse(name)).collect();
        let gone = self.at.as_ref().is_some_and(|(name, _)| names.last().is_none_or(|end| end < name));
        let anew = gone || last.is_some_and(|last| last < self.last);
        if anew {
            (self.at, self.last) = (None, 0);
        }
        for name in names {
            let from = match &self.at {
                Some((at, _)) if name < *at => continue,
                Some((at, from)) if name == *at => *from,
                _ => 0,
            };
            self.file(name, from, &mut each)?;
        }
        self.head = head;
        Ok(anew)
    }

    fn file(&mut self, name: Name, from: usize, each: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let path = self.folder.join(name.to_string());
        let bytes = match folder::read(&path, FILE) {
            // The oldest one, removed just now.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            bytes => bytes.with_context(|| format!("reading {}", path.display()))?,
        };
        if bytes.len() > FILE {
            bail!("{} is larger than a host makes its files; 'glassbox log --verify' says more", path.display());
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |feed| feed + 1);
        for line in bytes.get(from..whole).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            let line = &line[..line.len() - 1];
            if let Ok(chained) = Chained::parse(line) {
                self.last = chained.number;
            }
            each(line)?;
        }
        self.at = Some((name, whole.max(from)));
        Ok(())
    }
}
