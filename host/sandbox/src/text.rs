//! Untrusted text made safe to show, bytes that are no text inside of one, and bytes as hexadecimal digits. `glassbox-util`
//! includes this file, so that the whole program has one escaping function although the trusted core depends on no crate
//! of ours.

/// A byte that is no text stands in a text as two characters, one for each half: noncharacters, which Unicode sets aside
/// for use inside a program, so that no text has them.
const HIGH: u32 = 0xfdd0;
const LOW: u32 = 0xfde0;

/// Whether a terminal would not simply show the character: it is a control or format character, a combining
/// mark, private or unassigned, or a space other than U+0020.
pub fn is_hidden(character: char) -> bool {
    !matches!(character, '\\' | '"' | '\'') && character.escape_debug().len() > 1
}

/// The text on one line, with every [hidden](is_hidden) character spelled out, for example as `\u{202e}`. Only
/// the first `most` characters of the text are kept; spelled out, they can take more.
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

/// What a component says, cut to `most` printable ASCII characters. It was shown the settings, and may say them: words
/// with `known` in them, a hexadecimal number of 12 digits or more, or an `@` become `…`.
pub fn component_words(text: &str, known: &str, most: usize) -> String {
    let tells = |word: &str| !known.is_empty() && word.contains(known) || word.contains('@') || has_long_number(word);
    // Twice as much as can be kept: a word that is cut may tell as much as a whole one, and no longer look like it.
    let start: String = text.chars().take(2 * most + 512).collect();
    let words = start.split(' ').map(|word| if tells(word) { "…".into() } else { printable(word, usize::MAX) });
    let words = words.collect::<Vec<_>>().join(" ");
    words.chars().map(|c| if c.is_ascii() || c == '…' { c } else { '?' }).take(most).collect()
}

/// Whether there are 12 hexadecimal digits in a row, perhaps with dashes and the like between them: a MAC address, a
/// UUID, a hash, or a serial number. An address in memory mostly has fewer.
pub fn has_long_number(word: &str) -> bool {
    let mut digits = 0;
    word.chars().any(|c| {
        match c {
            _ if c.is_ascii_hexdigit() => digits += 1,
            _ if c.is_alphanumeric() => digits = 0,
            _ => {}
        }
        digits >= 12
    })
}

/// A URL with `…` in place of a user name and a password, for people. What is before the last `@` may be a password,
/// whatever is in it.
pub fn without_credentials(url: &str) -> String {
    let Some((before, rest)) = url.rsplit_once('@') else { return url.into() };
    let scheme = before.split_once("://").map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
    format!("{scheme}…@{rest}")
}

/// Add a byte that is no text, as one of a file name in another encoding: `with_bytes` gives it back.
pub fn push_byte(text: &mut String, byte: u8) {
    text.extend([HIGH + u32::from(byte >> 4), LOW + u32::from(byte & 15)].into_iter().filter_map(char::from_u32));
}

/// The bytes of a text in which such bytes are.
pub fn with_bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for part in parts(text) {
        match part {
            Ok(c) => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            Err(byte) => out.push(byte),
        }
    }
    out
}

/// The text with U+FFFD in place of such bytes: to see, and to report.
pub fn without_bytes(text: &str) -> String {
    parts(text).map(|part| part.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// What a text consists of: characters, and bytes that are no text.
fn parts(text: &str) -> impl Iterator<Item = Result<char, u8>> {
    let half = |c: char, from: u32| u32::from(c).checked_sub(from).filter(|half| *half < 16);
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        let c = chars.next()?;
        let low = half(c, HIGH).and_then(|high| Some(high << 4 | half(*chars.peek()?, LOW)?));
        let byte = low.and_then(|byte| u8::try_from(byte).ok());
        if byte.is_some() {
            chars.next();
        }
        Some(byte.map_or(Ok(c), Err))
    })
}

/// Bytes as lower-case hexadecimal digits, two for each byte.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from(b"0123456789abcdef"[usize::from(four)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_cannot_say_what_it_was_shown() {
        let id = "4711abcd-4711-4711-8711-4711abcd4711";
        for told in
            [id.to_string(), id.to_uppercase(), id.replace('-', ""), id.replace('-', "\u{b7}"), format!("my{id}x")]
        {
            let said = component_words(&format!("it is {told}, so"), id, 80);
            assert_eq!(said, "it is … so", "{told}");
        }
        assert_eq!(component_words("send to http://me:pw@host/ now", id, 80), "send to … now");
        assert_eq!(component_words("my name is Bo-bo", "Bo-bo", 80), "my name is …");
        assert_eq!(component_words("ping must be 0 to 3600; käse\n", id, 80), "ping must be 0 to 3600; k?se\\u{a}");
        // Not even the part of it that would be left when the rest is cut off.
        assert_eq!(component_words(&format!("{} {id}", "x".repeat(70)), id, 80), format!("{} …", "x".repeat(70)));
        assert_eq!(component_words(&"x".repeat(1000), "", 80).len(), 80);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_and_not_shown() {
        let mut text = String::from("t\u{fdd0}");
        [0xe4, 0xff, 0x80].into_iter().for_each(|byte| push_byte(&mut text, byte));
        text.push_str("st\u{fde0}");
        assert_eq!(with_bytes(&text), b"t\xef\xb7\x90\xe4\xff\x80st\xef\xb7\xa0");
        assert_eq!(without_bytes(&text), "t\u{fdd0}\u{fffd}\u{fffd}\u{fffd}st\u{fde0}");
        for plain in ["", "käse", "\u{fdde}", "\u{fde4}\u{fdde}"] {
            assert_eq!(without_bytes(plain), plain);
            assert_eq!(with_bytes(plain), plain.as_bytes());
        }
    }

    #[test]
    fn an_address_is_shown_without_credentials() {
        for (url, shown) in [
            ("http://me:pw@host:80/{id}", "http://…@host:80/{id}"),
            ("http://me:p/w@x@host/", "http://…@host/"),
            ("me:pw@host", "…@host"),
            ("http://host/{id}", "http://host/{id}"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }

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
