//! The manifest as its author wrote it: what a tracker asks to see and to say. How that is enforced is in
//! `policy.rs`, how two manifests compare in `host/grant/`, and how one is put into words in `describe/`.

mod either;
mod says;
mod sees;

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

pub use crate::version::Versions;
pub use says::{Condition, Every, Field, Rule, Says, Variable};
pub use sees::{Enters, SeenField, Sees};

/// Where a manifest's text is wrong, and how: several lines, which show the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be read: {}", .0.to_string().trim_end())]
pub struct Malformed(toml::de::Error);

/// A whole manifest. Unknown keys are errors, so that a misspelt rule is never ignored. The reference for authors is
/// `host/sandbox/README.md`.
///
/// ```
/// use glassbox_sandbox::Manifest;
///
/// let manifest = Manifest::parse(
///     r#"
///     [plugin]
///     name = "hours"
///
///     [[sees]]
///     event = "PrintDone"
///     fields = ["time"]
///     "#,
/// )?;
/// assert_eq!(manifest.sees[0].fields[0].name, "time");
///
/// let error = Manifest::parse("[plugin]\nnam = \"hours\"").unwrap_err();
/// assert!(error.to_string().contains("unknown field `nam`"), "{error}");
/// # Ok::<(), glassbox_sandbox::manifest::Malformed>(())
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name and description.
    pub plugin: Plugin,
    /// What it may use of the host.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// What it is shown of the settings.
    #[serde(default)]
    pub settings: Settings,
    /// The events that reach the component, each at most once.
    #[serde(default)]
    pub sees: Vec<Sees>,
    /// What an instance may hand over to the next one, by name. Nothing else is kept.
    #[serde(default)]
    pub state: BTreeMap<String, Kept>,
    /// The requests that may leave. Of names with a variable the first that matches counts.
    #[serde(default)]
    pub says: Vec<Says>,
}

/// The tracker's name and description.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// 1 to 64 lower-case letters, digits and `-`; the file's name without `.wasm`.
    pub name: String,
    /// One line for people.
    #[serde(default)]
    pub description: String,
}

/// What a tracker is shown of the settings. The rest is the host's alone.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Keys of the document. Never the id, nor the server's URL.
    pub shows: Vec<String>,
}

/// What the tracker may use, apart from the clock, which every tracker may.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capabilities {
    /// Where requests go; none for a tracker that sends nothing.
    pub http: Option<Http>,
    /// What the `User-Agent` header may be.
    pub user_agent: UserAgent,
    /// The fields of the hardware probe that it sees; the others are blank.
    pub hardware: Vec<HardwareField>,
    /// Whether the throttle query is answered; otherwise the answer is "not known".
    pub throttle: bool,
}

/// Where requests go.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// `http://` or `https://` URL, without query or fragment. The host fills in `{id}`, and `{event}` with the
    /// request's name, each as one path segment.
    pub url: String,
    /// The setting in which the user may give another URL.
    pub url_setting: Option<String>,
    /// The setting that holds the id. While it is missing or empty, nothing is sent.
    pub id_setting: String,
}

/// What the `User-Agent` header may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum UserAgent {
    /// A regular expression that the whole header must match.
    Pattern(String),
    /// Made by the host.
    Pinned(PinnedAgent),
}

/// A `User-Agent` header that the host makes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedAgent {
    /// The header; `{}` stands for the value.
    pub text: String,
    /// Where the value is taken from, as in [`Field::from`].
    pub from: String,
    /// A regular expression that the whole value must match.
    pub pattern: String,
    /// The value where nothing that fits is known.
    pub unknown: String,
}

impl Default for UserAgent {
    fn default() -> Self {
        Self::Pattern(String::new())
    }
}

impl<'de> Deserialize<'de> for UserAgent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a pattern, or a table with text, from, pattern and unknown";
        either::text_or_table(deserializer, expected, Self::Pattern, Self::Pinned)
    }
}

/// What an instance may keep under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Kept {
    /// `"flag"`: true or false.
    #[serde(rename = "flag")]
    Flag,
    /// `{ most = 999 }`: a whole number of at most that.
    #[serde(rename = "most")]
    UpTo(u64),
}

/// A field of the contract's `hardware.machine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // named as in the contract
pub enum HardwareField {
    Os,
    Platform,
    Bits,
    Cores,
    FrequencyMhz,
    MemoryBytes,
    PiModel,
    OctopiVersion,
    OctopiuptodateBuild,
}

impl HardwareField {
    /// Its name in a manifest, for example `pi-model`.
    pub fn name(self) -> String {
        written(self)
    }
}

/// How a manifest writes one of a closed list.
fn written(one: impl Serialize) -> String {
    serde_json::to_value(one).ok().and_then(|name| name.as_str().map(Into::into)).unwrap_or_default()
}

/// Whether this can be a plugin's name: 1 to 64 lower-case ASCII letters, digits and `-`, so that it is safe as a
/// file name on every system.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=64).contains(&name.len()) && name.chars().all(plain)
}

impl Manifest {
    /// Parse a manifest. Whether its rules can be used is only found out by [`crate::Policy::new`].
    ///
    /// # Errors
    /// When the text is not TOML, or not a manifest: a key is missing, unknown, or of the wrong type.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        toml::from_str(text).map_err(Malformed)
    }

    /// The settings that turn off a request or a field, as paths like `events.printjob`; some more than once.
    pub fn switches(&self) -> impl Iterator<Item = &str> {
        let fields = self.says.iter().flat_map(|says| &says.fields).filter_map(|field| field.switch.as_deref());
        self.says.iter().filter_map(|says| says.switch.as_deref()).chain(fields)
    }
}
