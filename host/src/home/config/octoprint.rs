//! `[[octoprint]]` in `glassbox.toml`.

use super::UNNAMED;
use crate::home::api_key::{self, ApiKey};
use crate::net::{Address, Peer};
use anyhow::{Context, Result, bail};
use glassbox_sandbox::manifest;
use glassbox_util::Advised;
use glassbox_util::files::must_be_private;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Stands for all OctoPrints where one is to be named.
pub const ALL: &str = "all";

/// One OctoPrint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OctoPrintEntry {
    /// What it is called, and the folder of its settings and states; without it they lie in none.
    pub name: Option<String>,
    /// Its URL.
    #[serde(deserialize_with = "address")]
    pub url: Address,
    /// Where its key is; without a / at the beginning, in the home.
    pub api_key_file: Option<PathBuf>,
    /// The key itself.
    #[serde(default, deserialize_with = "secret")]
    pub api_key: Option<ApiKey>,
}

/// An OctoPrint to be followed.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it is called, where it has a name.
    pub name: Option<String>,
    /// Where it is.
    pub address: Address,
    /// What lets us in.
    pub key: ApiKey,
}

impl Target {
    /// For the log, and for what is remembered of it.
    #[must_use]
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(UNNAMED)
    }
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    Address::parse(&String::deserialize(from)?, Peer::OctoPrint).map_err(serde::de::Error::custom)
}

/// Serde's own message for what is not text would repeat it.
fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ApiKey>, D::Error> {
    let toml::Value::String(text) = toml::Value::deserialize(from)? else {
        return Err(serde::de::Error::custom("api_key is a text, in quotes"));
    };
    ApiKey::parse(&text).map(Some).map_err(|error| serde::de::Error::custom(format!("api_key: {error}")))
}

/// Whether an OctoPrint can be called so.
#[must_use]
pub fn is_name(name: &str) -> bool {
    manifest::is_name(name) && name != ALL
}

/// The names of all OctoPrints that the configuration names, in their order; none for one without.
///
/// # Errors
/// When a name cannot be one, or two OctoPrints cannot be told apart by it.
pub fn names(entries: &[OctoPrintEntry], file: &Path) -> Result<Vec<Option<String>>> {
    let place = file.display();
    let mut seen = BTreeMap::new();
    for OctoPrintEntry { name, url, .. } in entries {
        if name.as_ref().is_some_and(|name| !is_name(name)) {
            bail!(
                "{place}: the name of an [[octoprint]] is 1 to 64 lower-case letters, digits and '-', and not '{ALL}'; \
                 that of {url} is not"
            );
        }
        if let Some((other, other_name)) = seen.insert(name.as_deref().unwrap_or(UNNAMED), (url, name)) {
            let advised = match (name, other_name) {
                (Some(name), Some(_)) => {
                    let what = format!("{place}: two [[octoprint]] entries, {other} and {url}, are named '{name}'");
                    Advised::new(what, "rename one")
                }
                (None, None) => Advised::new(
                    format!("{place}: the [[octoprint]] entries of {other} and {url} have no name"),
                    "of several, each needs a name of its own, and only one may go without",
                ),
                _ => Advised::new(
                    format!("{place}: an [[octoprint]] without a name is called '{UNNAMED}', and so is another"),
                    "rename that",
                ),
            };
            return Err(advised.into());
        }
    }
    for (number, entry) in entries.iter().enumerate() {
        // Each would be counted twice.
        if entries[..number].iter().any(|other| other.url == entry.url) {
            let what = format!("{place}: two [[octoprint]] entries have the url {}", entry.url);
            return Err(Advised::new(what, "leave one").into());
        }
    }
    Ok(entries.iter().map(|entry| entry.name.clone()).collect())
}

/// The OctoPrints that the configuration names; `file` is where they stand.
///
/// # Errors
/// When it names none, or they cannot be told apart, or the key of one cannot be had; the message says
/// what to do.
pub fn targets(entries: &[OctoPrintEntry], home: &Path, file: &Path) -> Result<Vec<Target>> {
    if entries.is_empty() {
        bail!(
            "where do the events come from? Give --octoprint URL, or --events FILE, or put an [[octoprint]] entry with \
             its url into {}",
            file.display()
        );
    }
    let names = names(entries, file)?;
    entries.iter().zip(names).map(|(entry, name)| target(entry, name, home, file)).collect()
}

fn target(entry: &OctoPrintEntry, name: Option<String>, home: &Path, file: &Path) -> Result<Target> {
    let key = match (&entry.api_key, &entry.api_key_file) {
        (Some(_), Some(_)) => {
            let what = format!("{}: api_key and api_key_file are two places for one key", file.display());
            return Err(Advised::new(what, "leave one").into());
        }
        (Some(found), None) => {
            must_be_private(file, api_key::WHAT)?;
            found.clone()
        }
        (None, given) => ApiKey::find(given.as_ref().map(|given| home.join(given)).as_deref()).with_context(|| {
            let called = name.as_ref().map(|name| format!(" '{name}'")).unwrap_or_default();
            format!("the [[octoprint]] entry{called} of {}", file.display())
        })?,
    };
    Ok(Target { name, address: entry.url.clone(), key })
}
