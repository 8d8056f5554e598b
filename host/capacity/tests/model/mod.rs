//! What a pinned report must be, written once more from the manifest's reference and as plainly as possible: a world, and
//! the request that is honest in it.

use glassbox_sandbox::capabilities::Machine;
use glassbox_sandbox::manifest::{Condition, Field, Manifest, Rule, Says, UserAgent, Versions};
use glassbox_sandbox::{Cause, Facts, Memory, Policy, Request, Settings};
use regex::Regex;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Milliseconds of the clock.
pub const NOW: i64 = 1_000_000;

/// What was heard, and what the machine is like.
pub struct World {
    /// By event: how many milliseconds ago, and its fields by their names in the manifest, as they entered.
    pub heard: BTreeMap<String, (i64, BTreeMap<String, Value>)>,
    pub machine: Machine,
    pub throttle: Option<u32>,
    /// The requests with `once` that may still be reported.
    pub once: Vec<String>,
}

impl Facts for World {
    fn machine(&self) -> Machine {
        self.machine.clone()
    }
    fn throttle(&self) -> Option<u32> {
        self.throttle
    }
}

impl World {
    /// Hear an event.
    pub fn hear(&mut self, policy: &Policy, settings: &Settings, event: &str, payload: &Value, age_ms: i64) {
        let entered = policy.enter(event, &payload.to_string(), "salt").unwrap().unwrap();
        // What only the host hears is not shown, and has no fields.
        let shown = policy.shown(event, &entered, &policy.doors(settings)).unwrap_or("null".into());
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let sees = policy.manifest().sees.iter().find(|sees| sees.event == event).unwrap();
        let value = |path: &str| path.split('.').try_fold(&shown, |value, key| value.get(key)).cloned();
        let fields = sees.fields.iter().filter_map(|field| Some((field.name.clone(), value(&field.name)?)));
        self.heard.insert(event.into(), (age_ms, fields.collect()));
    }

    /// The same as the host remembers it.
    pub fn memory(&self, manifest: &Manifest) -> Memory {
        let mut heard = Map::new();
        for (event, (age_ms, fields)) in &self.heard {
            let sees = manifest.sees.iter().find(|sees| sees.event == *event).unwrap();
            let key = |name: &String| sees.fields.iter().find(|field| field.name == *name).unwrap().to_string();
            let values: Map<_, _> = fields.iter().map(|(name, value)| (key(name), value.clone())).collect();
            heard.insert(event.clone(), json!({"age_ms": age_ms, "values": values}));
        }
        let once: Map<_, _> = self.once.iter().map(|name| (name.clone(), json!(0))).collect();
        Memory::restore(&json!({"heard": heard, "due": {"every_in_ms": {}, "once_in_ms": once}}), NOW, 0)
    }

    fn field(&self, event: &str, name: &str) -> Option<Value> {
        self.heard.get(event)?.1.get(name).filter(|value| !value.is_null()).cloned()
    }

    fn release(&self) -> (u32, u32) {
        let version = self.field("environment", "octoprint.version");
        let text = version.as_ref().and_then(Value::as_str).filter(|text| fits(r"[0-9A-Za-z.+_-]{1,64}", text));
        let Some(text) = text else { return (1, 12) };
        let leading = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
        let mut numbers = text.split('.').map(|part| leading(part).parse().unwrap_or(0));
        (numbers.next().unwrap(), numbers.next().unwrap_or(0))
    }

    fn is_of(&self, versions: Option<Versions>) -> bool {
        let Some(text) = versions.map(|versions| versions.to_string()) else { return true };
        let digits: Vec<u32> =
            text.trim_start_matches(['<', '>', '=']).split('.').map(|n| n.parse().unwrap()).collect();
        (self.release() >= (digits[0], digits[1])) == text.starts_with(">=")
    }

    /// Whether there is an issue now, whether there was one, and the mask.
    fn throttling(&self) -> Option<(bool, bool, u64)> {
        if let Some(mask) = self.throttle {
            return Some((mask & 0x7 > 0, mask & 0x7_0000 > 0, mask.into()));
        }
        let field = |name| self.field("plugin_pi_support_throttle_state", name);
        let mask = field("raw_value")?.as_u64().filter(|mask| *mask < 10_000_000_000)?;
        Some((field("current_issue")?.as_bool()?, field("past_issue")?.as_bool()?, mask))
    }

    fn source(&self, source: &str, says: &Says, occasion: &Cause) -> Option<Value> {
        let (of, name) = source.split_once('.').unwrap();
        match (of, name) {
            ("throttle", "now") => self.throttling().map(|(now, ..)| now.into()),
            ("throttle", "past") => self.throttling().map(|(_, past, _)| past.into()),
            ("throttle", _) => self.throttling().map(|(.., mask)| mask.into()),
            ("hardware", _) => {
                let Machine { os, platform, bits, cores, .. } = self.machine.clone();
                let Machine { frequency_mhz, memory_bytes, pi_model, octopi_version, .. } = self.machine.clone();
                let value = match name {
                    "os" => json!(os),
                    "platform" => json!(platform),
                    "bits" => json!(bits),
                    "cores" => json!(cores),
                    "frequency-mhz" => json!(frequency_mhz),
                    "memory-bytes" => json!(memory_bytes),
                    "pi-model" => json!(pi_model),
                    "octopi-version" => json!(octopi_version),
                    _ => json!(self.machine.octopiuptodate_build),
                };
                Some(value).filter(|value| !value.is_null())
            }
            _ => {
                let is_handled = matches!(occasion, Cause::Event(event) if event == of);
                if is_handled || !says.on.iter().any(|on| on == of) { self.field(of, name) } else { None }
            }
        }
    }

    /// The value of the first source that fits. `Err`: there is one, and it does not fit.
    fn first(&self, from: &[String], rule: &Rule, says: &Says, occasion: &Cause) -> Result<Option<String>, ()> {
        let values: Vec<_> = from.iter().filter_map(|source| self.source(source, says, occasion)).collect();
        let fitting = values.iter().map(text).find(|text| rule_fits(rule, text));
        if fitting.is_none() && !values.is_empty() { Err(()) } else { Ok(fitting) }
    }

    fn value(&self, field: &Field, says: &Says, occasion: &Cause, settings: &Settings) -> Result<Option<String>, ()> {
        if field.from.is_empty() {
            return Ok(Some(field.rule.constant.clone().expect("nothing is free")));
        }
        let is_throttled = || self.throttling().is_some_and(|(now, past, _)| now || past);
        let applies = self.is_of(field.octoprint)
            && field.switch.as_ref().is_none_or(|switch| settings.switch(switch))
            && field.condition.is_none_or(|Condition::ThrottleIssue| is_throttled());
        if !applies {
            return Ok(None);
        }
        if field.grows {
            let (event, name) = field.from[0].split_once('.').unwrap();
            let Some((age_ms, _)) = self.heard.get(event) else { return absent(field) };
            let then = self.field(event, name).and_then(|value| value.as_f64()).unwrap_or(0.0).max(0.0);
            #[allow(clippy::cast_possible_truncation)]
            let text = (((then * 1000.0).round() as i64 + age_ms) / 1000).to_string();
            return if rule_fits(&field.rule, &text) { Ok(Some(text)) } else { absent(field) };
        }
        match self.first(&field.from, &field.rule, says, occasion) {
            Ok(None) if field.unknown.is_some() => Ok(field.unknown.clone()),
            Ok(None) => absent(field),
            Ok(found) => Ok(found),
            Err(()) if field.rule.constant.is_some() => Err(()),
            Err(()) => absent(field),
        }
    }

    /// The only request of this entry that may pass; none if there is none.
    pub fn honest(&self, says: &Says, manifest: &Manifest, occasion: &Cause, settings: &Settings) -> Option<Request> {
        let is_occasion = match occasion {
            Cause::Event(event) => says.on.contains(event),
            Cause::Tick(due) => says.on.iter().any(|on| on == "tick") && due.contains(&says.request),
        };
        let is_on = says.switch.as_ref().is_none_or(|switch| settings.switch(switch));
        let waits = says.once.is_none() || self.once.contains(&says.request);
        if !is_occasion || !is_on || !waits || !self.is_of(says.octoprint) {
            return None;
        }
        let mut name = says.request.clone();
        if let Some(variable) = &says.variable {
            let value = self.first(&variable.from, &variable.rule, says, occasion).ok()??;
            name = name.replace("{reason}", &value);
        }
        let mut fields = Vec::new();
        for field in &says.fields {
            let value = self.value(field, says, occasion, settings).ok()?;
            fields.extend(value.map(|value| (field.name.clone(), value)));
        }
        let UserAgent::Pinned(agent) = &manifest.capabilities.user_agent else { panic!("it is pinned") };
        let version = self.field("environment", "octoprint.version").map(|version| text(&version));
        let version = version.filter(|version| fits(&agent.pattern, version)).unwrap_or(agent.unknown.clone());
        Some(Request { method: says.method, name, fields, user_agent: agent.text.replace("{}", &version) })
    }
}

/// A field that is left out, which it may be if it is optional.
fn absent(field: &Field) -> Result<Option<String>, ()> {
    if field.optional { Ok(None) } else { Err(()) }
}

/// As Python prints it, for such values as the test makes.
pub fn text(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn rule_fits(rule: &Rule, text: &str) -> bool {
    rule.constant.as_ref().is_none_or(|constant| constant == text)
        && rule.one_of.as_ref().is_none_or(|values| values.iter().any(|value| value == text))
        && rule.pattern.as_ref().is_none_or(|pattern| fits(pattern, text))
        && text.chars().count() <= rule.max_length.unwrap_or(256)
}

fn fits(pattern: &str, text: &str) -> bool {
    Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap().is_match(text)
}
