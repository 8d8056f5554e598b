//! `[[mqtt]]` in `glassbox.toml`: brokers to which OctoPrints publish. Connecting to them is up to the room `sources`.

use crate::net::{Address, Peer};
use anyhow::{Context, Result, bail};
use glassbox_util::Advised;
use glassbox_util::files::{must_be_private, read_bounded};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// OctoPrint-MQTT's default base topic.
const BASE: &str = "octoPrint/";

/// The longest user name, password and topic, in bytes. MQTT allows more, but nobody uses that.
const LONGEST: usize = 1024;
/// The largest file with a password, in bytes.
const LARGEST_FILE: usize = 4096;

/// An entry: a broker, and the OctoPrints that publish to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttEntry {
    /// The broker's URL.
    #[serde(deserialize_with = "address")]
    pub url: Address,
    /// The user name to log in with.
    pub user: Option<String>,
    /// The file with the password, relative to the home.
    pub password_file: Option<PathBuf>,
    /// Each OctoPrint's name with its base topic; if absent, one OctoPrint without a name, at the default topic.
    pub octoprints: Option<BTreeMap<String, String>>,
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    Address::parse(&String::deserialize(from)?, Peer::Broker).map_err(serde::de::Error::custom)
}

/// A broker to connect to.
#[derive(Clone)]
pub struct Broker {
    /// Its address.
    pub address: Address,
    /// User name and password. Never printed.
    pub login: Option<(String, String)>,
    /// The OctoPrints by name, with their base topics, each of which ends with a /.
    pub octoprints: Vec<(Option<String>, String)>,
}

impl MqttEntry {
    /// The OctoPrints by name, with their base topics.
    fn octoprints(&self) -> Vec<(Option<String>, String)> {
        let with_slash = |base: &str| if base.ends_with('/') { base.to_string() } else { format!("{base}/") };
        match &self.octoprints {
            Some(named) => named.iter().map(|(name, base)| (Some(name.clone()), with_slash(base))).collect(),
            None => vec![(None, BASE.into())],
        }
    }

    /// The broker, with its password read. `home` is the home folder, `place` the configuration's file.
    fn broker(&self, home: &Path, place: &Path) -> Result<Broker> {
        let login = match (&self.user, &self.password_file) {
            (None, None) => None,
            (Some(user), Some(file)) if user.len() <= LONGEST => Some((user.clone(), password(&home.join(file))?)),
            (Some(_), Some(_)) => bail!("{}: the user of {} is too long", place.display(), self.url),
            _ => bail!(
                "{}: the [[mqtt]] entry of {} needs user and password_file, or neither",
                place.display(),
                self.url
            ),
        };
        Ok(Broker { address: self.url.clone(), login, octoprints: self.octoprints() })
    }
}

/// The names of all OctoPrints at these brokers, in order. `file` is where the entries were read, for messages.
///
/// # Errors
/// When a base topic is not valid, or two OctoPrints have the same one; with advice.
pub fn names(entries: &[MqttEntry], file: &Path) -> Result<Vec<Option<String>>> {
    let place = file.display();
    let mut names = Vec::new();
    let mut bases = BTreeMap::new();
    for entry in entries {
        if entry.octoprints().is_empty() {
            let what = format!("{place}: the [[mqtt]] entry of {} names no OctoPrint", entry.url);
            return Err(Advised::new(what, format!("leave 'octoprints' out for one at {BASE}")).into());
        }
        for (name, base) in entry.octoprints() {
            let wrong = base.len() > LONGEST || base == "/" || base.contains(['+', '#', '\0']);
            if wrong || base.starts_with('$') {
                let advice = format!("give what OctoPrint-MQTT's settings say, like {BASE}");
                return Err(Advised::new(format!("{place}: '{base}' is not a base topic"), advice).into());
            }
            if let Some(other) = bases.insert((entry.url.to_string(), base.clone()), name.clone()) {
                let called = |name: &Option<String>| name.clone().unwrap_or_else(|| "one without a name".into());
                let (one, two) = (called(&other), called(&name));
                let what = format!("{place}: {one} and {two} have the same base topic, {base}");
                return Err(Advised::new(what, "give each its own in OctoPrint-MQTT's settings").into());
            }
            names.push(name);
        }
    }
    Ok(names)
}

/// The brokers that the configuration names. `home` is the home folder, `file` where the entries were read.
///
/// # Errors
/// When one has a user without a password or the reverse, or the password cannot be read; with advice.
pub fn brokers(entries: &[MqttEntry], home: &Path, file: &Path) -> Result<Vec<Broker>> {
    entries.iter().map(|entry| entry.broker(home, file)).collect()
}

fn password(file: &Path) -> Result<String> {
    let what = "the broker's password";
    must_be_private(file, what)?;
    let place = || format!("{what} in {}", file.display());
    let text = String::from_utf8(read_bounded(file, LARGEST_FILE).with_context(place)?).with_context(place)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.len() > LONGEST {
        bail!("{}: a password is one line of at most {LONGEST} bytes", place());
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<MqttEntry> {
        #[derive(Deserialize)]
        struct Config {
            mqtt: Vec<MqttEntry>,
        }
        toml::from_str::<Config>(text).unwrap().mqtt
    }

    #[test]
    fn octoprints_are_told_apart_by_their_base_topics() {
        let file = Path::new("glassbox.toml");
        let one = entries("[[mqtt]]\nurl = \"mqtt://b\"");
        assert_eq!(names(&one, file).unwrap(), [None]);
        assert_eq!(one[0].octoprints(), [(None, "octoPrint/".into())]);
        let two = entries("[[mqtt]]\nurl = \"mqtt://b\"\noctoprints = { mk4 = \"farm/mk4\", mk3 = \"octoPrint/\" }");
        assert_eq!(names(&two, file).unwrap(), [Some("mk3".into()), Some("mk4".into())]);
        assert_eq!(two[0].octoprints()[1].1, "farm/mk4/");
        for base in ["", "a/+", "#", "$SYS/"] {
            let wrong = format!("[[mqtt]]\nurl = \"mqtt://b\"\noctoprints = {{ a = \"{base}\" }}");
            let error = names(&entries(&wrong), file).unwrap_err().to_string();
            assert!(error.contains("is not a base topic"), "{base}: {error}");
        }
        let same = "[[mqtt]]\nurl = \"mqtt://b\"\noctoprints = { a = \"x\", b = \"x/\" }";
        assert!(names(&entries(same), file).unwrap_err().to_string().contains("a and b have the same base topic, x/"));
    }
}
