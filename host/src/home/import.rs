//! OctoPrint's own configuration file, as far as its tracker is concerned: what is set there, and whether that tracker
//! is on. It is another program's file: it is read within limits and never written. Turning what is set there into
//! settings of ours is up to `glassbox import`.

use super::{Home, make_folder};
use anyhow::{Context, Result, anyhow, bail};
use glassbox_util::Advised;
use glassbox_util::files::{read_bounded, write_own};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The largest configuration, in bytes. With many plugins one has about 100 KB.
const LARGEST: usize = 4 << 20;

/// The largest file that remembers where a configuration is, in bytes.
const LARGEST_SOURCE: usize = 64 << 10;

/// What OctoPrint's configuration says about its own tracker.
#[derive(Clone, Debug, PartialEq)]
pub struct Theirs {
    /// The content of `plugins.tracking`.
    pub tracking: Map<String, Value>,
    /// Whether the tracker is on: enabled, and its plugin not disabled.
    pub is_on: bool,
}

#[derive(Default, Deserialize)]
struct Document {
    plugins: Option<Plugins>,
}

#[derive(Default, Deserialize)]
struct Plugins {
    tracking: Option<Value>,
    #[serde(rename = "_disabled")]
    disabled: Option<Value>,
}

/// Which file was imported, so that `status` can check whether the other tracker was switched off.
#[derive(Deserialize, Serialize)]
struct Source {
    file: PathBuf,
}

/// Read a `config.yaml`.
///
/// # Errors
/// When it cannot be read, is too large, is not YAML, or not OctoPrint's. The message names the file and repeats
/// nothing of its content, which holds keys.
pub fn read(file: &Path) -> Result<Theirs> {
    let name = file.display();
    let bytes = read_bounded(file, LARGEST).map_err(|error| {
        let advice = "OctoPrint's configuration is usually ~/.octoprint/config.yaml";
        Advised::new(format!("{name} cannot be read: {error}"), advice)
    })?;
    let text = String::from_utf8(bytes).map_err(|_| anyhow!("{name} is not text, so not OctoPrint's configuration"))?;
    let plugins = parse(&text).map_err(|reason| anyhow!("{name} cannot be parsed: {reason}"))?;
    let tracking = match plugins.tracking {
        None | Some(Value::Null) => {
            bail!("{name} has no settings of OctoPrint's tracker (plugins.tracking): there is nothing to import")
        }
        Some(Value::Object(tracking)) => tracking,
        Some(_) => bail!("{name} cannot be parsed: plugins.tracking is not a group of settings"),
    };
    let is_disabled =
        plugins.disabled.as_ref().and_then(Value::as_array).is_some_and(|all| all.contains(&"tracking".into()));
    let is_on = !is_disabled && tracking.get("enabled") == Some(&Value::Bool(true));
    Ok(Theirs { tracking, is_on })
}

fn parse(text: &str) -> Result<Plugins, String> {
    let options = serde_saphyr::options! {
        // A line of the file may hold a key.
        with_snippet: false,
        // OctoPrint's own reader rejects them, too.
        reject_unsupported_tags: true,
        // What other plugins set does not matter here.
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
    };
    let document = serde_saphyr::from_str_with_options::<Option<Document>>(text, options);
    match document {
        Ok(document) => Ok(document.and_then(|document| document.plugins).unwrap_or_default()),
        Err(error) => Err(match error.location() {
            Some(at) => {
                format!("line {}, column {}: it is not YAML, or not as OctoPrint writes it", at.line(), at.column())
            }
            None => "it is not YAML, or not as OctoPrint writes it".into(),
        }),
    }
}

/// Remember which file a plugin's settings were imported from.
///
/// # Errors
/// When that cannot be written.
pub fn remember(home: &Home, plugin: &str, file: &Path) -> Result<()> {
    make_folder(&home.state())?;
    let file = file.canonicalize().with_context(|| format!("looking for {}", file.display()))?;
    write_own(&memory(home, plugin), (serde_json::to_string(&Source { file })? + "\n").as_bytes())
}

/// The file that a plugin's settings were imported from, if OctoPrint's own tracker is still on by that file.
#[must_use]
pub fn still_on(home: &Home, plugin: &str) -> Option<PathBuf> {
    let source: Source = serde_json::from_slice(&read_bounded(&memory(home, plugin), LARGEST_SOURCE).ok()?).ok()?;
    read(&source.file).is_ok_and(|theirs| theirs.is_on).then_some(source.file)
}

/// A file beside the plugins' states. Since no plugin has a dot in its name, it is nobody's state.
fn memory(home: &Home, plugin: &str) -> PathBuf {
    home.state().join(format!("{plugin}.import.json"))
}
