//! `[[mqtt]]` in `glassbox.toml`.

use super::BASE;
use crate::octoprint::key::only_ours;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use ureq::http::Uri;

/// The longest user name, password and topic; MQTT allows more, nobody has it.
const LONGEST: usize = 1024;

/// A broker, and the OctoPrints that publish there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
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

/// Where a broker is.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// As it was given.
    url: String,
    /// The host's name or number.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether it is spoken to over TLS.
    pub is_tls: bool,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    Address::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

impl Address {
    /// Take a URL as people write it.
    ///
    /// # Errors
    /// When it is no URL of a broker; the message says how one looks.
    pub fn parse(url: &str) -> Result<Self> {
        const LIKE: &str = "give one like mqtt://broker.local or mqtts://broker.local:8883";
        let url = url.trim().trim_end_matches('/');
        // The URL may hold a password: no message repeats it before this was looked at.
        if url.contains('@') {
            bail!("a broker's URL has no name or password in it; {LIKE}, and user and password_file apart from it");
        }
        let Ok(uri) = url.parse::<Uri>() else { bail!("'{url}' is no URL; {LIKE}") };
        let (is_tls, usual) = match uri.scheme_str() {
            Some("mqtt") => (false, 1883),
            Some("mqtts") => (true, 8883),
            _ => bail!("'{url}' does not begin with mqtt:// or mqtts://; {LIKE}"),
        };
        let host = uri.host().unwrap_or_default();
        // What `Uri` passes over would be missed: a path, a port that is none.
        let written = [host.to_string(), format!("{host}:{}", uri.port_u16().unwrap_or(usual))];
        if host.is_empty() || !written.iter().any(|written| url.ends_with(&format!("://{written}"))) {
            bail!("'{url}' is more, or less, than a host and a port; {LIKE}");
        }
        let port = uri.port_u16().unwrap_or(usual);
        Ok(Self { url: url.into(), host: host.trim_matches(['[', ']']).into(), port, is_tls })
    }
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

impl Entry {
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
pub fn names(entries: &[Entry], file: &Path) -> Result<Vec<Option<String>>> {
    let place = file.display();
    let mut names = Vec::new();
    let mut bases = BTreeMap::new();
    for entry in entries {
        if entry.octoprints().is_empty() {
            bail!(
                "{place}: the [[mqtt]] entry of {} names no OctoPrint; leave 'octoprints' out for one at {BASE}",
                entry.url
            );
        }
        for (name, base) in entry.octoprints() {
            let wrong = base.len() > LONGEST || base == "/" || base.contains(['+', '#', '\0']);
            if wrong || base.starts_with('$') {
                bail!("{place}: '{base}' is no base topic; give what OctoPrint-MQTT's settings say, like {BASE}");
            }
            if let Some(other) = bases.insert((entry.url.to_string(), base.clone()), name.clone()) {
                let called = |name: &Option<String>| name.clone().unwrap_or_else(|| "one without a name".into());
                let (one, two) = (called(&other), called(&name));
                bail!(
                    "{place}: {one} and {two} have one base topic, {base}; give each its own in OctoPrint-MQTT's settings"
                );
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
pub fn brokers(entries: &[Entry], home: &Path, file: &Path) -> Result<Vec<Broker>> {
    entries.iter().map(|entry| entry.broker(home, file)).collect()
}

fn password(file: &Path) -> Result<String> {
    let what = "the broker's password";
    only_ours(file, what)?;
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

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        for (url, host, port, is_tls) in [
            ("mqtt://broker.local", "broker.local", 1883, false),
            ("mqtts://broker.local/", "broker.local", 8883, true),
            (" mqtt://[::1]:2883 ", "::1", 2883, false),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!((address.host.as_str(), address.port, address.is_tls), (host, port, is_tls), "{url}");
        }
        for url in ["", "broker", "http://b", "mqtt://", "mqtt://b/topic", "mqtt://b?x", "mqtt://b:port", "mqtt://b:"] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains("give one like mqtt://broker.local"), "{url}: {error}");
        }
        let error = Address::parse("mqtt://me:secret@b").unwrap_err().to_string();
        assert!(!error.contains("secret") && error.contains("no name or password"), "{error}");
    }

    fn entries(text: &str) -> Vec<Entry> {
        #[derive(Deserialize)]
        struct Config {
            mqtt: Vec<Entry>,
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
            assert!(error.contains("is no base topic"), "{base}: {error}");
        }
        let same = "[[mqtt]]\nurl = \"mqtt://b\"\noctoprints = { a = \"x\", b = \"x/\" }";
        assert!(names(&entries(same), file).unwrap_err().to_string().contains("a and b have one base topic, x/"));
    }
}
