//! `[[mqtt]]` in `glassbox.toml`: brokers to which OctoPrints publish. Connecting to them is up to the room `sources`.

use crate::home::{Home, secret_file};
use crate::net::{Address, Peer};
use anyhow::{Result, bail};
use glassbox_util::Advised;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// OctoPrint-MQTT's default base topic.
const BASE: &str = "octoPrint/";

/// The longest user name, password and topic, in bytes. MQTT allows more, but nobody uses that.
const LONGEST: usize = 1024;

/// An entry: a broker, and the OctoPrints that publish to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttEntry {
    /// The broker's URL.
    #[serde(deserialize_with = "address")]
    pub url: Address,
    /// The user name to log in with.
    pub user: Option<String>,
    /// The file with the password; where it is, [`Home::path`] says. A user may have none.
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
    /// User name, and password if there is one: some brokers take a token as the user's name. Never printed.
    pub login: Option<(String, Option<String>)>,
    /// The OctoPrints by name, with their base topics: prefixes, which need not end with a /.
    pub octoprints: Vec<(Option<String>, String)>,
}

impl MqttEntry {
    /// The OctoPrints by name, with their base topics.
    fn octoprints(&self) -> Vec<(Option<String>, String)> {
        match &self.octoprints {
            // As OctoPrint-MQTT itself puts them before its topics: as they are written.
            Some(named) => named.iter().map(|(name, base)| (Some(name.clone()), base.clone())).collect(),
            None => vec![(None, BASE.into())],
        }
    }

    /// The broker, with its password read. `home` is the home, `place` the configuration's file.
    fn broker(&self, home: &Home, place: &Path) -> Result<Broker> {
        let read = |file: &PathBuf| password(&home.path(file));
        let login = match (&self.user, &self.password_file) {
            (None, None) => None,
            (Some(user), _) if user.len() > LONGEST => {
                bail!("{}: the user of {} is too long", place.display(), self.url)
            }
            (Some(user), file) => Some((user.clone(), file.as_ref().map(read).transpose()?)),
            (None, Some(_)) => {
                let what =
                    format!("{}: the [[mqtt]] entry of {} has a password, but no user", place.display(), self.url);
                return Err(Advised::new(what, "add 'user', or leave password_file out").into());
            }
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
            let wrong = base.len() > LONGEST || base.contains(['+', '#', '\0']);
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

/// The brokers that the configuration names. `home` is the home, `file` where the entries were read.
///
/// # Errors
/// When one has a password without a user, or the password cannot be read; with advice.
pub fn brokers(entries: &[MqttEntry], home: &Home, file: &Path) -> Result<Vec<Broker>> {
    entries.iter().map(|entry| entry.broker(home, file)).collect()
}

fn password(file: &Path) -> Result<String> {
    let what = "the broker's password";
    let place = || format!("{what} in {}", file.display());
    let text = secret_file::read(file, what)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.len() > LONGEST {
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
        let two = entries("[[mqtt]]\nurl = \"mqtt://b\"\noctoprints = { mk4 = \"farm/mk4/\", mk3 = \"AuroraA4\" }");
        assert_eq!(names(&two, file).unwrap(), [Some("mk3".into()), Some("mk4".into())]);
        let bases: Vec<_> = two[0].octoprints().into_iter().map(|(_, base)| base).collect();
        assert_eq!(bases, ["AuroraA4", "farm/mk4/"], "as they are written");
        let least =
            entries("[[mqtt]]\nurl = \"mqtt://b\"\noctoprints = { a = \"\", b = \"/\", c = \"x\", d = \"x/\" }");
        assert_eq!(names(&least, file).unwrap().len(), 4);
        for base in ["a/+", "#", "$SYS/"] {
            let wrong = format!("[[mqtt]]\nurl = \"mqtt://b\"\noctoprints = {{ a = \"{base}\" }}");
            let error = names(&entries(&wrong), file).unwrap_err().to_string();
            assert!(error.contains("is not a base topic"), "{base}: {error}");
        }
        let same = "[[mqtt]]\nurl = \"mqtt://b\"\noctoprints = { a = \"x/\", b = \"x/\" }";
        assert!(names(&entries(same), file).unwrap_err().to_string().contains("a and b have the same base topic, x/"));
    }
    #[test]
    fn a_user_may_have_no_password_or_an_empty_one() {
        let home = std::env::temp_dir().join(format!("glassbox-mqtt-{}", std::process::id()));
        let (folder, place) = (home.as_path(), Path::new("glassbox.toml"));
        let login = |keys: &str| {
            let entries = entries(&format!("[[mqtt]]\nurl = \"mqtt://b\"\n{keys}"));
            brokers(&entries, &Home::at(folder), place).map(|mut brokers| brokers.remove(0).login)
        };
        std::fs::create_dir_all(folder).unwrap();
        for (name, password) in [
            ("empty", ""),
            ("line", "\n"),
            ("secret", "a b \r\n"),
            ("windows", "\u{feff}a b\r\n"),
            ("long", &"x".repeat(LONGEST + 1)),
        ] {
            let file = folder.join(name);
            std::fs::write(&file, password).unwrap();
            #[cfg(unix)]
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        let user = |password: Option<&str>| Some(("me".into(), password.map(Into::into)));
        assert_eq!(login("").unwrap(), None);
        assert_eq!(login("user = \"me\"").unwrap(), user(None));
        assert_eq!(login("user = \"me\"\npassword_file = \"empty\"").unwrap(), user(Some("")));
        assert_eq!(login("user = \"me\"\npassword_file = \"line\"").unwrap(), user(Some("")));
        assert_eq!(login("user = \"me\"\npassword_file = \"secret\"").unwrap(), user(Some("a b ")));
        assert_eq!(login("user = \"me\"\npassword_file = \"windows\"").unwrap(), user(Some("a b")));
        assert!(login("user = \"me\"\npassword_file = \"long\"").unwrap_err().to_string().contains("at most"));
        assert!(login("password_file = \"empty\"").unwrap_err().to_string().contains("but no user"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
