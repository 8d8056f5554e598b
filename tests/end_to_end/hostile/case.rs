//! A case: a folder in `tests/hostile/` with `case.toml`, the message that is expected, and what the
//! component is made of.

use crate::support::workspace;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `case.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is tried, for people.
    pub about: String,
    /// The file's name in the plugin folder; `\xNN` is a byte.
    #[serde(default = "misfit_file")]
    pub file: String,
    /// How the file's content is made.
    #[serde(default)]
    pub component: Component,
    /// Odd things that are done to the home, by name.
    pub arrange: Option<Arrange>,
    /// The plugin's settings beside a server and an id; what is empty here is not there.
    #[serde(default)]
    pub settings: toml::Table,
    /// Settings that are as they are here at the end, and some that are not there.
    #[serde(default)]
    pub settings_after: toml::Table,
    #[serde(default)]
    pub absent_after: Vec<String>,
    /// What who grants it is shown.
    #[serde(default)]
    pub shown: String,
    /// What the audit says where that is another thing; nothing if all is well with it.
    pub audit: Option<String>,
    /// What stands in the journal at the end.
    #[serde(default)]
    pub journal: String,
    /// What is fed to the host; one print otherwise.
    pub events: Option<Vec<String>>,
    /// Where the message is expected.
    pub stage: Stage,
    /// What the plugin may have sent, as name and query, and how often.
    #[serde(default)]
    pub leaves: BTreeMap<String, usize>,
    /// Whether a signal ends the host, and not the end of its input.
    #[serde(default)]
    pub signal: bool,
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// The message.
    #[serde(skip)]
    pub expected: String,
}

fn misfit_file() -> String {
    "misfit.wasm".into()
}

/// How the file's content is made: from a base, changed in this order.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    #[serde(default)]
    pub base: Base,
    /// Written over the misfit's mark.
    pub word: Option<String>,
    /// Replaced in the text of the smallest tracker.
    #[serde(default)]
    pub replace: Vec<(String, String)>,
    /// A core module put beside the others, made by name and size.
    pub module: Option<(String, usize)>,
    /// So many components inside one another, put beside the modules.
    pub nested: Option<usize>,
    /// So many functions in a type, compared 900 times, in the smallest tracker.
    pub compared: Option<usize>,
    /// How often its manifest is put in; the base's, or the case's own.
    pub manifests: Option<usize>,
    /// A manifest that is made, by name and size.
    pub manifest: Option<(String, usize)>,
    /// As much of it is left, in percent.
    pub percent: Option<usize>,
    /// Zeros are appended up to this length.
    pub length: Option<u64>,
}

/// What it is made from.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// The component that misbehaves as it is told.
    #[default]
    Misfit,
    /// The smallest tracker, in WebAssembly's text format.
    Tiny,
    /// The case's own `component.wat`.
    Wat,
    /// The case's own `component.wat` as it is: text.
    Text,
    /// The bundled tracker.
    Bundled,
    /// Nothing.
    Empty,
}

/// Odd things.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Arrange {
    /// The file is a named pipe into which nobody writes.
    Pipe,
    /// The file is a link to a device without an end.
    Device,
    /// The file is a link to one outside the home.
    LinkOutside,
    /// The file is a link to itself.
    LinkLoop,
    /// The bundled tracker is there under a second name.
    TwoClaim,
    /// The cache holds other code under the tracker's name, and everybody may write to the folder.
    CacheFolderOpen,
    /// The cache holds other code under the tracker's name, and everybody may write to the file.
    CacheFileOpen,
    /// The cache holds other code under the tracker's name, and it is somebody else's.
    CacheFileForeign,
    /// The compiled tracker in the cache has one other byte.
    CacheDamaged,
    /// The compiled tracker in the cache is cut off.
    CacheCut,
    /// The compiled tracker in the cache is a named pipe.
    CachePipe,
}

/// Where the host stops it, and so where the message is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It cannot be read: `opt-in`, `list`, `audit` and `run` say so.
    Read,
    /// It is not a tracker, or its manifest cannot be used: as before, and the audit has a report.
    Check,
    /// It is not compiled or linked: as before, once it was granted what it asks for.
    Compile,
    /// It does not start: the audit and the running host say so.
    Start,
    /// Its schema fails: the audit and `settings` say so.
    Schema,
    /// It does not do well while it is made ready or runs: the running host says so.
    Run,
    /// It does what it may; there is nothing to say.
    Nothing,
}

/// The folder with the cases.
pub fn folder() -> PathBuf {
    workspace("tests/hostile")
}

impl Case {
    pub fn read(name: &str) -> Self {
        let folder = folder().join(name);
        let text = std::fs::read_to_string(folder.join("case.toml")).unwrap();
        let mut case: Self = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        case.name = name.into();
        case.expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap_or_default();
        let nothing = case.stage == Stage::Nothing;
        assert_eq!(case.expected.trim().is_empty(), nothing, "{name}: a message, unless there is nothing to say");
        case
    }

    /// The plugin's name, as its file has it.
    pub fn plugin(&self) -> &str {
        self.file.strip_suffix(".wasm").unwrap_or(&self.file)
    }

    /// A file of the case.
    pub fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(folder().join(&self.name).join(file)).ok()
    }
}
