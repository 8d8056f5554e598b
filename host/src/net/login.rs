//! User and password for a proxy that stands before a server and asks for them (HTTP basic auth, RFC 7617).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt;

/// A user name and a password. They are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    user: String,
    password: String,
}

impl Login {
    /// These; none where the user name has a colon, which basic auth cannot tell from the one before the password.
    pub fn new(user: &str, password: &str) -> Option<Self> {
        let fits = |text: &str| !text.chars().any(char::is_control);
        let good = !user.contains(':') && fits(user) && fits(password);
        good.then(|| Self { user: user.into(), password: password.into() })
    }

    /// From the part of a URL before its `@`, in which some characters may be written as `%2F`.
    pub(super) fn of_url(text: &str) -> Option<Self> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Self::new(&decoded(user)?, &decoded(password)?)
    }

    /// The value of the header `authorization`.
    pub fn header(&self) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(user and password)")
    }
}

/// With `%2F` made into the character. Own code, as it is stricter than the crate for that: a `%` without two digits, or bytes
/// that are no text, are refused here, where others would make another password of it without a word.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = rest.split_first_chunk::<2>()?;
        let digits = std::str::from_utf8(digits).ok().filter(|two| two.bytes().all(|one| one.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = more;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_from_a_url_and_never_shown() {
        let header = |text: &str| Some(Login::of_url(text)?.header());
        let basic = |text: &str| Some(format!("Basic {}", BASE64_STANDARD.encode(text)));
        for (text, pair) in
            [("pi:raspberry", "pi:raspberry"), ("pi", "pi:"), ("a%40b:p%2fw%3A:x", "a@b:p/w::x"), (":", ":")]
        {
            assert_eq!(header(text), basic(pair), "{text}");
        }
        for text in ["%", "%4", "%zz", "%+1", "%ff", "a%3Ab:c", "a%0A:b"] {
            assert_eq!(header(text), None, "{text}");
        }
        assert_eq!(format!("{:?}", Login::new("me", "secret").unwrap()), "(user and password)");
    }
}
