//! The chain: how lines, files and the head are linked, and the check that finds where the links are broken. It
//! works on bytes in memory; reading files is in `folder.rs`. Nothing here depends on the rest of the program, so
//! that it can be read, and fuzzed, by itself.
//!
//! Each line is a JSON object with a running number `n`, the time `t`, and `prev`, the SHA-256 of the line
//! before it without its line feed; `prev` of the very first line is all zeros. The head holds the number and
//! the hash of the last line, and the number and the `prev` of the first line that is kept: so it shows which
//! files were removed for their size, and any other removal is detected.

mod parts;

pub use parts::{Chained, FILE, Head, LINE, Link, NOTHING, Name, hash};

use std::fmt;

/// What is known of a journal whose chain holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Number of files that count, each with at least one line.
    pub files: usize,
    /// Number of complete lines that count.
    pub lines: u64,
    /// The number and the time of the first line; none if there is no line.
    pub first: Option<(u64, String)>,
    /// The number and the time of the last line; none if there is no line.
    pub last: Option<(u64, String)>,
    /// The last line's number and hash; what the head says if there is no line.
    pub tail: Link,
    /// Complete lines after the last one that the head records: the host was killed, or is writing.
    pub behind: u64,
    /// Length in bytes of an incomplete line at the end; for the same reasons.
    pub incomplete: usize,
    /// Files before the first line that is kept: the host was killed before it had removed them.
    pub stale: usize,
    /// The last file, and how many of its bytes are complete lines.
    pub end: Option<(Name, usize)>,
}

impl Verified {
    /// Whether the head records the last line, and nothing follows it. Otherwise a host was killed, or is writing just now;
    /// or somebody has appended something.
    pub fn is_clean(&self) -> bool {
        self.behind == 0 && self.incomplete == 0
    }
}

/// Where a chain is broken. Its text is `FILE, line N: WHAT`, and repeats nothing of the file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The file's name, without its folder.
    pub file: String,
    /// The line in it, from 1; none if it is about the whole file.
    pub line: Option<u64>,
    /// What is wrong, for people.
    pub what: String,
}

impl std::error::Error for Broken {}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Check a whole journal: its files (name and content), in any order, and the content of its head.
///
/// # Errors
/// The first place where the chain is broken.
pub fn check(files: &[(&str, &[u8])], head: &[u8]) -> Result<Verified, Broken> {
    let mut files = files.to_vec();
    files.sort_by_key(|(name, _)| Name::parse(name));
    let mut checker = Checker::new(head)?;
    files.iter().try_for_each(|(name, bytes)| checker.file(name, bytes))?;
    checker.end()
}

/// Checks a journal file by file; keeps none of them in memory.
#[derive(Debug)]
pub struct Checker {
    head: Head,
    found: Verified,
    /// Whether the first line that the head records was found.
    begun: bool,
    /// Whether the last line that the head records was found.
    ended: bool,
    /// Lines in the last file, so far.
    count: u64,
    /// What follows the last line feed of the last file.
    rest: Vec<u8>,
}

impl Checker {
    /// Begin with the content of the head.
    ///
    /// # Errors
    /// When it is not a valid head.
    pub fn new(head: &[u8]) -> Result<Self, Broken> {
        let broken = |what: &str| Broken { file: "head".into(), line: None, what: what.into() };
        let head = Head::parse(head).ok_or_else(|| broken("it is not what a host writes: it was altered or cut"))?;
        let none_yet = head.last.number.checked_add(1) == Some(head.first.number);
        if head.first.number == 0
            || head.last.number.saturating_add(1) < head.first.number
            || (none_yet && head.last.hash != head.first.hash)
        {
            return Err(broken("its two lines contradict each other: it was altered"));
        }
        let found = Verified { tail: head.last, ..Verified::default() };
        Ok(Self { head, found, begun: false, ended: none_yet, count: 0, rest: Vec::new() })
    }

    /// Check the next file, in the order of names.
    ///
    /// # Errors
    /// The first thing that is wrong with it, or with the end of the file before it.
    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), Broken> {
        let broken = |what: &str| Broken { file: name.into(), line: None, what: what.into() };
        let parsed =
            Name::parse(name).ok_or_else(|| broken("it is not a file of the journal: its name is not a date"))?;
        if let Some((before, _)) = &self.found.end {
            if *before >= parsed {
                return Err(broken("it is there twice or out of order"));
            }
            if self.count == 0 || !self.rest.is_empty() {
                return Err(
                    self.at_end("the file has no complete line here, although another file follows: it was cut")
                );
            }
        }
        if bytes.len() > FILE {
            return Err(broken("it is larger than a host makes its files"));
        }
        let before = self.found.end.replace((parsed, 0)).map(|(name, _)| name);
        self.count = 0;
        let mut rest = bytes;
        while let Some(feed) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, next) = (&rest[..feed], &rest[feed + 1..]);
            self.count += 1;
            self.line(line, before.as_ref()).map_err(|what| Broken {
                file: name.into(),
                line: Some(self.count),
                what,
            })?;
            rest = next;
        }
        self.rest = rest.to_vec();
        self.found.end = self.found.end.take().map(|(name, _)| (name, bytes.len() - rest.len()));
        if self.count > 0 {
            self.found.files += usize::from(self.begun);
            self.found.stale += usize::from(!self.begun);
        }
        Ok(())
    }

    /// Call this after the last file.
    ///
    /// # Errors
    /// When lines that the head records are missing.
    pub fn end(mut self) -> Result<Verified, Broken> {
        if !self.begun && (!self.ended || self.found.last.is_some()) {
            let first = self.head.first.number;
            let what = format!("by the head, the journal begins with number {first}, and that line is gone");
            return Err(self.at_end(&what));
        }
        if !self.ended {
            let last = self.head.last.number;
            let next = self.found.tail.number.saturating_add(1);
            let what = if next >= last {
                format!("number {last} should follow here: the head records that line, and it is gone")
            } else {
                format!("numbers {next} to {last} should follow here: the head records those lines, and they are gone")
            };
            return Err(self.at_end(&what));
        }
        if !self.rest.is_empty() {
            let start = format!("{{\"n\":{},\"t\":\"", self.found.tail.number.saturating_add(1));
            let both = start.len().min(self.rest.len());
            if self.rest.len() > LINE || start.as_bytes()[..both] != self.rest[..both] {
                return Err(self.at_end("what follows here is not the beginning of a line: it was inserted"));
            }
            self.found.incomplete = self.rest.len();
        }
        Ok(self.found)
    }

    fn line(&mut self, bytes: &[u8], before: Option<&Name>) -> Result<(), String> {
        let line = Chained::parse(bytes).map_err(|reason| format!("it is not a line of the journal: {reason}"))?;
        if self.count == 1 {
            self.name_fits(&line, before)?;
        }
        if self.found.last.is_some() {
            self.follows(&line)?;
        }
        if line.number == self.head.first.number {
            if line.prev != self.head.first.hash {
                return Err("its prev is not the one that the head records: one of the two was altered".into());
            }
            if self.count != 1 {
                return Err("by the head, the journal begins with it, but it is not the first in its file".into());
            }
            self.begun = true;
        } else if !self.begun && line.number > self.head.first.number {
            let (first, number) = (self.head.first.number, line.number);
            return Err(format!(
                "it has number {number}, but the journal begins with {first}: the lines before it are gone"
            ));
        }
        let hash = hash(bytes);
        if line.number == self.head.last.number {
            if hash != self.head.last.hash {
                return Err("its hash is not the one that the head records: one of the two was altered".into());
            }
            self.ended = true;
        } else if self.begun && self.ended {
            self.found.behind += 1;
        }
        self.found.tail = Link { number: line.number, hash };
        let known = (line.number, line.time);
        if self.begun {
            self.found.lines += 1;
            self.found.first.get_or_insert_with(|| known.clone());
        }
        self.found.last = Some(known);
        Ok(())
    }

    /// Check that the line continues the one before it.
    fn follows(&self, line: &Chained) -> Result<(), String> {
        let before = self.found.tail;
        let (number, last) = (line.number, before.number);
        if last.checked_add(1) != Some(number) {
            let gone = if number > last { "lines between them are gone" } else { "it was inserted or moved" };
            return Err(format!("it has number {number} and follows number {last}: {gone}, or a number was altered"));
        }
        if line.prev != before.hash {
            return Err(format!("its prev is not the hash of number {last}: one of the two was altered"));
        }
        Ok(())
    }

    /// Check that the file's name is the one that follows from its first line's time and the file before it.
    fn name_fits(&self, line: &Chained, before: Option<&Name>) -> Result<(), String> {
        let Some((name, _)) = &self.found.end else { return Ok(()) };
        let fits = match before {
            Some(before) => *name == before.next(line.date()),
            // The date is another one only in later files of a day, when the clock went back, and never at the beginning.
            None => *name == Name::new(line.date()) || (line.number > 1 && name.may_follow(line.date())),
        };
        if fits { Ok(()) } else { Err("the file's name does not match its first line: it was renamed".into()) }
    }

    fn at_end(&self, what: &str) -> Broken {
        let Some((name, _)) = &self.found.end else {
            return Broken { file: "head".into(), line: None, what: what.into() };
        };
        Broken { file: name.to_string(), line: Some(self.count + 1), what: what.into() }
    }
}
