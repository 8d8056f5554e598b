//! A request's text, taken apart as the original did (RECEIVING.md, 1 and 8): split before anything is decoded, `+` stays
//! `+`, and nothing is ever an error.

use percent_encoding::percent_decode;

/// Fields of a report that are looked at: OctoPrint's richest has 14, and each may come a few times.
const FIELDS: usize = 256;

/// The id and the event of a path below `/track/`, decoded. What follows the event's slash is nobody's. None if there are
/// not both.
pub(crate) fn path(path: &str) -> Option<(String, String)> {
    let mut parts = path.strip_prefix("/track/")?.split('/').map(|part| decode(part.as_bytes()));
    parts.next().zip(parts.next()).filter(|(id, event)| !id.is_empty() && !event.is_empty())
}

/// Keys in lower case and values, decoded, in the order in which they came. Keys are not decoded, and a value in quotes or
/// brackets loses them, as in the original. A value may be empty.
pub(crate) fn fields(text: &[u8]) -> impl Iterator<Item = (String, String)> {
    let pairs = text.split(|byte| matches!(byte, b'&' | b'?'));
    let pairs = pairs.filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let key = String::from_utf8_lossy(&pair[..equals]).to_lowercase();
        (!key.is_empty()).then(|| (key, decode(bare(&pair[equals + 1..]))))
    });
    pairs.take(FIELDS)
}

/// Without the quotes or brackets around it.
fn bare(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"']
        | [b'\'', inner @ .., b'\'']
        | [b'[', inner @ .., b']']
        | [b'(', inner @ .., b')']
        | [b'<', inner @ .., b'>'] => inner,
        _ => value,
    }
}

/// `%XX` as the byte that it stands for; what is none stays as it is. Bytes that are no UTF-8 become U+FFFD.
fn decode(text: &[u8]) -> String {
    percent_decode(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_an_id_and_an_event() {
        let found = |text| path(text).map(|(id, event)| format!("{id} {event}"));
        assert_eq!(found("/track/A/ping/").as_deref(), Some("A ping"));
        assert_eq!(found("/track/A/ping").as_deref(), Some("A ping"));
        assert_eq!(found("/track/A/ping/x/y").as_deref(), Some("A ping"));
        assert_eq!(found("/track/A/commerror_a%2Fb%20c/").as_deref(), Some("A commerror_a/b c"));
        for none in ["/track/", "/track/A", "/track/A/", "/track//ping/", "/other/A/ping/"] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn fields_are_split_before_they_are_decoded() {
        let found = |text: &str| {
            let fields = fields(text.as_bytes()).map(|(key, value)| format!("{key}:{value}"));
            fields.collect::<Vec<_>>().join("|")
        };
        assert_eq!(found("Origin=local&file=a%26b%3Dc&&x&=y&z="), "origin:local|file:a&b=c|z:");
        assert_eq!(found("b=c/?commerror_text=x"), "b:c/|commerror_text:x");
        assert_eq!(found("a=1+1&b=%ZZ%4&c=%C3%BC%FF&d=1=2"), "a:1+1|b:%ZZ%4|c:ü\u{fffd}|d:1=2");
        assert_eq!(found("a=[x]&b=\"y\"&c='z'&d=%22w%22&e='"), "a:x|b:y|c:z|d:\"w\"|e:'");
        assert_eq!(fields(&b"a=1&".repeat(1000)).count(), FIELDS);
        assert_eq!(fields(b"a=\xff\x00").next(), Some(("a".into(), "\u{fffd}\0".into())));
    }
}
