//! Text files that people edit, with whatever they edit them: a byte order mark and line ends of Windows are taken as they
//! are, and another encoding is refused by its name. (Readers of TOML, JSON and lists take both kinds of line ends.)

/// How much is looked at to recognise UTF-16 without a byte order mark, in bytes.
const START: usize = 64;

/// The text that these bytes are, without a byte order mark.
///
/// ```
/// use glassbox_util::encoding::text;
///
/// assert_eq!(text(b"\xef\xbb\xbfping = 300\r\n"), Ok("ping = 300\r\n"));
/// assert_eq!(text(b"\xff\xfep\0i\0").unwrap_err(), "it is UTF-16; save it as UTF-8");
/// assert_eq!(text(b"# k\xe4se").unwrap_err(), "it is not UTF-8 but probably Latin-1, as of line 1; save it as UTF-8");
/// ```
///
/// # Errors
/// When they are no UTF-8: what they are instead, for people.
pub fn text(bytes: &[u8]) -> Result<&str, String> {
    let other = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ => None,
    };
    if let Some(other) = other {
        return Err(format!("it is {other}; save it as UTF-8"));
    }
    if !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0) {
        return Err("there is nothing but zeros in it".into());
    }
    // Letters of European languages with a zero before or after each.
    let start = &bytes[..bytes.len().min(START)];
    let zeros = |skip| start.len() > 3 && start.iter().skip(skip).step_by(2).all(|byte| *byte == 0);
    if zeros(0) || zeros(1) {
        return Err("it is UTF-16; save it as UTF-8".into());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let is_control = |byte: &u8| matches!(byte, 0..=8 | 14..=31 | 127);
        if bytes.iter().any(is_control) {
            return "it is not text".into();
        }
        // Latin-1 has nothing there that people write.
        let windows = bytes.iter().any(|byte| (0x80..0xa0).contains(byte));
        let probably = if windows { "Windows-1252" } else { "Latin-1" };
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("it is not UTF-8 but probably {probably}, as of line {line}; save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_is_not_utf_8_is_named() {
        let utf_16 = |to_bytes: fn(u16) -> [u8; 2]| "ab = 1\n".encode_utf16().flat_map(to_bytes).collect::<Vec<_>>();
        for (bytes, named) in [
            (&b"\xfe\xff\0a"[..], "it is UTF-16;"),
            (&utf_16(u16::to_le_bytes), "it is UTF-16;"),
            (&utf_16(u16::to_be_bytes), "it is UTF-16;"),
            (b"\xff\xfe\0\0a\0\0\0", "it is UTF-32;"),
            (&[0; 99], "nothing but zeros"),
            (b"a\nb = \"\x93x\x94\"", "probably Windows-1252, as of line 2;"),
            (b"a = \"\xff\"", "probably Latin-1, as of line 1;"),
            (b"\x89PNG\x1a\xff", "it is not text"),
        ] {
            let error = text(bytes).unwrap_err();
            assert!(error.contains(named), "{bytes:?}: {error}");
        }
        for good in ["", "a", "a\0b", "k\u{e4}se\r\n", "\u{fffd}"] {
            assert_eq!(text(good.as_bytes()), Ok(good));
            assert_eq!(text(format!("\u{feff}{good}").as_bytes()), Ok(good));
        }
    }
}
