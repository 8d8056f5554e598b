//! Makes each report from the manifest's pins and what was heard, as the host does, to compare with what the tracker sends.
//! Written for the tests, independently of the host's code.
#![allow(dead_code)] // a test file may use only a part of it

use crate::common::{Heard, Sent, World};
use glassbox_tracker::Method;
use glassbox_tracker::python::text;
use regex::Regex;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use toml::{Table, Value};

/// What the manifest declares.
pub struct Manifest {
    /// Events and their payload fields.
    pub sees: Vec<(String, Vec<String>)>,
    /// Requests.
    pub says: Vec<Table>,
    agent: Table,
    patterns: HashMap<String, Regex>,
}

/// What a report is made of.
pub struct Known<'a> {
    /// The names of the reports that are due, or the event that is handled.
    pub cause: Result<&'a [&'a str], &'a str>,
    pub heard: &'a Heard,
    pub world: &'a World,
    pub settings: &'a Json,
}

impl Manifest {
    pub fn read() -> Self {
        let manifest: Table = toml::from_str(include_str!("../../tracker.toml")).unwrap();
        let sees =
            tables(&manifest["sees"]).into_iter().map(|event| (string(&event, "event"), names(&event["fields"])));
        let agent = manifest["capabilities"]["user_agent"].as_table().unwrap().clone();
        let (sees, says) = (sees.collect(), tables(&manifest["says"]));
        let mut all = Self { sees, says, agent, patterns: HashMap::new() };
        let fields = all.says.iter().flat_map(|request| tables(&request["fields"]));
        let variables = all.says.iter().filter_map(|request| request.get("variable")?.as_table().cloned());
        for rule in fields.chain(variables).chain([all.agent.clone()]) {
            if let Some(pattern) = rule.get("pattern").and_then(Value::as_str) {
                let whole = || Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap();
                all.patterns.entry(pattern.into()).or_insert_with(whole);
            }
        }
        all
    }

    /// Every report that the tracker may send now, as it must be if it sends it.
    pub fn made(&self, known: &Known) -> Vec<Sent> {
        let is_cause = |request: &&Table| {
            let on = strings(&request["on"]);
            match known.cause {
                Ok(due) => on.contains(&"tick".into()) && due.contains(&&*string(request, "request")),
                Err(event) => on.iter().any(|on| on == event),
            }
        };
        let says = self.says.iter().filter(is_cause).filter(|request| known.applies(request));
        says.filter_map(|request| self.make(request, known)).collect()
    }

    fn make(&self, request: &Table, known: &Known) -> Option<Sent> {
        let mut name = string(request, "request");
        if let Some(variable) = request.get("variable").and_then(Value::as_table) {
            let value = self.first(variable, known)??;
            name = name.split_once('{').unwrap().0.to_string() + &value;
        }
        let mut fields = Vec::new();
        for field in tables(&request["fields"]).iter().filter(|field| known.applies(field)) {
            let found = self.first(field, known);
            if field.contains_key("const") && found == Some(None) {
                return None;
            }
            match found.unwrap_or_else(|| field.get("unknown").map(|word| word.as_str().unwrap().into())) {
                // The same names, which live as long.
                Some(value) => fields.push((&*string(field, "name").leak(), value)),
                None if field.contains_key("optional") => {}
                None => return None,
            }
        }
        let version = self.first(&self.agent, known).flatten().unwrap_or_else(|| string(&self.agent, "unknown"));
        let method = if string(request, "method") == "POST" { Method::Post } else { Method::Get };
        Some(Sent { method, name, fields, user_agent: string(&self.agent, "text").replace("{}", &version) })
    }

    /// The first value that fits; `Some(None)` if there are some, and none fits.
    fn first(&self, field: &Table, known: &Known) -> Option<Option<String>> {
        let from = strings(&field["from"]);
        if field.contains_key("grows") {
            return Some(known.grown(&from[0]).filter(|text| self.fits(field, text)));
        }
        let values: Vec<_> = from.iter().map(|source| known.value(source)).filter(|value| !value.is_null()).collect();
        let fitting = values.iter().filter_map(text).find(|text| self.fits(field, text));
        (!values.is_empty()).then_some(fitting)
    }

    fn fits(&self, rule: &Table, value: &str) -> bool {
        rule.iter().all(|(name, wanted)| match name.as_str() {
            "const" => wanted.as_str() == Some(value),
            "enum" => strings(wanted).iter().any(|wanted| wanted == value),
            "pattern" => self.patterns[wanted.as_str().unwrap()].is_match(value),
            "max_length" => value.chars().count() <= usize::try_from(wanted.as_integer().unwrap()).unwrap(),
            "name" | "optional" | "switch" | "from" | "if" | "unknown" | "grows" | "octoprint" | "text" => true,
            other => panic!("unheard of: {other}"),
        })
    }
}

impl Known<'_> {
    /// Whether a request or a field is on, is one of this OctoPrint, and its condition is met.
    fn applies(&self, declared: &Table) -> bool {
        let word = |key| declared.get(key).and_then(Value::as_str);
        let is_on = word("switch").is_none_or(|switch| at(self.settings, switch).as_bool() != Some(false));
        let is_met = word("if").is_none_or(|_| [0, 1].iter().any(|n| self.throttling()[*n] == true));
        let is_for = word("octoprint").is_none_or(|versions| match versions.strip_prefix(">=") {
            Some(since) => self.release() >= release(since),
            None => self.release() < release(&versions[1..]),
        });
        is_on && is_met && is_for
    }

    fn release(&self) -> (u32, u32) {
        let version = self.value("environment.octoprint.version");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".+_-".contains(c);
        let version = text(&version).filter(|text| (1..=64).contains(&text.len()) && text.chars().all(is_plain));
        // `0+unknown` says nothing.
        version.map(|version| release(&version)).filter(|release| *release >= (1, 0)).unwrap_or((1, 12))
    }

    fn value(&self, source: &str) -> Json {
        let (of, name) = source.split_once('.').unwrap();
        let machine = || self.world.machine.borrow();
        match (of, name) {
            ("throttle", _) => {
                self.throttling()[["now", "past", "mask"].iter().position(|fact| *fact == name).unwrap()].clone()
            }
            ("hardware", "os") => json!(machine().os),
            ("hardware", "platform") => json!(machine().platform),
            ("hardware", "bits") => json!(machine().bits),
            ("hardware", "cores") => json!(machine().cores),
            ("hardware", "frequency-mhz") => json!(machine().frequency_mhz),
            ("hardware", "memory-bytes") => json!(machine().memory_bytes),
            ("hardware", "pi-model") => json!(machine().pi_model),
            ("hardware", "octopi-version") => json!(machine().octopi_version),
            ("hardware", "octopiuptodate-build") => json!(machine().octopiuptodate_build),
            _ => self.heard.get(of).map(|(payload, _)| at(payload, name)).unwrap_or_default(),
        }
    }

    /// Whether there is an issue now, whether there was one, and the mask; null if not all of it is known.
    fn throttling(&self) -> [Json; 3] {
        if let Some(mask) = self.world.throttle.get() {
            return [json!(mask & 0x7 != 0), json!(mask & 0x7_0000 != 0), json!(mask)];
        }
        let key = |key| self.value(&format!("plugin_pi_support_throttle_state.{key}"));
        let all = [key("current_issue"), key("past_issue"), key("raw_value")];
        let known =
            all[0].is_boolean() && all[1].is_boolean() && all[2].as_u64().is_some_and(|mask| mask < 10_000_000_000);
        if known { all } else { Default::default() }
    }

    /// Whole seconds since an event, beyond those that it said.
    #[allow(clippy::cast_possible_truncation)]
    fn grown(&self, source: &str) -> Option<String> {
        let (payload, heard_at) = self.heard.get(source.split_once('.').unwrap().0)?;
        let seconds = at(payload, source.split_once('.').unwrap().1).as_f64().filter(|seconds| *seconds > 0.0);
        let ms = (seconds.unwrap_or(0.0) * 1000.0).round() as i64;
        Some((ms.saturating_add(self.world.clock_ms.get() - heard_at) / 1000).to_string())
    }
}

/// The value at a dotted path.
fn at(value: &Json, path: &str) -> Json {
    path.split('.').try_fold(value, |value, key| value.get(key)).cloned().unwrap_or_default()
}

fn release(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    });
    (parts.next().unwrap(), parts.next().unwrap_or(0))
}

fn tables(value: &Value) -> Vec<Table> {
    value.as_array().unwrap().iter().map(|value| value.as_table().unwrap().clone()).collect()
}

fn string(table: &Table, key: &str) -> String {
    table[key].as_str().unwrap().into()
}

/// A text or a list of texts.
pub fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    list.iter().map(|value| value.as_str().unwrap().into()).collect()
}

/// The names of fields, which are given as a text or as a table.
fn names(value: &Value) -> Vec<String> {
    let name =
        |field: &Value| field.as_table().map_or_else(|| field.as_str().unwrap().into(), |table| string(table, "name"));
    value.as_array().unwrap().iter().map(name).collect()
}
