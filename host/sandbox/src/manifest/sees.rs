//! What a tracker asks to be shown of OctoPrint's events, and in which form.

use super::either::text_or_table;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// An event that reaches the component.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sees {
    /// The event's name on OctoPrint's bus, or that of one of Glassbox's own events.
    pub event: String,
    /// The payload fields that enter, each at most once.
    pub fields: Vec<SeenField>,
    /// Why it enters whatever is switched off. None: it enters only while a report that names it is on.
    pub control: Option<String>,
    /// Reports for whose sake it enters, beside those that name it: `printer_connected`.
    #[serde(default, rename = "for")]
    pub used_for: Vec<String>,
}

/// A field of a payload, and how it enters. In a manifest `"origin"`, or `{ name = "path", as = "salted-sha1" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenField {
    /// Its name; `a.b` for a field of an object; at most [`crate::limits::PATH`] names.
    pub name: String,
    /// The form in which it enters. None: a text, a number or a boolean as it is, anything else as null.
    #[serde(rename = "as")]
    pub enters: Option<Enters>,
    /// Why it enters whatever is switched off, as in [`Sees::control`].
    pub control: Option<String>,
    /// Of a list of words: the field of another event whose values are appended to what is remembered of it.
    pub grows_by: Option<String>,
}

/// The form in which a field enters. What cannot be made into it enters as null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enters {
    /// The SHA-1 of a text followed by the installation's salt, as 40 hex digits. The salt is the host's.
    SaltedSha1,
    /// The kind of a serial port: `/dev/ttyUSB0` and the like, `VIRTUAL`, `AUTO` and nothing as they are, otherwise
    /// `/dev/serial/by-id`, `network` or `other`.
    PortKind,
    /// A number of seconds without its fraction, at least 1 and less than 10^15.
    WholeSeconds,
    /// A list of objects as `key:version,key:?`, in lower case, at most 16,384 bytes.
    NamesAndVersions,
    /// Of a list of texts, those that are words, as `one,two`, in lower case; at most 200 of 64 characters, and 8,192 bytes in all.
    Words,
    /// A text in which `…` stands for what looks like a path, an address, or the number of a machine.
    ErrorText,
}

impl Enters {
    /// Its name in a manifest, for example `salted-sha1`.
    pub fn name(self) -> String {
        super::written(self)
    }
}

impl fmt::Display for SeenField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enters {
            None => f.write_str(&self.name),
            Some(how) => write!(f, "{} as {}", self.name, how.name()),
        }
    }
}

impl<'de> Deserialize<'de> for SeenField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let plain = |name| Self { name, enters: None, control: None, grows_by: None };
        let full = |Full { name, enters, control, grows_by }| Self { name, enters, control, grows_by };
        text_or_table(deserializer, "a field's name, or a table with its name and `as`", plain, full)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    name: String,
    #[serde(rename = "as")]
    enters: Option<Enters>,
    control: Option<String>,
    grows_by: Option<String>,
}
