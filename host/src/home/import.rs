//! OctoPrint's own configuration file, as far as its tracker is concerned: what is set there, and whether that tracker
//! is on. It is another program's file: it is read within limits and never written. Turning what is set there into
//! settings of ours is up to `glassbox import`.

use super::yaml::{self, Node, Wanted};
use super::{Home, make_folder, octoprint_values};
use anyhow::{Context, Result, anyhow, bail};
use glassbox_util::files::{read_bounded, write_own};
use glassbox_util::{Advised, encoding};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The largest configuration, in bytes. With many plugins one has about 100 KB, and there are plugins that write
/// megabytes into it.
const LARGEST: usize = 64 << 20;

/// The name of OctoPrint's own tracker among its plugins.
const PLUGIN: &str = "tracking";

/// The most values that are taken from it: aliases may stand for any number.
const MOST: usize = 10_000;

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

/// What is read of the file.
const WANTED: Wanted =
    Wanted::Keys(&[("plugins", Wanted::Keys(&[("tracking", Wanted::All), ("_disabled", Wanted::All)]))]);

/// Which file was imported, so that `status` can check whether the other tracker was switched off.
#[derive(Deserialize, Serialize)]
struct Source {
    file: PathBuf,
}

/// Read a `config.yaml`.
///
/// # Errors
/// When it cannot be read, is too large, is not YAML, or not OctoPrint's. The message names the file and the line, and
/// repeats nothing of its content, which holds keys.
pub fn read(file: &Path) -> Result<Theirs> {
    let name = file.display();
    let bytes = read_bounded(file, LARGEST).map_err(|error| {
        let advice = "OctoPrint's configuration is usually ~/.octoprint/config.yaml";
        Advised::new(format!("{name} cannot be read: {error}"), advice)
    })?;
    // OctoPrint replaces what is not UTF-8, and so takes a file in Latin-1. Another encoding would be nothing to it.
    let text = match encoding::text(&bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(reason) if !reason.contains("probably") => bail!("{name} cannot be read: {reason}"),
        Err(_) => String::from_utf8_lossy(&bytes),
    };
    let document = yaml::read(&text, &WANTED).map_err(|reason| anyhow!("{name} cannot be parsed: {reason}"))?;
    let plugins = document.get("plugins");
    let tracking = match plugins.and_then(|plugins| plugins.get("tracking")).map(|tracking| value(tracking)) {
        None | Some(Ok(Value::Null)) => {
            bail!("{name} has no settings of OctoPrint's tracker (plugins.tracking): there is nothing to import")
        }
        Some(Ok(Value::Object(tracking))) => tracking,
        Some(Ok(_)) => bail!("{name} cannot be parsed: plugins.tracking is not a group of settings"),
        Some(Err(reason)) => bail!("{name} cannot be parsed: plugins.tracking {reason}"),
    };
    let is_disabled = plugins.and_then(|plugins| plugins.get("_disabled")).is_some_and(|disabled| is_in(disabled));
    let is_on = !is_disabled && tracking.get("enabled").and_then(octoprint_values::boolean).unwrap_or_default();
    Ok(Theirs { tracking, is_on })
}

/// Whether the tracker is in this list of plugins, as Python's `in` says: of a text, whether it is a part of that.
fn is_in(disabled: &Node) -> bool {
    match disabled {
        Node::List(list) => list.iter().any(|one| matches!(&**one, Node::Scalar(Value::String(one)) if one == PLUGIN)),
        Node::Scalar(Value::String(text)) => text.contains(PLUGIN),
        Node::Object(_) => disabled.get(PLUGIN).is_some(),
        _ => false,
    }
}

/// A node as JSON. The members of lists are left out, as no setting is a list.
fn value(node: &Node) -> Result<Value, &'static str> {
    fn walk(node: &Node, left: &mut usize) -> Option<Value> {
        *left = left.checked_sub(1)?;
        Some(match node {
            Node::Scalar(value) => value.clone(),
            Node::List(_) => Value::Array(Vec::new()),
            Node::Nothing => Value::Null,
            Node::Object(entries) => {
                let mut object = Map::new();
                for (key, value) in entries {
                    let Node::Scalar(key) = &**key else { continue };
                    object.insert(octoprint_values::text(key).unwrap_or_default(), walk(value, left)?);
                }
                Value::Object(object)
            }
        })
    }
    walk(node, &mut MOST.clone()).ok_or("has far too many settings")
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
pub fn still_on(home: &Home, plugin: &str) -> Option<PathBuf> {
    let source: Source = serde_json::from_slice(&read_bounded(&memory(home, plugin), LARGEST_SOURCE).ok()?).ok()?;
    read(&source.file).is_ok_and(|theirs| theirs.is_on).then_some(source.file)
}

/// A file beside the plugins' states. Since no plugin has a dot in its name, it is nobody's state.
fn memory(home: &Home, plugin: &str) -> PathBuf {
    home.state().join(format!("{plugin}.import.json"))
}
