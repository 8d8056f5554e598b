//! The id of an installation.

use std::fmt;

/// An installation's random id: a UUID, in whatever case it came. Its 16 bytes are kept, and it is written in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub [u8; 16]);

impl Id {
    /// Of a text in the shape of a UUID: 32 hexadecimal digits in five groups. None for anything else.
    ///
    /// ```
    /// use glassbox_collector::id::Id;
    ///
    /// let id = Id::parse("ABCDEF01-2222-4333-8444-555555555555").unwrap();
    /// assert_eq!(id.to_string(), "abcdef01-2222-4333-8444-555555555555");
    /// assert!(Id::parse("5").is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        const DASHES: [usize; 4] = [8, 13, 18, 23];
        let mut id = [0; 16];
        let mut digits = 0;
        if text.len() != 36 {
            return None;
        }
        for (at, byte) in text.bytes().enumerate() {
            if DASHES.contains(&at) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = u8::try_from(char::from(byte).to_digit(16)?).ok()?;
            id[digits / 2] |= if digits % 2 == 0 { digit << 4 } else { digit };
            digits += 1;
        }
        Some(Self(id))
    }
}

/// Nothing that is printed to look for a fault holds an id.
impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Id(..)")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let dash = if [4, 6, 8, 10].contains(&at) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn only_what_has_the_shape_of_a_uuid_is_an_id() {
        let text = "0123abcd-4567-89ef-0123-456789abcdef";
        assert_eq!(Id::parse(text).unwrap().to_string(), text);
        for wrong in ["", "5", "0123abcd456789ef0123456789abcdef", "0123abcd-4567-89ef-0123-456789abcdeg"] {
            assert!(Id::parse(wrong).is_none(), "{wrong}");
        }
        assert!(Id::parse("0123abcd-4567-89ef-0123456789abcdef-").is_none());
        assert!(Id::parse(&format!("{text}0")).is_none());
        assert!(Id::parse("é123abcd-4567-89ef-0123-456789abcde").is_none());
    }
}
