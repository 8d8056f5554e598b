//! Any bytes as a journal: as they are, and with their hashes put right, so that what lies behind
//! the hashes is reached. What is sound must not be so with any byte altered.
#![no_main]

use glassbox_journal::chain::{self, Chained, FILE, Head, Link, Verified, check, hash};
use glassbox_util::text::hex;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// What stands between files, and between a file's name and its lines.
const BETWEEN: u8 = 0;

struct Journal {
    head: Vec<u8>,
    files: Vec<(String, Vec<u8>)>,
}

// Input: how it is used, where something is altered (two bytes), to what, the head, and files.
fuzz_target!(|data: &[u8]| {
    let [how, high, low, to, rest @ ..] = data else { return };
    let mut parts = rest.split(|byte| *byte == BETWEEN);
    let mut journal = Journal { head: parts.next().unwrap_or_default().to_vec(), files: Vec::new() };
    while let (Some(name), Some(lines)) = (parts.next(), parts.next()) {
        journal.files.push((String::from_utf8_lossy(name).into(), lines.to_vec()));
    }
    if how & 1 == 1 {
        journal.mend(how >> 1);
    }
    let Ok(found) = journal.check() else { return };
    journal.is_what_was_found(&found);
    journal.altered(usize::from(*high) << 8 | usize::from(*low), *to, how & 128 != 0);
});

impl Journal {
    fn check(&self) -> Result<Verified, chain::Broken> {
        let files: Vec<_> = self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let found = check(&files, &self.head);
        if let Err(broken) = &found {
            let said = broken.to_string();
            assert!(said.len() < 1000 + broken.file.len() && !said.is_empty());
        }
        found
    }

    /// Put in every `prev` what it should be, and make the head: it knows all lines but `behind`, and
    /// the first one is the first of all, or that of the second file.
    fn mend(&mut self, how: u8) {
        let mut lines: Vec<Link> = Vec::new();
        let mut before = Link::default();
        let mut starts = Vec::new();
        for (_, bytes) in &mut self.files {
            starts.push(lines.len());
            let mut mended = Vec::with_capacity(bytes.len());
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let mut line = line.to_vec();
                put_prev(&mut line, &hex(&before.hash));
                if let Some(whole) = line.strip_suffix(b"\n")
                    && let Ok(chained) = Chained::parse(whole)
                {
                    before = Link { number: chained.number, hash: hash(whole) };
                    lines.push(before);
                }
                mended.extend(line);
            }
            *bytes = mended;
        }
        let stale = if how & 1 == 1 { starts.get(1).copied().unwrap_or(0) } else { 0 };
        let first = lines.get(stale).map_or(1, |first| first.number);
        let prev = stale.checked_sub(1).map_or(chain::NOTHING, |at| lines[at].hash);
        let behind = usize::from(how >> 1 & 3);
        let last = lines.len().checked_sub(1 + behind).filter(|last| *last >= stale).map(|last| lines[last]);
        let none = Link { number: first.saturating_sub(1), hash: prev };
        let head = Head { last: last.unwrap_or(none), first: Link { number: first, hash: prev } };
        self.head = head.to_text().into();
    }

    /// The figures are those of the files.
    fn is_what_was_found(&self, found: &Verified) {
        let head = Head::parse(&self.head).expect("a sound journal has a head");
        let feeds: usize =
            self.files.iter().map(|(_, bytes)| bytes.iter().filter(|byte| **byte == b'\n').count()).sum();
        assert!(found.lines <= feeds as u64 && (found.stale > 0 || found.lines == feeds as u64));
        assert!(self.files.iter().all(|(_, bytes)| bytes.len() <= FILE));
        assert_eq!(found.tail.number, head.last.number + found.behind);
        assert_eq!(found.lines, found.tail.number + 1 - head.first.number);
        assert!(found.files + found.stale <= self.files.len());
        self.is_a_chain(head);
    }

    /// Another reader, which knows JSON but no journal, goes from line to line and comes by the lines that
    /// the head knows.
    fn is_a_chain(&self, head: Head) {
        let mut before: Option<Link> = None;
        let mut last = (head.last.number < head.first.number).then_some(head.last);
        for file in self.order() {
            for line in self.files[file].1.split_inclusive(|byte| *byte == b'\n') {
                let Some(line) = line.strip_suffix(b"\n") else { continue };
                // Without a look at what else is in it, be it a number that is too large.
                let read: HashMap<String, &RawValue> = serde_json::from_slice(line).expect("a line is JSON");
                let number: u64 = serde_json::from_str(read["n"].get()).expect("a line has a number");
                let prev: String = serde_json::from_str(read["prev"].get()).expect("a line has a hash");
                if number == head.first.number {
                    assert_eq!(prev, hex(&head.first.hash));
                }
                if let Some(before) = before {
                    assert_eq!((number, prev), (before.number + 1, hex(&before.hash)));
                }
                let link = Link { number, hash: hash(line) };
                before = Some(link);
                last = last.or((number == head.last.number).then_some(link));
            }
        }
        assert_eq!(last, Some(head.last));
    }

    /// Files in the order of their lines.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.files.len()).collect();
        order.sort_by_key(|file| chain::Name::parse(&self.files[*file].0));
        order
    }

    /// Another byte, or a byte less, in the head or where the head still knows of it, is found.
    fn altered(mut self, at: usize, to: u8, remove: bool) {
        let head = Head::parse(&self.head).expect("a sound journal has a head");
        let there = std::mem::replace(&mut self.head[at % Head::SIZE], to);
        if there != to {
            assert!(self.check().is_err(), "byte {at} of the head altered to {to}, and not found: {head:?}");
            self.head[at % Head::SIZE] = there;
        }
        let known = self.known(head.last);
        let total: usize = known.iter().map(|(_, length)| length).sum();
        if total == 0 {
            return;
        }
        let mut at = at % total;
        for (file, length) in known {
            if at >= length {
                at -= length;
                continue;
            }
            let bytes = &mut self.files[file].1;
            if remove {
                bytes.remove(at);
            } else if bytes[at] != to {
                bytes[at] = to;
            } else {
                return;
            }
            break;
        }
        assert!(self.check().is_err(), "byte {at} altered, and not found: {:?}", self.files);
    }

    /// Files, and how many bytes of each, in the order of lines, the head knows of: up to the line that
    /// is the last for it.
    fn known(&self, last: Link) -> Vec<(usize, usize)> {
        let mut known = Vec::new();
        for file in self.order() {
            let mut length = 0;
            for line in self.files[file].1.split_inclusive(|byte| *byte == b'\n') {
                length += line.len();
                if hash(line.strip_suffix(b"\n").unwrap_or(line)) == last.hash {
                    known.push((file, length));
                    return known;
                }
            }
            known.push((file, length));
        }
        // No line is known: neither is one that could be altered.
        Vec::new()
    }
}

/// Put the hash where the line has one.
fn put_prev(line: &mut [u8], hash: &str) {
    const KEY: &[u8] = b"\"prev\":\"";
    let at = line.windows(KEY.len()).rposition(|part| part == KEY).map(|at| at + KEY.len());
    if let Some(place) = at.and_then(|at| line.get_mut(at..at + hash.len())) {
        place.copy_from_slice(hash.as_bytes());
    }
}
