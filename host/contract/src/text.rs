//! Text of a stranger, made safe to show; and bytes as hexadecimal digits. The rest of the program uses
//! these too (`glassbox-util` includes this file, as the trusted core depends on none of our crates).

use std::fmt::Write;

/// Whether a terminal would obey the character or show something other than what is there: control and
/// format characters, combining marks, private and unassigned ones, and spaces other than the usual one.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    !matches!(character, '\\' | '"' | '\'') && character.escape_debug().len() > 1
}

/// The text on one line, with everything hidden in it spelled out as `\u{202e}`. Of more than `most`
/// characters, only so many are kept.
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

/// Bytes as lower-case hexadecimal digits, two for each.
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
