//! The configuration: a TOML file of which every key has a default. `collector.toml` beside this crate is the reference, with
//! the reason for each.

use crate::address::Network;
use anyhow::{Context, Result};
use glassbox_util::{Advised, files};
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Every key with its default and the reason for it.
pub const REFERENCE: &str = include_str!("../collector.toml");

/// A configuration is written by people; no sensible one is larger.
const LONGEST: usize = 1 << 20;

/// Each connection takes a file descriptor and some KB.
const MOST_CONNECTIONS: usize = 1_000_000;

/// A hundred years.
const MOST_DAYS: usize = 36_500;

/// The configuration. What each key is for is said in [`REFERENCE`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // each has its reason in the reference
pub struct Config {
    pub listen: Listen,
    pub data: PathBuf,
    pub geo_database: Option<PathBuf>,
    pub coordinates: bool,
    pub trusted_proxies: Vec<Network>,
    pub address_header: Option<String>,
    pub time_zone: Zone,
    pub retention_days: u32,
    pub k_threshold: u64,
    pub exclude_plugins: Vec<String>,
    pub manifest: Option<PathBuf>,
    pub connections: usize,
    pub metrics_listen: Option<Listen>,
    pub responsible: String,
    pub contact: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::Tcp(([127, 0, 0, 1], 8585).into()),
            data: "collector-data".into(),
            geo_database: None,
            coordinates: false,
            trusted_proxies: Vec::new(),
            address_header: None,
            time_zone: Zone(TimeZone::UTC),
            retention_days: 60,
            k_threshold: 10,
            exclude_plugins: Vec::new(),
            manifest: None,
            connections: 12_000,
            metrics_listen: None,
            responsible: String::new(),
            contact: String::new(),
        }
    }
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// An address and a port, which is free to choose if it is 0.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("unix: needs the path of a socket".into()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text
                .parse()
                .map(Self::Tcp)
                .map_err(|_| format!("{text:?} is neither an address with a port nor unix:PATH")),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A time zone by its IANA name. Never that of the environment, so that exports do not depend on who runs it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Zone(pub TimeZone);

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        TimeZone::get(&name)
            .map(Self)
            .map_err(|_| format!("there is no time zone {name:?}, as \"Europe/Berlin\" is one"))
    }
}

impl Config {
    /// Of a file's text.
    ///
    /// # Errors
    /// When it is not TOML, has a key that there is not, or a value that cannot be used. Without the file's name.
    pub fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse().map_err(|error| unusable(&error))?;
        let known = keys();
        if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
            let nearest = known.iter().min_by_key(|one| distance(one, key)).filter(|one| distance(one, key) <= 3);
            let advice = match nearest {
                Some(near) => format!("did you mean {near}?"),
                None => "run 'glassbox-collector config' to see all keys".into(),
            };
            return Err(Advised::new(format!("there is no key {key:?}"), advice).into());
        }
        let config: Self = toml::from_str(text).map_err(|error| unusable(&error))?;
        let within = [
            ("connections", config.connections, 1, MOST_CONNECTIONS),
            ("retention_days", config.retention_days as usize, 0, MOST_DAYS),
        ];
        if let Some((key, _, least, most)) = within.into_iter().find(|(_, n, least, most)| n < least || n > most) {
            return Err(Advised::new(format!("{key} is out of range"), format!("give it {least} to {most}")).into());
        }
        if config.data.as_os_str().is_empty() {
            return Err(Advised::new("data is empty", "name the folder of the store").into());
        }
        if let Some(header) = &config.address_header
            && hyper::header::HeaderName::from_bytes(header.as_bytes()).is_err()
        {
            let advice = "write a header's name, such as X-Forwarded-For";
            return Err(Advised::new(format!("address_header: {header:?} cannot be a header"), advice).into());
        }
        Ok(config)
    }

    /// Read a file; without one, the defaults. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// When it cannot be read or used; the message names it.
    pub fn read(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else { return Ok(Self::default()) };
        let bytes = files::read_bounded(file, LONGEST).with_context(|| format!("reading {}", file.display()))?;
        let text = String::from_utf8(bytes).with_context(|| format!("reading {}", file.display()))?;
        let mut config = Self::parse(&text).with_context(|| file.display().to_string())?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let sockets = [Some(&mut config.listen), config.metrics_listen.as_mut()].into_iter().flatten();
        let sockets = sockets.filter_map(|listen| if let Listen::Unix(path) = listen { Some(path) } else { None });
        let paths = [Some(&mut config.data), config.geo_database.as_mut(), config.manifest.as_mut()];
        for path in paths.into_iter().flatten().chain(sockets) {
            *path = folder.join(&*path);
        }
        Ok(config)
    }
}

fn unusable(error: &toml::de::Error) -> Advised {
    Advised::new(error.to_string().trim_end(), "run 'glassbox-collector config' to see all keys and what they take")
}

/// All keys, as the reference has them.
fn keys() -> Vec<&'static str> {
    let lines = REFERENCE.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let keys = lines.filter_map(|line| line.split_once(" = ")).map(|(key, _)| key);
    keys.filter(|key| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).collect()
}

/// How many letters must be added, left out or exchanged to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<_> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let here = row[j + 1];
            row[j + 1] = (before + usize::from(a != b)).min(here + 1).min(row[j] + 1);
            before = here;
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_true_and_complete() {
        assert_eq!(Config::parse(REFERENCE).unwrap(), Config::default());
        // Serde's list of what it expects is that of the fields.
        let error = toml::from_str::<Config>("nonsense = 1").unwrap_err().to_string();
        for key in keys() {
            assert!(error.contains(&format!("`{key}`")), "{key}: {error}");
        }
        assert_eq!(error.matches('`').count() / 2 - 1, keys().len(), "{error}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_a_hint() {
        let wrong = |text| Config::parse(text).unwrap_err().to_string();
        assert_eq!(wrong("retention_day = 3"), "there is no key \"retention_day\"; did you mean retention_days?");
        assert!(wrong("elastic = 1").contains("run 'glassbox-collector config'"));
        for text in [
            "listen = \"nowhere\"",
            "time_zone = \"Mars/Base\"",
            "trusted_proxies = [\"10.0.0.0/40\"]",
            "retention_days = -1",
            "address_header = \"a b\"",
            "listen = ",
            "connections = 0",
            "connections = 9223372036854775807",
            "retention_days = 10000000",
            "data = \"\"",
        ] {
            assert!(wrong(text).contains("; "), "{text}: {}", wrong(text));
        }
        let good =
            "listen = \"unix:/run/c\"\ntime_zone = \"Europe/Berlin\"\ntrusted_proxies = [\"::1\", \"10.0.0.0/8\"]";
        assert_eq!(Config::parse(good).unwrap().listen, Listen::Unix("/run/c".into()));
    }
}
