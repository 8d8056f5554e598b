//! What a journal is made of: links, the head, names of files, and the part of a line that links it to the
//! others. Each is parsed strictly: only what a host writes is accepted.

use glassbox_util::text::hex;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;

/// The longest line, in bytes, without its line feed. The gate lets requests of up to 32 KiB through; twice that
/// leaves room for the other fields and for what JSON adds.
pub const LINE: usize = 64 << 10;

/// The largest file, in bytes: small enough for any editor, and to be checked in memory.
pub const FILE: usize = 4 << 20;

/// A SHA-256.
pub type Hash = [u8; 32];

/// `prev` of the very first line.
pub const NOTHING: Hash = [0; 32];

/// The hash of a line, which is given without its line feed.
pub fn hash(line: &[u8]) -> Hash {
    Sha256::digest(line).into()
}

fn unhex(text: &str) -> Option<Hash> {
    let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
    let mut hash = NOTHING;
    if text.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(hash)
}

/// A line's number with a hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The line's number, from 1.
    pub number: u64,
    /// The line's own hash, or that of the line before it.
    pub hash: Hash,
}

/// What the head file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last line, with its hash.
    pub last: Link,
    /// The first line that is kept, with the hash of the line before it.
    pub first: Link,
}

impl Head {
    /// Its size in bytes, which is always the same.
    pub const SIZE: usize = 184;

    /// The head of a journal without a line.
    pub const NEW: Self = Self { last: Link { number: 0, hash: NOTHING }, first: Link { number: 1, hash: NOTHING } };

    /// Its text in the file. The size is fixed, so that the file can be overwritten in place.
    pub fn to_text(&self) -> String {
        let [last, first] = [self.last, self.first].map(|link| format!("{:020} {}", link.number, hex(&link.hash)));
        format!("last  {last}\nfirst {first}\n")
    }

    /// Parse the file's content; none for anything that [`to_text`](Self::to_text) would not write.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (last, first) = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.split_once('\n')?;
        let link = |line: &str, name: &str| {
            let (number, hash) = line.strip_prefix(name)?.split_once(' ')?;
            Some(Link { number: number.parse().ok()?, hash: unhex(hash)? })
        };
        let head = Self { last: link(last, "last  ")?, first: link(first, "first ")? };
        (head.to_text().as_bytes() == bytes).then_some(head)
    }
}

/// The name of a file: `2026-07-27.jsonl`, then `2026-07-27-2.jsonl` once that one is full. Names sort in the
/// order of their lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    date: String,
    number: u32,
}

impl Name {
    /// The first file of a day, which is given as `2026-07-27`.
    pub fn new(date: &str) -> Self {
        Self { date: date.into(), number: 1 }
    }

    /// Parse a name; none for anything that its `Display` would not write.
    pub fn parse(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".jsonl")?;
        let (date, rest) = stem.split_at_checked(10)?;
        let number = if rest.is_empty() { 1 } else { rest.strip_prefix('-')?.parse().ok()? };
        let parsed = Self { date: date.into(), number };
        (is_date(date) && number > 0 && parsed.to_string() == name).then_some(parsed)
    }

    /// The file that follows this one, on this date. If the clock went back, the date stays.
    pub fn next(&self, date: &str) -> Self {
        if self.is_before(date) {
            return Self::new(date);
        }
        Self { date: self.date.clone(), number: self.number.saturating_add(1) }
    }

    /// Whether this can be the name of a file whose first line is of this date, where the file before it is gone: the
    /// first of that day, or a further one of that day or, if the clock went back, of a later one.
    pub fn may_follow(&self, date: &str) -> bool {
        if self.number == 1 { self.date == date } else { !self.is_before(date) }
    }

    /// Whether its day is before this date.
    pub fn is_before(&self, date: &str) -> bool {
        self.date.as_str() < date
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            1 => write!(f, "{}.jsonl", self.date),
            number => write!(f, "{}-{number}.jsonl", self.date),
        }
    }
}

fn is_date(text: &str) -> bool {
    let fits = |(byte, mask): (u8, u8)| if mask == b'0' { byte.is_ascii_digit() } else { byte == mask };
    text.len() == 10 && text.bytes().zip(*b"0000-00-00").all(fits)
}

/// The part of a line that links it to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chained {
    /// Its number, from 1.
    pub number: u64,
    /// When it was written: UTC, as `2026-07-27T10:00:00.000Z`.
    pub time: String,
    /// The hash of the line before it.
    pub prev: Hash,
}

impl Chained {
    /// Parse a line, which is given without its line feed.
    ///
    /// # Errors
    /// What is wrong with it, for people: the text ends up in [`Broken::what`](super::Broken::what), and repeats
    /// nothing of the line.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Line<'a> {
            n: u64,
            #[serde(borrow)]
            t: Cow<'a, str>,
            #[serde(borrow)]
            prev: Cow<'a, str>,
        }
        if line.len() > LINE {
            return Err(format!("it is longer than {} KiB", LINE >> 10));
        }
        // Serde would accept an array, too.
        if !line.starts_with(b"{\"n\":") {
            return Err("it does not begin with its number".into());
        }
        // Serde does not look into the other texts.
        let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
        let parsed: Line = serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => "its n, t or prev is missing or of the wrong kind".to_string(),
            _ => format!("it is not JSON from column {} on", error.column()),
        })?;
        let prev = unhex(&parsed.prev).ok_or("its prev is not a SHA-256")?;
        if !parsed.t.split_once('T').is_some_and(|(date, _)| is_date(date)) {
            return Err("its t is not a time".into());
        }
        Ok(Self { number: parsed.n, time: parsed.t.into_owned(), prev })
    }

    /// The date of its time, as `2026-07-27`.
    pub fn date(&self) -> &str {
        self.time.split_once('T').map_or("", |(date, _)| date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_text_in_all_its_parts() {
        let line = |text: &[u8]| [br#"{"n":1,"t":"2026-07-27T10:00:00.000Z","x":""#, text, br#"","prev":""#].concat();
        let whole = |text: &[u8]| [&line(text), hex(&NOTHING).as_bytes(), b"\"}"].concat();
        assert_eq!(Chained::parse(&whole("ü".as_bytes())).map(|line| line.number), Ok(1));
        assert_eq!(Chained::parse(&whole(b"\xfc")), Err("it is not UTF-8".into()));
    }
}
