//! Texts from elsewhere, as they may be shown: escaped, on one line, and with an end.

// The one escaping function of the whole program is in the trusted core. That must not depend on this crate, nor this
// crate on it, so both include the file.
#[path = "../../sandbox/src/text.rs"]
mod escaped;

pub use escaped::{
    component_words, has_long_number, hex, is_hidden, printable, push_byte, with_bytes, without_bytes,
    without_credentials,
};

/// The most bytes that one text from elsewhere takes where it is shown: more than any name, version or reason needs.
pub const LONGEST: usize = 1000;

/// A text from elsewhere, as it may be shown: on one line, with every [hidden](is_hidden) character spelled out, and not
/// longer than [`LONGEST`] bytes; what is left out is counted. To show what was shown already changes nothing.
pub fn shown(text: &str) -> String {
    shortened(text, LONGEST)
}

/// The same, but of at most this many bytes, and some for the count.
pub fn shortened(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most));
    for (at, character) in text.char_indices() {
        let before = shown.len();
        if is_hidden(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
        if shown.len() > most {
            shown.truncate(before);
            return format!("{shown}… ({} bytes more)", text.len() - at);
        }
    }
    shown
}

/// A text of ours with texts from elsewhere in it, on one or more lines: each as [`shown`], and those after the first
/// shifted together, until all are indented by this many spaces at least, so that none passes for a line of ours.
pub fn shown_lines(text: &str, indent: usize) -> String {
    let mut lines = text.trim_end().split('\n').map(shown);
    let first = lines.next().unwrap_or_default();
    let others: Vec<_> = lines.collect();
    let indented = |line: &String| line.bytes().take_while(|byte| *byte == b' ').count();
    let shift = indent.saturating_sub(others.iter().map(indented).min().unwrap_or_default());
    others.iter().fold(first, |all, line| all + &format!("\n{:shift$}{line}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_one_line_and_an_end() {
        assert_eq!(shown("a\u{1b}[2J\n\u{202e}b"), "a\\u{1b}[2J\\u{a}\\u{202e}b");
        let long = "ä".repeat(3 << 20);
        assert_eq!(shown(&long), format!("{}… ({} bytes more)", "ä".repeat(500), long.len() - 1000));
        assert!(shown(&"\u{10fffe}".repeat(1000)).len() < LONGEST + 50, "as it is spelled out");
        let again = shown(&"\u{1b}".repeat(100));
        assert_eq!(shown(&again), again);
        assert_eq!(shown_lines("a:\n  - b\nok\u{7}: forged\n", 4), "a:\n      - b\n    ok\\u{7}: forged");
    }
}
