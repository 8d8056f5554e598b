//! `[[octoprint]]` in `glassbox.toml`.

use super::{Address, Key, Target, key};
use anyhow::{Context, Result, bail};
use glassbox_sandbox::manifest;
use serde::{Deserialize, Deserializer};
use std::path::{Path, PathBuf};

/// One OctoPrint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What it is called in the log.
    pub name: Option<String>,
    /// Its URL.
    #[serde(deserialize_with = "address")]
    pub url: Address,
    /// Where its key is; without a / at the beginning, in the home.
    pub api_key_file: Option<PathBuf>,
    /// The key itself.
    #[serde(default, deserialize_with = "secret")]
    pub api_key: Option<Key>,
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    Address::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// Serde's own message for what is no text would repeat it.
fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Key>, D::Error> {
    let toml::Value::String(text) = toml::Value::deserialize(from)? else {
        return Err(serde::de::Error::custom("api_key is a text, in quotes"));
    };
    Key::parse(&text).map(Some).map_err(|error| serde::de::Error::custom(format!("api_key: {error}")))
}

/// The OctoPrint that the configuration names; `file` is where it stands.
///
/// # Errors
/// When it names none, or several, or its key cannot be had; the message says what to do.
pub fn target(entries: &[Entry], home: &Path, file: &Path) -> Result<Target> {
    let entry = match entries {
        [] => bail!(
            "where do the events come from? Give --octoprint URL, or --events FILE, or put an [[octoprint]] entry with \
             its url into {}",
            file.display()
        ),
        [entry] => entry,
        _ => bail!(
            "{} has {} [[octoprint]] entries, and one host follows one OctoPrint so far: farms are not there yet; \
             leave one, and run another host with another --home for each of the others",
            file.display(),
            entries.len()
        ),
    };
    let name = entry.name.clone().unwrap_or_else(|| "octoprint".into());
    if !manifest::is_name(&name) {
        bail!("{}: the name of an [[octoprint]] is 1 to 64 lower-case letters, digits and '-'", file.display());
    }
    let key = match (&entry.api_key, &entry.api_key_file) {
        (Some(_), Some(_)) => {
            bail!("{}: api_key and api_key_file are two places for one key; leave one", file.display())
        }
        (Some(found), None) => {
            key::only_ours(file)?;
            found.clone()
        }
        (None, given) => Key::find(given.as_ref().map(|given| home.join(given)).as_deref())
            .with_context(|| format!("the [[octoprint]] entry of {}", file.display()))?,
    };
    Ok(Target { name, address: entry.url.clone(), key })
}
