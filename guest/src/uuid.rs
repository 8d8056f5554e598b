//! Version 4 UUIDs: made from random bytes, and recognised.

/// Make a version 4 UUID from random bytes, as text.
pub fn v4(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Whether the text is a version 4 UUID with hyphens, in upper or lower case.
pub fn is_v4(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_version_4() {
        assert_eq!(v4([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(v4([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert!(is_v4(&v4([0x5a; 16])));
    }

    #[test]
    fn anything_else_is_rejected() {
        assert!(is_v4("11111111-2222-4333-8444-555555555555"));
        for text in [
            "",
            "11111111-2222-3333-8444-555555555555",
            "11111111-2222-4333-7444-555555555555",
            "11111111-2222-4333-8444-55555555555",
            "11111111-2222-4333-8444-55555555555g",
            "11111111222243338444555555555555",
            "ü1111111-2222-4333-8444-5555555555555",
        ] {
            assert!(!is_v4(text), "{text}");
        }
    }
}
