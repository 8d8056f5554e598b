//! OctoPrint's own configuration file, as far as its tracker is concerned: what is set there, and
//! whether that tracker is on. Somebody else wrote it: it is read within limits, and never written.

use crate::home::Home;
use anyhow::{Context, Result, anyhow, bail};
use glassbox_util::Advised;
use glassbox_util::files::{open_regular, write_atomically};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// With many plugins it has some 100 KB.
const LARGEST: u64 = 4 << 20;

/// What is set of OctoPrint's tracker.
#[derive(Clone, Debug, PartialEq)]
pub struct Theirs {
    /// `plugins.tracking`.
    pub tracking: Map<String, Value>,
    /// Whether it is on: enabled, and its plugin not disabled.
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

/// Where it was imported from, so that `status` can look whether their tracker was switched off.
#[derive(Deserialize, Serialize)]
struct Source {
    file: PathBuf,
}

/// Read a `config.yaml`.
///
/// # Errors
/// When it cannot be read, is too large, is not YAML, or not OctoPrint's; the message names it, and
/// repeats nothing of it: it holds keys.
pub fn read(file: &Path) -> Result<Theirs> {
    let name = file.display();
    let mut text = Vec::new();
    open_regular(file).and_then(|open| open.take(LARGEST + 1).read_to_end(&mut text)).map_err(|error| {
        let what = format!("{name} cannot be read: {error}");
        Advised::new(what, "OctoPrint's configuration is usually ~/.octoprint/config.yaml")
    })?;
    if text.len() as u64 > LARGEST {
        bail!("{name} has more than {} MiB: that is not a configuration of OctoPrint", LARGEST >> 20);
    }
    let text =
        String::from_utf8(text).map_err(|_| anyhow!("{name} is not text: that is not a configuration of OctoPrint"))?;
    let plugins = parse(&text).map_err(|reason| anyhow!("{name} is not understood: {reason}"))?;
    let tracking = match plugins.tracking {
        None | Some(Value::Null) => {
            bail!("{name} says nothing of OctoPrint's tracker (plugins.tracking): there is nothing to take over")
        }
        Some(Value::Object(tracking)) => tracking,
        Some(_) => bail!("{name} is not understood: plugins.tracking is not a group of settings"),
    };
    let is_disabled =
        plugins.disabled.as_ref().and_then(Value::as_array).is_some_and(|all| all.contains(&"tracking".into()));
    let is_on = !is_disabled && tracking.get("enabled") == Some(&Value::Bool(true));
    Ok(Theirs { tracking, is_on })
}

fn parse(text: &str) -> Result<Plugins, String> {
    let options = serde_saphyr::options! {
        // A line of it may hold a key.
        with_snippet: false,
        // OctoPrint's own reader makes objects of none either.
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

/// Keep in mind where it was imported from.
///
/// # Errors
/// When that cannot be written.
pub fn remember(home: &Home, plugin: &str, file: &Path) -> Result<()> {
    fs::create_dir_all(home.state()).with_context(|| format!("making {}", home.state().display()))?;
    let file = file.canonicalize().with_context(|| format!("looking for {}", file.display()))?;
    write_atomically(&memory(home, plugin), (serde_json::to_string(&Source { file })? + "\n").as_bytes())
}

/// The file from which it was imported, if by that OctoPrint's own tracker is on still.
#[must_use]
pub fn still_on(home: &Home, plugin: &str) -> Option<PathBuf> {
    let source: Source = serde_json::from_slice(&fs::read(memory(home, plugin)).ok()?).ok()?;
    read(&source.file).is_ok_and(|theirs| theirs.is_on).then_some(source.file)
}

/// Beside the plugins' states; no plugin has a dot in its name.
fn memory(home: &Home, plugin: &str) -> PathBuf {
    home.state().join(format!("{plugin}.import.json"))
}
