//! The manifest as its author wrote it: what a tracker asks to see and to say. How it is enforced
//! is in [`crate::Policy`].

use serde::{Deserialize, Serialize};

/// A whole manifest. Unknown keys are errors: a rule that is misspelt must not be no rule.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Who it is.
    pub plugin: Plugin,
    /// What it may use.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// Events and payload fields that reach the sandbox.
    #[serde(default)]
    pub sees: Vec<Sees>,
    /// Requests that may leave.
    #[serde(default)]
    pub says: Vec<Says>,
}

/// Who the tracker is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// Lower-case letters, digits and `-`; the file's name without `.wasm`.
    pub name: String,
    /// One line for people.
    #[serde(default)]
    pub description: String,
}

/// What the tracker may use beside clock and random bytes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Where reports go; none for a tracker that sends nothing.
    pub http: Option<Http>,
    /// Pattern of the whole `User-Agent` header.
    #[serde(default)]
    pub user_agent: String,
    /// Fields of the hardware probe that are not blanked.
    #[serde(default)]
    pub hardware: Vec<HardwareField>,
    /// Whether the throttle query is answered.
    #[serde(default)]
    pub throttle: bool,
}

/// Where reports go.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// URL with `{id}` and `{event}`.
    pub url: String,
    /// The setting with which the user may point the tracker elsewhere.
    pub url_setting: Option<String>,
    /// The setting that holds the id.
    pub id_setting: String,
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
    /// Its name in a manifest.
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(Into::into)).unwrap_or_default()
    }
}

/// An event that reaches the sandbox.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sees {
    /// The event's name on OctoPrint's bus, or one of Glassbox's own events.
    pub event: String,
    /// Payload fields that are left in; `a.b` for a field of an object, or of each object in a
    /// list. Only scalars and lists of scalars pass.
    pub fields: Vec<String>,
}

/// A request that may leave.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Says {
    /// Its name; may hold one variable in braces.
    pub request: String,
    /// `GET` or `POST`.
    pub method: crate::Method,
    /// The rule for the variable in the name.
    pub variable: Option<Rule>,
    /// The setting that turns it off, as a path: `events.printjob`.
    pub switch: Option<String>,
    /// Its fields, in this order, each at most once.
    pub fields: Vec<Field>,
}

/// A field of a request. Serde looks for unknown keys only here, not in what is flattened into it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether it may be missing.
    #[serde(default)]
    pub optional: bool,
    /// The setting that turns it off.
    pub switch: Option<String>,
    /// What its value may be.
    #[serde(flatten)]
    pub rule: Rule,
}

/// What a value may be: all that is given must hold, and something must be given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Just this text.
    #[serde(rename = "const", skip_serializing_if = "Option::is_none")]
    pub constant: Option<String>,
    /// One of these texts.
    #[serde(rename = "enum", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// A regular expression that the whole value matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Free text of at most so many characters; a pattern's default is 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
}

/// Whether a plugin may be called so: what is safe as a file's name on every system.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=64).contains(&name.len()) && name.chars().all(plain)
}

impl Manifest {
    /// Read a manifest.
    ///
    /// # Errors
    /// Where the text is wrong, and how.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| format!("it cannot be read: {}", error.to_string().trim_end()))
    }
}
