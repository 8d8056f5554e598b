//! What is known about the tracked OctoPrint: merged from `environment` events, completed
//! with the hardware probe, and reported in `startup` and `pong`.

use crate::capabilities::Machine;
use crate::fields::{self, Fields, Fits, Payload, fitting};
use crate::python;
use serde_json::Value;

/// The parts of the `environment` events so far; a later event replaces only the parts that it has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment(Payload);

/// The parts that an `environment` event may have.
const PARTS: [&str; 7] = ["octoprint", "python", "os", "hardware", "pi_support", "third_party_plugins", "achievements"];

/// As many achievements as the host remembers.
const MOST_ACHIEVEMENTS: usize = 200;

/// As many bytes of them, with the commas.
const ACHIEVEMENTS_BYTES: usize = 8192;

impl Environment {
    /// Take over the parts that the event has.
    pub fn merge(&mut self, payload: &Payload) {
        for part in PARTS {
            if let Some(value) = fields::known(payload.get(part)) {
                self.0.insert(part.into(), value.clone());
            }
        }
    }

    fn get(&self, part: &str, key: &str) -> Option<&Value> {
        self.0.get(part)?.get(key)
    }

    /// OctoPrint's version, if it is safe in an HTTP header.
    fn version(&self) -> Option<String> {
        fitting(self.get("octoprint", "version"), fields::version)
    }

    /// The `User-Agent` of every report.
    pub fn user_agent(&self) -> String {
        format!("OctoPrint/{}", self.version().as_deref().unwrap_or("unknown"))
    }

    /// The first two numbers of OctoPrint's version; none where that says nothing: a
    /// checkout without tags calls itself `0+unknown`, and is as new as any.
    fn release(&self) -> Option<(u32, u32)> {
        let version = self.version()?;
        let mut numbers = version.split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().unwrap_or(0)
        });
        let release = (numbers.next()?, numbers.next().unwrap_or(0));
        (release >= (1, 0)).then_some(release)
    }

    /// Whether this OctoPrint has printer connectors, as 1.12 and later do. True for an unknown
    /// version: the reports then say less (no port, no baud rate).
    pub fn has_connectors(&self) -> bool {
        self.release().is_none_or(|release| release >= (1, 12))
    }

    /// The printer's state until OctoPrint reports one: 2.x has another word for it.
    pub fn offline_state(&self) -> &'static str {
        if self.release().is_some_and(|release| release >= (2, 0)) { "CLOSED" } else { "OFFLINE" }
    }

    /// The fields of `startup`; `pong` has them too. What OctoPrint has not said comes from the
    /// hardware probe.
    pub fn describe(&self, machine: Machine) -> Fields<'static> {
        let said = |part, key, fits: Fits| fitting(self.get(part, key), fits);
        let either = |part, key, own: Option<String>, fits: Fits| said(part, key, fits).or(own.filter(|own| fits(own)));
        let Machine { os, platform, bits, cores, frequency_mhz, memory_bytes, .. } = machine;
        let mut out = Fields::default();
        out.put_known("version", self.version())
            .put_known("os", either("os", "id", os, fields::name))
            .put_known("platform", either("os", "platform", platform, fields::name))
            .put_known("bits", either("os", "bits", to_text(bits), fields::count))
            .put_known("python", said("python", "version", fields::name))
            .put_known("pip", said("python", "pip", fields::name))
            .put_known("cores", either("hardware", "cores", to_text(cores), fields::count))
            .put_known("freq", either("hardware", "freq", frequency_mhz.and_then(python::float), fields::frequency))
            .put_known("ram", either("hardware", "ram", to_text(memory_bytes), fields::bytes))
            .put_known("pi_model", either("pi_support", "model", machine.pi_model, fields::name))
            .put_known("octopi_version", either("pi_support", "octopi_version", machine.octopi_version, fields::name))
            .put_known(
                "octopiuptodate_build",
                either("pi_support", "octopiuptodate_build", machine.octopiuptodate_build, fields::name),
            );
        out
    }

    /// Third-party plugins as the host shows them: `key:version` in lower case, joined by commas. Empty
    /// text if there are no plugins, none if they are not known.
    pub fn plugins(&self) -> Option<String> {
        fitting(self.0.get("third_party_plugins"), fields::plugins)
    }

    /// Achievements unlocked so far, oldest first, in lower case, joined by commas; none if they are
    /// not known.
    pub fn achievements(&self) -> Option<String> {
        fitting(self.0.get("achievements"), fields::plugins)
    }

    /// Remember an achievement that was just unlocked.
    pub fn unlock(&mut self, key: Option<&Value>) {
        let Some(key) = fitting(key, fields::word) else { return };
        let (key, known) = (key.to_lowercase(), self.achievements().unwrap_or_default());
        let mut keys: Vec<_> = known.split(',').filter(|key| !key.is_empty()).collect();
        let is_room = keys.len() < MOST_ACHIEVEMENTS && known.len() + 1 + key.len() < ACHIEVEMENTS_BYTES;
        if is_room && !keys.contains(&&*key) {
            keys.push(&key);
            self.0.insert("achievements".into(), keys.join(",").into());
        }
    }
}

fn to_text(number: Option<impl ToString>) -> Option<String> {
    number.map(|number| number.to_string())
}
