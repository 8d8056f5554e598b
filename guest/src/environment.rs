//! What is known about the tracked OctoPrint: merged from `environment` events, completed
//! with the hardware probe, and reported in `startup` and `pong`.

use crate::capabilities::Machine;
use crate::fields::{self, Fields, NAME_CHARS, Payload};
use crate::saved::Reader;
use serde_json::Value;

/// The parts of the `environment` events so far; a later event replaces only the parts that it has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment(Payload);

/// The parts that an `environment` event may have.
const PARTS: [&str; 7] = ["octoprint", "python", "os", "hardware", "pi_support", "third_party_plugins", "achievements"];

/// As many achievements as the host shows.
const MOST_ACHIEVEMENTS: usize = 200;

impl Environment {
    /// As JSON, for the next instance.
    pub fn save(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// From what the last instance saved.
    pub fn restore(saved: &Reader) -> Self {
        let mut environment = Self::default();
        environment.merge(saved.object());
        environment
    }

    /// Take over the parts that the event has.
    pub fn merge(&mut self, payload: &Payload) {
        for part in PARTS {
            if let Some(value) = fields::known(payload, part) {
                self.0.insert(part.into(), value.clone());
            }
        }
    }

    fn get(&self, part: &str, key: &str) -> Option<&Value> {
        self.0.get(part)?.get(key)
    }

    /// OctoPrint's version, if it is safe in an HTTP header.
    fn version(&self) -> Option<&str> {
        let version = self.get("octoprint", "version")?.as_str()?;
        let fits = (1..=64).contains(&version.len())
            && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+_-".contains(&byte));
        fits.then_some(version)
    }

    /// The `User-Agent` of every report.
    pub fn user_agent(&self) -> String {
        format!("OctoPrint/{}", self.version().unwrap_or("unknown"))
    }

    /// The first two numbers of OctoPrint's version; 0 for one that is not a number.
    fn release(&self) -> Option<(u64, u64)> {
        let mut numbers = self.version()?.split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().unwrap_or(0)
        });
        Some((numbers.next()?, numbers.next().unwrap_or(0)))
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

    /// Whether OctoPrint itself watches the Raspberry Pi's throttling.
    pub fn reports_throttling(&self) -> bool {
        self.0.get("pi_support").is_some_and(Value::is_object)
    }

    /// The fields of `startup`; `pong` has them too. What OctoPrint has not said comes from the
    /// hardware probe.
    pub fn describe(&self, machine: &Machine) -> Fields<'_> {
        let text = |part, key| fields::bounded_text(self.get(part, key), NAME_CHARS);
        let count = |key| fields::count(self.get("hardware", key));
        let frequency = fields::frequency(self.get("hardware", "freq"));
        let own_frequency = || fields::frequency(machine.frequency_mhz.map(Value::from).as_ref());
        let mut out = Fields::default();
        out.put_known("version", self.version().map(Into::into))
            .put_known("os", text("os", "id").or_else(|| machine.os.clone()))
            .put_known("platform", text("os", "platform").or_else(|| machine.platform.clone()))
            .put_known("bits", fields::count(self.get("os", "bits")).or_else(|| to_text(machine.bits)))
            .put_known("python", text("python", "version"))
            .put_known("pip", text("python", "pip"))
            .put_known("cores", count("cores").or_else(|| to_text(machine.cores)))
            .put_known("freq", frequency.or_else(own_frequency))
            .put_known("ram", count("ram").or_else(|| to_text(machine.memory_bytes)))
            .put_known("pi_model", text("pi_support", "model").or_else(|| machine.pi_model.clone()))
            .put_known(
                "octopi_version",
                text("pi_support", "octopi_version").or_else(|| machine.octopi_version.clone()),
            )
            .put_known(
                "octopiuptodate_build",
                text("pi_support", "octopiuptodate_build").or_else(|| machine.octopiuptodate_build.clone()),
            );
        out
    }

    /// Third-party plugins as the host shows them: `key:version` in lower case, joined by commas. Empty
    /// text if there are no plugins, none if they are not known.
    pub fn plugins(&self) -> Option<String> {
        fields::bounded_text(self.0.get("third_party_plugins"), fields::PLUGINS_CHARS)
    }

    /// Achievements unlocked so far, oldest first, in lower case, joined by commas; none if they are
    /// not known.
    pub fn achievements(&self) -> Option<String> {
        fields::bounded_text(self.0.get("achievements"), fields::PLUGINS_CHARS)
    }

    /// Remember an achievement that was just unlocked.
    pub fn unlock(&mut self, key: &Value) {
        let Some(key) = fields::word(key) else { return };
        let (key, known) = (key.to_lowercase(), self.achievements().unwrap_or_default());
        let mut keys: Vec<_> = known.split(',').filter(|key| !key.is_empty()).collect();
        if !keys.contains(&&*key) && keys.len() < MOST_ACHIEVEMENTS {
            keys.push(&key);
            self.0.insert("achievements".into(), keys.join(",").into());
        }
    }
}

fn to_text(number: Option<impl ToString>) -> Option<String> {
    number.map(|number| number.to_string())
}
