//! OctoPrint's API key: where it comes from, and a type that never prints it. Using it is up to the room `sources`.

use super::secret_file;
use anyhow::{Context, Result, bail};
use glassbox_util::Advised;
use std::fmt;
use std::path::{Path, PathBuf};

/// The environment variable that may hold it.
pub const VARIABLE: &str = "GLASSBOX_API_KEY";
/// Its name among systemd's credentials.
pub const CREDENTIAL: &str = "octoprint-api-key";

/// What it is called in messages.
const WHAT: &str = "the API key";
/// The longest key, in bytes.
const LONGEST: usize = 256;

/// An API key. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(an API key)")
    }
}

impl ApiKey {
    /// Parse a key; spaces around it are ignored.
    ///
    /// # Errors
    /// When it cannot be a key; the message does not repeat it.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Advised::new("it is empty", "put an OctoPrint API key there").into());
        }
        if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("it is not an API key, which is a single word of letters and digits");
        }
        Ok(Self(text.into()))
    }

    /// Read it from a file, which nobody else may be able to read.
    ///
    /// # Errors
    /// When the file cannot be read, others can read it too, or it does not hold a key; with advice.
    pub fn read(file: &Path) -> Result<Self> {
        must_be_private(file)?;
        Self::from_file(file)
    }

    fn from_file(file: &Path) -> Result<Self> {
        let text = secret_file::read_any(file, WHAT)?;
        Self::parse(&text).with_context(|| format!("{WHAT} in {}", file.display()))
    }

    /// Read it from the file that was named; if none was, from the environment variable, or from systemd's credential.
    ///
    /// # Errors
    /// When there is no key, or it cannot be used; with advice.
    pub fn find(file: Option<&Path>) -> Result<Self> {
        if let Some(file) = file {
            return Self::read(file);
        }
        if let Some(key) = std::env::var_os(VARIABLE).filter(|key| !key.is_empty()) {
            return Self::parse(&key.to_string_lossy()).with_context(|| format!("the API key in ${VARIABLE}"));
        }
        if let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") {
            // systemd decides who may read it.
            let file = PathBuf::from(folder).join(CREDENTIAL);
            if file.exists() {
                return Self::from_file(&file);
            }
        }
        let advice = format!(
            "make one in OctoPrint (Settings > Application Keys), put it into a file that only you can read, and name \
             that with --api-key-file; or set ${VARIABLE}, or give systemd's credential {CREDENTIAL}"
        );
        Err(Advised::new("there is no API key", advice).into())
    }

    /// The key itself, to send it to OctoPrint.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Check that nobody else can read a file with a key in it, or that nothing can be done about it.
///
/// # Errors
/// When others can read it and need not, it is not a regular file, or there is none; with advice.
pub fn must_be_private(file: &Path) -> Result<()> {
    secret_file::check(file, WHAT).map_err(|error| match error.downcast::<Advised>() {
        Ok(Advised { what, advice: Some(advice), .. }) => {
            Advised::new(what, format!("{advice}, or set ${VARIABLE} instead")).into()
        }
        Ok(other) => other.into(),
        Err(other) => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_key_may_come_from_any_editor() {
        let file = std::env::temp_dir().join(format!("glassbox-api-key-{}", std::process::id()));
        let read = |content: &[u8]| {
            std::fs::write(&file, content).unwrap();
            ApiKey::from_file(&file).map_err(|error| format!("{error:#}").replace(&*file.to_string_lossy(), "KEY"))
        };
        let utf_16 = "0123ABC\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        for good in [&b"0123ABC"[..], b"0123ABC\r\n", b"\xef\xbb\xbf0123ABC\r\n", b"\n0123ABC\n\n"] {
            assert_eq!(read(good).unwrap().reveal(), "0123ABC");
        }
        assert_eq!(read(&utf_16).unwrap_err(), "the API key in KEY: it is UTF-16; save it as UTF-8");
        let marked = [&b"\xff\xfe"[..], &utf_16].concat();
        assert_eq!(read(&marked).unwrap_err(), "the API key in KEY: it is UTF-16; save it as UTF-8");
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_key_is_one_word_and_is_never_shown() {
        let key = ApiKey::parse(" 0123ABC-_\n").unwrap();
        assert_eq!(key.reveal(), "0123ABC-_");
        assert_eq!(format!("{key:?}"), "(an API key)");
        for text in ["", " \n", "two words", "k\u{e9}y", "a\0b", &"x".repeat(300)] {
            let error = format!("{:#}", ApiKey::parse(text).unwrap_err());
            assert!(text.trim().is_empty() || !error.contains(text), "{error}");
        }
    }
}
