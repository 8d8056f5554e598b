//! Reads lines one after the other, including those that are written later: for showing them. Whether the chain
//! holds is not checked here, but by [`crate::verify`].

use super::chain::{Chained, FILE, Link, Name, hash};
use super::folder;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// Reads a journal, and remembers how far it has read.
pub struct Reader {
    folder: PathBuf,
    /// The file that was read last, and how many bytes of it.
    at: Option<(Name, usize)>,
    /// The last line that was read.
    last: Option<Link>,
    /// The head when the end was last reached.
    head: Option<Vec<u8>>,
}

impl Reader {
    /// A reader that begins with the first line. The folder need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), at: None, last: None, head: None }
    }

    /// Call `each` with every complete line since the last call, without its line feed. Returns true if a new
    /// journal has begun since then; in that case all of its lines are passed, from the first.
    ///
    /// # Errors
    /// When a file cannot be read or is too large to be the journal's, or when `each` fails.
    pub fn read(&mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let head = folder::head(&self.folder)?;
        // One small file tells whether there is anything to do.
        if head.is_some() && head == self.head {
            return Ok(false);
        }
        let is_new = !self.read_on(&mut each)?;
        if is_new {
            (self.at, self.last) = (None, None);
            self.read_on(&mut each)?;
        }
        self.head = head;
        Ok(is_new)
    }

    /// Read from where we are; false, and nothing is passed on, if this is not the journal that was read before.
    fn read_on(&mut self, each: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
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
                // The oldest file, which was removed just now.
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
                    // Numbers have a gap if files were removed, for their size, before we had read them.
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

/// Whether the line can come after that one in the same journal.
fn is_later(line: &Chained, before: Link) -> bool {
    match before.number.checked_add(1) {
        Some(next) if line.number == next => line.prev == before.hash,
        next => next.is_some_and(|next| line.number > next),
    }
}
