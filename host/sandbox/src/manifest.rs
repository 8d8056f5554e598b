//! The manifest as its author wrote it: what a tracker asks to see and to say. How that is enforced is in
//! `policy.rs`, how two manifests compare in `grant.rs`, and how one is put into words in `describe.rs`.

use serde::{Deserialize, Serialize};

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
/// assert_eq!(manifest.sees[0].fields, ["time"]);
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
    /// The events that reach the component, each at most once.
    #[serde(default)]
    pub sees: Vec<Sees>,
    /// The requests that may leave, each at most once. Of names with a variable the first that matches counts.
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

/// What the tracker may use, apart from clock and random bytes, which every tracker may.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Where requests go; none for a tracker that sends nothing.
    pub http: Option<Http>,
    /// A regular expression that the whole `User-Agent` header must match.
    #[serde(default)]
    pub user_agent: String,
    /// The fields of the hardware probe that it sees; the others are blank.
    #[serde(default)]
    pub hardware: Vec<HardwareField>,
    /// Whether the throttle query is answered; otherwise the answer is "not known".
    #[serde(default)]
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
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(Into::into)).unwrap_or_default()
    }
}

/// An event that reaches the component.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sees {
    /// The event's name on OctoPrint's bus, or that of one of Glassbox's own events.
    pub event: String,
    /// The payload fields that are left in; `a.b` for a field of an object, or of each object in a list; at most
    /// [`crate::limits::PATH`] names. Only scalars and lists of scalars pass; anything else becomes null.
    pub fields: Vec<String>,
}

/// A request that may be sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Says {
    /// Its name; it may contain one variable in braces: `commerror_{reason}`.
    pub request: String,
    /// `GET`, with the fields as a query, or `POST`, with the fields as a form.
    pub method: crate::Method,
    /// The rule for the variable in the name; there must be one if, and only if, there is a variable.
    pub variable: Option<Rule>,
    /// The setting that turns it off where it is `false`, as a path: `events.printjob`.
    pub switch: Option<String>,
    /// Its fields. They are sent in this order, each at most once: order and repetition could carry a message.
    pub fields: Vec<Field>,
}

/// A field of a request. (Serde checks for unknown keys here, and not in what is flattened into it.)
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether it may be left out.
    #[serde(default)]
    pub optional: bool,
    /// The setting that turns this field off, beside the request's own.
    pub switch: Option<String>,
    /// What its value may be.
    #[serde(flatten)]
    pub rule: Rule,
}

/// What a value may be. At least one of these must be given, and all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Exactly this text.
    #[serde(rename = "const", skip_serializing_if = "Option::is_none")]
    pub constant: Option<String>,
    /// One of these texts.
    #[serde(rename = "enum", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// A regular expression that the whole value must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The most characters; [`crate::limits::VALUE_CHARS`] if this is not given. By itself it allows free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
}

/// Whether this can be a plugin's name: 1 to 64 lower-case ASCII letters, digits and `-`, so that it is safe as a
/// file name on every system.
#[must_use]
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
