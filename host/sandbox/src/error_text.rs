//! The text of an error as it enters the box: without what looks like a path, an address, or the number of a machine.
//! What is taken out too much only makes a report say less. Every rule is a function that judges a word, or finds words
//! that belong together, in the line in lower case. The texts that it is tested with are in `tests/error-texts.json`;
//! the border of `examples/other-host` is tested with the same.

use std::ops::Range;

use crate::text::has_long_number;
use regex::Match;

use patterns::{
    CHIP, DOMAIN, FILE, FIRMWARE, IPV4, IPV6, MEASURE, NAMED, PORT, POWER, SECRET, SERIAL, SPACED_MAC, TIME, VERSION,
    has,
};

mod patterns;

/// What one connects to, or what is done for a user, and is nobody's name.
const OTHERS: &str = "the a printer your port serial virtual server host auto input action interaction intervention \
                      response confirmation to and not no line this";

/// What stands for that which is taken out of a text.
const REMOVED: &str = "…";

/// So many letters and digits in a row, with so many digits among them, are a serial number.
const MIXED_CHARS: usize = 10;
const MIXED_DIGITS: usize = 4;
/// And so many if a digit stands between letters, or a letter between digits, as in `A50285BI`.
const SHUFFLED_CHARS: usize = 8;

/// A path or a name has no more words than this. It also keeps a line full of quotes from taking long.
const MOST_WORDS: usize = 64;

/// Words that firmware and OctoPrint write with a slash between them, or with a number after a colon.
const ORDINARY: &str = "and or read write on off in out min max port baudrate baud start stop yes no true false heater bed \
                        hotend nozzle extruder rx tx input output open close connect disconnect up down left right send \
                        receive load unload pause resume cancel sensor thermistor probe bltouch mm line resend error code \
                        errno count";

/// A text without what looks like a path, an address, or the number of a machine.
pub(crate) fn error_text(text: &str) -> String {
    text.split_inclusive('\n').map(line_text).collect()
}

fn line_text(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_inclusive(char::is_whitespace).map(str::trim_end).collect();
    let originals: Vec<&str> = line.split_inclusive(char::is_whitespace).collect();
    let before = |at: usize| at.checked_sub(1).map_or("", |before| words[before]);
    let telling = (0..words.len()).filter(|at| is_telling(words[*at], before(*at))).map(|at| at..at + 1);
    let found = telling.chain(quoted(&words)).chain(paths_with_blanks(&words)).chain(labelled(&lower, &originals));
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|taken| taken.start);
    let mut removed: Vec<Range<usize>> = vec![];
    for taken in found {
        match removed.last_mut() {
            // What begins within it may go on longer.
            Some(last) if taken.start < last.end => last.end = last.end.max(taken.end),
            _ => removed.push(taken),
        }
    }
    let (mut out, mut at) = (String::with_capacity(line.len()), 0);
    for taken in removed {
        let last = originals[taken.end - 1];
        out.extend(originals[at..taken.start].iter().copied().chain([REMOVED, &last[last.trim_end().len()..]]));
        at = taken.end;
    }
    out.extend(originals[at..].iter().copied());
    out
}

fn is_ordinary(word: &str) -> bool {
    ORDINARY.split_whitespace().any(|ordinary| ordinary == word)
}

/// Whether a word tells of a path, an address, or the number of a machine.
fn is_telling(word: &str, before: &str) -> bool {
    let tells = || is_path(word) || is_file(word) || word.contains('@') || is_address(word, before) || has_serial(word);
    !has(&TIME, word) && !has(&POWER, word) && tells()
}

/// A slash or a backslash, unless it stands for "or", between numbers or units, or alone.
fn is_path(word: &str) -> bool {
    ["\\", "%2f", "%5c"].iter().any(|slash| word.contains(slash)) || word.contains('/') && !is_ordinary_slash(word)
}

/// `read/write`, `I/O`, `mm/s`, `T:210.0/215.0`, `/60.00`, `//`.
fn is_ordinary_slash(word: &str) -> bool {
    let bare =
        word.trim_matches(|c: char| c.is_ascii_punctuation() && !['/', '~', '.'].contains(&c)).trim_end_matches('.');
    let parts: Vec<_> = bare.split('/').collect();
    let is_number = |part: &str| {
        let part = part.rsplit_once(':').map_or(part, |(label, number)| if label.len() <= 2 { number } else { part });
        !part.is_empty() && part.chars().all(|c| c.is_ascii_digit() || ['.', ',', '-'].contains(&c)) && part != ".."
    };
    let is_word =
        |part: &str| is_ordinary(part) || (1..=2).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_lowercase());
    let is_short = parts.len() <= 3 && parts.iter().all(|part| is_word(part) || is_number(part));
    let is_target = parts.len() == 2 && parts[0].is_empty() && is_number(parts[1]);
    is_short || is_target || bare.bytes().all(|c| c == b'/')
}

/// Whether the name of a file ends in it, whatever is behind that.
fn is_file(word: &str) -> bool {
    word.contains('.') && has(&FILE, word)
}

/// A number of the network, a name with a domain, or a name with a port.
fn is_address(word: &str, before: &str) -> bool {
    has(&IPV4, word) && !is_version(word, before) || has(&IPV6, word) || has(&DOMAIN, word) || has_port(word)
}

/// Four small numbers that stand after a firmware's name, or after a `v`.
fn is_version(word: &str, before: &str) -> bool {
    let is_named = !word.trim_start_matches(['(', '[']).starts_with(|c: char| c.is_ascii_digit());
    has(&VERSION, word) && (is_named || has(&FIRMWARE, before))
}

/// `octopi:5000`, but not `line:1234`.
fn has_port(word: &str) -> bool {
    let Some(port) = PORT.as_ref() else { return true };
    let name = port.captures(word).and_then(|found| found.get(1)).map_or("", |name| name.as_str());
    name.len() > 2 && name.contains(char::is_alphabetic) && !is_ordinary(name)
}

/// A MAC address, a UUID, a hash; or letters among digits, as in the serial numbers of boards, which no chip and no
/// number of an error has.
pub(crate) fn has_serial(word: &str) -> bool {
    let is_mixed = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let kinds: Vec<_> = part.bytes().map(|byte| byte.is_ascii_digit()).collect();
        let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let most = if changes >= 2 { SHUFFLED_CHARS } else { MIXED_CHARS };
        part.len() >= most && (MIXED_DIGITS..part.len()).contains(&digits) && !has(&CHIP, part) && !has(&MEASURE, part)
    };
    has_long_number(word) || word.split(|c: char| !c.is_ascii_alphanumeric()).any(is_mixed)
}

/// Names in quotes with blanks in them: a path is at their beginning, or a file's name at their end.
fn quoted(words: &[&str]) -> Vec<Range<usize>> {
    let name = |(at, word): (usize, &&str)| {
        let (inside, quote) = opened(word)?;
        let closes = |last: usize| Some((last, &words[last][..closed(words[last], quote)?]));
        let (last, end) = (at + 1..words.len()).take(MOST_WORDS).find_map(closes)?;
        (is_telling(inside, "") || is_file(end) && opened(end).is_none()).then_some(at..last + 1)
    };
    words.iter().enumerate().filter_map(name).collect()
}

/// What follows the last quote that opens in this word and does not close in it, and what will close it. An apostrophe
/// stands after a letter; so does the quote in Python's `b'..'`.
fn opened(word: &str) -> Option<(&str, char)> {
    let (at, quote) = word.char_indices().rev().find(|(at, c)| {
        let (before, behind) = (&word[..*at], &word[at + c.len_utf8()..]);
        let is_bytes = ["b", "u", "r", "f"]
            .iter()
            .any(|letter| before.strip_suffix(letter).is_some_and(|start| !start.ends_with(char::is_alphanumeric)));
        let is_name = |c: char| !c.is_ascii_punctuation() || ['/', '\\', '~', '.', '_', '(', '['].contains(&c);
        ['"', '\'', '`', '“', '‘'].contains(c)
            && (!before.ends_with(char::is_alphanumeric) || is_bytes)
            && behind.starts_with(is_name)
    })?;
    let inside = &word[at + quote.len_utf8()..];
    let quote =
        [('“', '”'), ('‘', '’')].into_iter().find(|(opens, _)| *opens == quote).map_or(quote, |(_, closes)| closes);
    closed(inside, quote).is_none().then_some((inside, quote))
}

/// Where a quote closes in a word: no letter follows, as after an apostrophe.
fn closed(word: &str, quote: char) -> Option<usize> {
    word.match_indices(quote)
        .map(|(at, _)| at)
        .find(|at| !word[at + quote.len_utf8()..].starts_with(char::is_alphanumeric))
}

/// A path outside of quotes may have blanks as well: it goes on to the first name of a file, or to the last slash, in
/// what is not parted from it by a bracket, a quote, or a mark at a word's end. Devices have none.
fn paths_with_blanks(words: &[&str]) -> Vec<Range<usize>> {
    let mut found = vec![];
    let mut next = 0;
    while next < words.len() {
        let at = next;
        next += 1;
        let starts = |word: &str| is_path(word) && !is_file(word) && !word.contains("://") && !word.contains("/dev/");
        if !starts(words[at]) || ends_clause(words[at]) {
            continue;
        }
        for (further, word) in words.iter().enumerate().skip(at + 1).take(MOST_WORDS) {
            if word.starts_with(['[', '"', '\'', '`', '“', '‘', '<']) {
                break;
            }
            // The quote that closes there was opened somewhere before the path.
            if is_file(word) || is_path(word) || word.ends_with(['"', '\'', '`', '”', '’']) {
                next = further + 1;
            }
            if is_file(word) || ends_clause(word) {
                break;
            }
        }
        found.push(at..next);
    }
    found
}

fn ends_clause(word: &str) -> bool {
    word.ends_with([':', ',', ';', '"', '\'', '`', '”', '’', ']', '>'])
}

/// The words of what is named a secret, a serial number, or a host, and of a MAC address with blanks.
fn labelled(lower: &str, words: &[&str]) -> Vec<Range<usize>> {
    let patterns = [&SECRET, &SERIAL, &SPACED_MAC].into_iter().filter_map(|pattern| pattern.as_ref());
    let labels = patterns.flat_map(|pattern| pattern.find_iter(lower));
    let names = NAMED.iter().flat_map(|pattern| pattern.captures_iter(lower)).filter_map(|found| found.get(6));
    let names = names.filter(|name| OTHERS.split_whitespace().all(|other| other != name.as_str()));
    let ends = words.iter().scan(0, |end, word| {
        *end += word.len();
        Some(*end)
    });
    let ends: Vec<_> = ends.collect();
    let word_at = |byte| ends.partition_point(|end| *end <= byte);
    let of_words = |found: Match| {
        let (text, start) = (found.as_str(), found.start());
        word_at(start + text.len() - text.trim_start().len())..word_at(start + text.trim_end().len() - 1) + 1
    };
    labels.chain(names).map(of_words).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn an_error_enters_without_paths_addresses_and_numbers() {
        let table = include_str!("../../../tests/error-texts.json");
        let table: Vec<(String, String)> = serde_json::from_str(table).expect("pairs of texts");
        let wrong: Vec<_> = table
            .iter()
            .map(|(text, expected)| (text, expected, error_text(text)))
            .filter(|(_, expected, entered)| *expected != entered)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_pattern_is_one() {
        let all = [
            &FILE,
            &IPV4,
            &IPV6,
            &DOMAIN,
            &VERSION,
            &FIRMWARE,
            &CHIP,
            &TIME,
            &PORT,
            &POWER,
            &MEASURE,
            &SPACED_MAC,
            &SECRET,
            &SERIAL,
            &NAMED,
        ];
        assert!(all.iter().all(|pattern| pattern.is_some()));
    }

    #[test]
    fn a_long_text_does_not_take_long() {
        for piece in
            ["'", "'a ", "/a ", "a/b ", "1.", "1:", "::", "password=", "sn ", "\"/", "a ", " ", "0", "b'", "\\ "]
        {
            let start = Instant::now();
            error_text(&piece.repeat(65536 / piece.len()));
            assert!(start.elapsed() < Duration::from_secs(2), "{piece}: {:?}", start.elapsed());
        }
    }
}
