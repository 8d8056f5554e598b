//! `[[octoprint]]` in `glassbox.toml`: the OctoPrints to follow. Connecting to them is up to the room `sources`.

use super::UNNAMED;
use crate::home::api_key::{self, ApiKey};
use crate::home::{Home, secret_file};
use crate::net::{Address, Login, Peer};
use anyhow::{Context, Result, bail};
use glassbox_sandbox::manifest;
use glassbox_util::Advised;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name that stands for all OctoPrints, in options like `--octoprint`.
pub const ALL: &str = "all";

/// An entry: one OctoPrint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OctoPrintEntry {
    /// Its name, which is also that of the folder with its settings and states; without a name there is no such folder.
    pub name: Option<String>,
    /// Its URL.
    #[serde(deserialize_with = "address")]
    pub url: Address,
    /// The file with its API key; where it is, [`Home::path`] says.
    pub api_key_file: Option<PathBuf>,
    /// The API key itself.
    #[serde(default, deserialize_with = "secret")]
    pub api_key: Option<ApiKey>,
    /// The user name that a proxy before it asks for.
    pub user: Option<String>,
    /// The file with the password to that, relative to the home.
    pub password_file: Option<PathBuf>,
}

/// An OctoPrint to connect to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its address, with what a proxy before it asks for.
    pub address: Address,
    /// The API key.
    pub key: ApiKey,
}

impl Target {
    /// What it is called in the log, and in the names of files: its name, or [`UNNAMED`].
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(UNNAMED)
    }
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    Address::parse(&String::deserialize(from)?, Peer::OctoPrint).map_err(serde::de::Error::custom)
}

/// Parsed by hand, as Serde's message for a value that is not a text would repeat it.
fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ApiKey>, D::Error> {
    let toml::Value::String(text) = toml::Value::deserialize(from)? else {
        return Err(serde::de::Error::custom("api_key is a text, in quotes"));
    };
    ApiKey::parse(&text).map(Some).map_err(|error| serde::de::Error::custom(format!("api_key: {error}")))
}

/// Whether this is a valid name of an OctoPrint.
pub fn is_name(name: &str) -> bool {
    manifest::is_name(name) && name != ALL
}

/// The names of the OctoPrints of these entries, in order; none for one without. `file` is where the entries were read,
/// for messages.
///
/// # Errors
/// When a name is not valid, two OctoPrints have the same name or URL, or more than one has no name; with advice.
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
            match (name, other_name) {
                (Some(name), Some(_)) => {
                    let what = format!("{place}: two [[octoprint]] entries, {other} and {url}, are named '{name}'");
                    return Err(Advised::new(what, "rename one").into());
                }
                (None, None) => {
                    let what = format!("{place}: the [[octoprint]] entries of {other} and {url} have no name");
                    let advice = "of several, each needs a name of its own, and only one may go without";
                    return Err(Advised::new(what, advice).into());
                }
                _ => {
                    let what =
                        format!("{place}: an [[octoprint]] without a name is called '{UNNAMED}', and so is another");
                    return Err(Advised::new(what, "rename that").into());
                }
            }
        }
    }
    for (number, entry) in entries.iter().enumerate() {
        // All of its reports would be sent twice.
        if entries[..number].iter().any(|other| other.url.to_string() == entry.url.to_string()) {
            let what = format!("{place}: two [[octoprint]] entries have the url {}", entry.url);
            return Err(Advised::new(what, "remove one").into());
        }
    }
    Ok(entries.iter().map(|entry| entry.name.clone()).collect())
}

/// The OctoPrints of these entries, with their keys read. `home` is the home, `file` where the entries were read.
///
/// # Errors
/// When there is none, two cannot be told apart, or a key cannot be read; with advice.
pub fn targets(entries: &[OctoPrintEntry], home: &Home, file: &Path) -> Result<Vec<Target>> {
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

fn target(entry: &OctoPrintEntry, name: Option<String>, home: &Home, file: &Path) -> Result<Target> {
    let key = match (&entry.api_key, &entry.api_key_file) {
        (Some(_), Some(_)) => {
            let what = format!("{}: api_key and api_key_file are two places for one key", file.display());
            return Err(Advised::new(what, "remove one").into());
        }
        (Some(found), None) => {
            api_key::must_be_private(file)?;
            found.clone()
        }
        (None, given) => ApiKey::find(given.as_ref().map(|given| home.path(given)).as_deref()).with_context(|| {
            let called = name.as_ref().map(|name| format!(" '{name}'")).unwrap_or_default();
            format!("the [[octoprint]] entry{called} of {}", file.display())
        })?,
    };
    let address = with_login(entry, home, file)?;
    Ok(Target { name, address, key })
}

/// The address of an entry, with what a proxy before it asks for: from the URL, or from the file that it names.
fn with_login(entry: &OctoPrintEntry, home: &Home, file: &Path) -> Result<Address> {
    let (place, url) = (file.display(), &entry.url);
    let (user, password_file) = match (&entry.user, &entry.password_file) {
        (None, None) => {
            if url.login().is_some() {
                secret_file::check(file, "the password in a url")?;
            }
            return Ok(url.clone());
        }
        (Some(user), Some(password_file)) => (user, home.path(password_file)),
        _ => bail!("{place}: the [[octoprint]] entry of {url} needs user and password_file, or neither"),
    };
    if url.login().is_some() {
        let what = format!("{place}: the [[octoprint]] entry of {url} has a user name and password in two places");
        return Err(Advised::new(what, "remove those in its url, or user and password_file").into());
    }
    let what = "the password of OctoPrint's proxy";
    let password = secret_file::read(&password_file, what)?;
    // Editors end a file with a line.
    let login = Login::new(user, password.trim_end_matches(['\r', '\n'])).with_context(|| {
        format!("{what} in {}: a user name has no colon in it, and a password is one line", password_file.display())
    })?;
    Ok(url.clone().with_login(login))
}
