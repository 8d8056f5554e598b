//! OctoPrint's version, as far as reports depend on it.

use serde::{Deserialize, Serialize};

/// Characters of a version.
const CHARS: usize = 64;

/// The first two numbers of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release(u32, u32);

impl Release {
    /// What OctoPrint counts as while its version is not known: the first with printer connectors, whose reports say less
    /// (no port, no baud rate).
    pub(crate) const UNKNOWN: Self = Self(1, 12);

    /// Of a version like `1.12.0.dev3+gabc`. None if it has other characters than a version.
    pub(crate) fn of(version: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+_-".contains(&byte);
        if !(1..=CHARS).contains(&version.len()) || !version.bytes().all(plain) {
            return None;
        }
        let mut numbers = version.split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().unwrap_or(0)
        });
        let release = Self(numbers.next()?, numbers.next().unwrap_or(0));
        // As `0+unknown`, which is what a checkout without tags calls itself: it is as new as any.
        Some(if release < Self(1, 0) { Self::UNKNOWN } else { release })
    }
}

/// Versions of OctoPrint before another, or from it on. In a manifest `"<1.12"` or `">=1.12"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Versions {
    since: bool,
    release: Release,
}

impl Versions {
    /// Whether this is one of them.
    pub(crate) fn include(self, release: Release) -> bool {
        (release >= self.release) == self.since
    }

    /// Whether no version is one of both.
    pub(crate) fn exclude(self, other: Self) -> bool {
        self.release == other.release && self.since != other.since
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Release(major, minor) = self.release;
        write!(f, "{}{major}.{minor}", if self.since { ">=" } else { "<" })
    }
}

impl From<Versions> for String {
    fn from(versions: Versions) -> Self {
        versions.to_string()
    }
}

impl TryFrom<String> for Versions {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parse = || {
            let since = text.strip_prefix(">=");
            let (major, minor) = since.or_else(|| text.strip_prefix('<'))?.split_once('.')?;
            Some(Self { since: since.is_some(), release: Release(major.parse().ok()?, minor.parse().ok()?) })
        };
        parse().ok_or("it must be a version like \"<1.12\" or \">=1.12\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_version_its_first_two_numbers_count() {
        for (version, release) in [
            ("1.11.8", Some(Release(1, 11))),
            ("2.0.0rc7", Some(Release(2, 0))),
            ("1.12.0.dev3+gabc.dirty", Some(Release(1, 12))),
            ("2", Some(Release(2, 0))),
            ("1.3.10", Some(Release(1, 3))),
            ("0+unknown", Some(Release::UNKNOWN)),
            ("0+untagged.1.gabc", Some(Release::UNKNOWN)),
            ("x.y", Some(Release::UNKNOWN)),
            ("99999999999.1", Some(Release::UNKNOWN)),
            ("", None),
            ("1.11 ", None),
        ] {
            assert_eq!(Release::of(version), release, "{version}");
        }
    }

    #[test]
    fn a_condition_reads_as_it_is_written() {
        let versions = |text: &str| serde_json::from_value::<Versions>(text.into());
        let (before, since) = (versions("<1.12").unwrap(), versions(">=1.12").unwrap());
        assert!(before.include(Release(1, 11)) && !before.include(Release::UNKNOWN));
        assert!(!since.include(Release(1, 11)) && since.include(Release(2, 0)));
        assert!(before.exclude(since) && !before.exclude(before));
        assert_eq!((before.to_string(), since.to_string()), ("<1.12".into(), ">=1.12".into()));
        for wrong in ["1.12", ">1.12", "<1", "<a.b", ""] {
            assert!(versions(wrong).unwrap_err().to_string().contains("a version like"), "{wrong}");
        }
    }
}
