//! Untrusted text made safe to show, and bytes as hexadecimal digits. `glassbox-util` includes this file, so
//! that the whole program has one escaping function although the trusted core depends on no other crate of ours.

use std::fmt::Write;

/// Whether a terminal would not simply show the character: it is a control or format character, a combining
/// mark, private or unassigned, or a space other than U+0020.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    !matches!(character, '\\' | '"' | '\'') && character.escape_debug().len() > 1
}

/// The text on one line, with every [hidden](is_hidden) character spelled out, for example as `\u{202e}`. Only
/// the first `most` characters of the text are kept; spelled out, they can take more.
#[must_use]
pub fn printable(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most));
    for character in text.chars().take(most) {
        if is_hidden(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Bytes as lower-case hexadecimal digits, two for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_spelled_out_and_others_stay() {
        assert_eq!(printable("a\u{202e}b\n", 80), "a\\u{202e}b\\u{a}");
        assert_eq!(printable("C:\\käse \"日本\"", 80), "C:\\käse \"日本\"");
        assert_eq!(printable("C:\\käse", 4), "C:\\k");
        for hidden in ['\0', '\x1b', '\u{7f}', '\u{ad}', '\u{200b}', '\u{2066}', '\u{feff}', '\u{e0041}', '\u{301}'] {
            assert!(is_hidden(hidden), "{hidden:?}");
            assert!(!printable(&hidden.to_string(), 80).contains(hidden));
        }
        assert_eq!(hex(&[0, 0xab]), "00ab");
    }
}
