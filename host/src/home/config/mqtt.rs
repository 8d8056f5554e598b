//! `[[mqtt]]` in `glassbox.toml`.

use crate::net::{Address, Peer};
use anyhow::{Context, Result, bail};
use glassbox_util::Advised;
use glassbox_util::files::must_be_private;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The base topic of OctoPrint-MQTT as it comes.
const BASE: &str = "octoPrint/";

/// The longest user name, password and topic; MQTT allows more, nobody has it.
const LONGEST: usize = 1024;

/// A broker, and the OctoPrints that publish there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttEntry {
    /// Its URL.
    #[serde(deserialize_with = "address")]
    pub url: Address,
    /// Who we are there.
    pub user: Option<String>,
    /// Where the password is; without a / at the beginning, in the home.
    pub password_file: Option<PathBuf>,
    /// What each OctoPrint is called, and its base topic; without it one without a name, at the usual
    /// place.
    pub octoprints: Option<BTreeMap<String, String>>,
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    Address::parse(&String::deserialize(from)?, Peer::Broker).map_err(serde::de::Error::custom)
}

/// A broker to be listened to.
#[derive(Clone)]
pub struct Broker {
    /// Where it is.
    pub address: Address,
    /// Who we are there, and how we show it. Never printed.
    pub login: Option<(String, String)>,
    /// The OctoPrints, by name, and their base topics with a / at the end.
    pub octoprints: Vec<(Option<String>, String)>,
}

impl MqttEntry {
    /// The OctoPrints, by name, and their base topics.
    fn octoprints(&self) -> Vec<(Option<String>, String)> {
        let with_slash = |base: &str| if base.ends_with('/') { base.to_string() } else { format!("{base}/") };
        match &self.octoprints {
            Some(named) => named.iter().map(|(name, base)| (Some(name.clone()), with_slash(base))).collect(),
            None => vec![(None, BASE.into())],
        }
    }

    /// The broker, with its password read; `place` is where the entry stands.
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

/// The names of all OctoPrints at these brokers, in order; `file` is where the entries stand.
///
/// # Errors
/// When a base topic is none, or two OctoPrints publish in one place.
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
                let what = format!("{place}: '{base}' is not a base topic");
                let advice = format!("give what OctoPrint-MQTT's settings say, like {BASE}");
                return Err(Advised::new(what, advice).into());
            }
            if let Some(other) = bases.insert((entry.url.to_string(), base.clone()), name.clone()) {
                let called = |name: &Option<String>| name.clone().unwrap_or_else(|| "one without a name".into());
                let (one, two) = (called(&other), called(&name));
                let what = format!("{place}: {one} and {two} have one base topic, {base}");
                return Err(Advised::new(what, "give each its own in OctoPrint-MQTT's settings").into());
            }
            names.push(name);
        }
    }
    Ok(names)
}

/// The brokers of the configuration; `file` is where they stand.
///
/// # Errors
/// When one has a user and no password, or that cannot be read; the message says what to do.
pub fn brokers(entries: &[MqttEntry], home: &Path, file: &Path) -> Result<Vec<Broker>> {
    entries.iter().map(|entry| entry.broker(home, file)).collect()
}

fn password(file: &Path) -> Result<String> {
    let what = "the broker's password";
    must_be_private(file, what)?;
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(4096).read_to_string(&mut text))
        .with_context(|| format!("{what} in {}", file.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.len() > LONGEST {
        bail!("{what} in {}: it is one line of at most {LONGEST} bytes", file.display());
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
        assert!(names(&entries(same), file).unwrap_err().to_string().contains("a and b have one base topic, x/"));
    }
}
