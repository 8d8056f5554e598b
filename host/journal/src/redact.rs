//! Takes secrets out of texts, however they are written: in other case, percent-encoded, form-encoded, or
//! without the dashes of a UUID.

/// Replace every secret by its placeholder. `secrets` are pairs of placeholder and secret. Where two secrets
/// begin at the same place, the longer match is replaced. An empty secret is ignored.
///
/// ```
/// let secrets = [("{id}", "1234abcd-0000-4000-8000-00000000beef")];
/// let path = "/track/1234ABCD000040008000%30%30%30%30%30%30%30%30beef/ping/";
/// assert_eq!(glassbox_journal::redact(path, &secrets), "/track/{id}/ping/");
/// ```
pub fn redact(text: &str, secrets: &[(&str, &str)]) -> String {
    let mut patterns = Vec::new();
    for (placeholder, secret) in secrets {
        for pattern in [(*secret).to_string(), secret.to_lowercase(), secret.to_uppercase()] {
            if !pattern.is_empty() && !patterns.contains(&(*placeholder, pattern.clone())) {
                patterns.push((*placeholder, pattern));
            }
        }
    }
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let matches = patterns.iter().filter_map(|(placeholder, secret)| {
            let length = match_length(rest.as_bytes(), secret.as_bytes())?;
            Some((length, *placeholder))
        });
        // A match begins and ends at character boundaries, as the secret does.
        let (length, replaced) = match matches.max_by_key(|(length, _)| *length) {
            Some((length, placeholder)) => (length, placeholder),
            None => (character.len_utf8(), &rest[..character.len_utf8()]),
        };
        redacted.push_str(replaced);
        rest = &rest[length..];
    }
    redacted
}

/// How many bytes at the beginning of the text are the secret; none if it does not begin with it.
fn match_length(text: &[u8], secret: &[u8]) -> Option<usize> {
    let mut at = 0;
    for &byte in secret {
        let rest = &text[at..];
        if rest.first().is_some_and(|first| first.eq_ignore_ascii_case(&byte) || (*first == b'+' && byte == b' ')) {
            at += 1;
        } else if decode(rest).is_some_and(|decoded| decoded.eq_ignore_ascii_case(&byte)) {
            at += 3;
        } else if byte != b'-' {
            return None;
        }
    }
    // A secret that consists of dashes must not match everywhere.
    (at > 0).then_some(at)
}

/// The byte that a percent sign and two hexadecimal digits stand for.
fn decode(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1234abcd-0000-4000-8000-00000000beef";
    const SALT: &str = "Käse & Brot/2";

    fn both(text: &str) -> String {
        redact(text, &[("{id}", ID), ("{salt}", SALT)])
    }

    #[test]
    fn secrets_are_found_however_they_are_written() {
        for (text, expected) in [
            (format!("/track/{ID}/ping/"), "/track/{id}/ping/"),
            (format!("{ID}{ID}x"), "{id}{id}x"),
            (ID.to_uppercase(), "{id}"),
            ("1234ABCD-0000-4000-8000-00000000Beef!".into(), "{id}!"),
            (ID.replace('-', "%2d"), "{id}"),
            (ID.replace('-', "%2D").replace('a', "%61"), "{id}"),
            (ID.replace('-', ""), "{id}"),
            (format!("ä{SALT}ä"), "ä{salt}ä"),
            ("KÄSE & BROT/2".into(), "{salt}"),
            ("x=K%C3%A4se%20%26%20Brot%2F2&y".into(), "x={salt}&y"),
            ("K%c3%a4se+%26+Brot%2f2".into(), "{salt}"),
            ("k%C3%84SE+&+bROT/2".into(), "{salt}"),
        ] {
            assert_eq!(both(&text), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_stays() {
        for text in ["", "1234abcd-0000-4000-8000-00000000bee", "%", "%2", "%zz", "K%C3se", "{id}", "日本語 ü --"] {
            assert_eq!(both(text), text);
        }
        assert_eq!(redact("-- a-b", &[("{id}", ""), ("{salt}", "-")]), "{salt}{salt} a{salt}b");
        assert_eq!(redact("ab-c", &[("{id}", "-")]), "ab{id}c");
    }

    #[test]
    fn a_placeholder_is_not_looked_into_and_the_longer_secret_wins() {
        assert_eq!(redact("id", &[("{id}", "id"), ("{d}", "d")]), "{id}");
        assert_eq!(redact("abcd", &[("{short}", "ab"), ("{long}", "abc")]), "{long}d");
    }
}
