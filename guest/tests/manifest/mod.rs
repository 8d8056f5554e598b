//! Checks requests against the manifest. Written for the tests, independently of the host's check.

use crate::common::Sent;
use glassbox_tracker::Method;
use regex::Regex;
use std::collections::HashMap;
use toml::{Table, Value};

/// What the manifest declares.
pub struct Manifest {
    /// Events and their payload fields.
    pub sees: Vec<(String, Vec<String>)>,
    /// Requests.
    says: Vec<Table>,
    user_agent: String,
    patterns: HashMap<String, Regex>,
    python_float: Regex,
}

impl Manifest {
    pub fn read() -> Self {
        let manifest: Table = toml::from_str(include_str!("../../tracker.toml")).unwrap();
        let sees = tables(&manifest["sees"]).into_iter().map(|event| (text(&event, "event"), names(&event["fields"])));
        let says = tables(&manifest["says"]);
        let user_agent = text(manifest["capabilities"].as_table().unwrap(), "user_agent");
        let mut patterns = HashMap::from([(user_agent.clone(), whole(&user_agent))]);
        for request in &says {
            let variable = request.get("variable").and_then(Value::as_table);
            for declared in tables(&request["fields"]).iter().chain(variable) {
                if let Some(pattern) = declared.get("pattern").and_then(Value::as_str) {
                    patterns.entry(pattern.into()).or_insert_with(|| whole(pattern));
                }
            }
        }
        let python_float = whole(r"-?([0-9]+\.[0-9]+|[0-9](\.[0-9]+)?e(\+[1-9][0-9]|-0[5-9]|-[1-9][0-9]{1,2}))");
        Self { sees: sees.collect(), says, user_agent, patterns, python_float }
    }

    pub fn is_python_float(&self, text: &str) -> bool {
        self.python_float.is_match(text)
    }

    /// Whether the request is declared, with these fields in this order, each at most once.
    pub fn check(&self, request: &Sent) -> Result<(), String> {
        let declared = self.says.iter().find(|declared| self.is_named(declared, &request.name));
        let declared = declared.ok_or("the request is not declared")?;
        let method = if request.method == Method::Post { "POST" } else { "GET" };
        expect(text(declared, "method") == method, "the method")?;
        expect(self.patterns[&self.user_agent].is_match(&request.user_agent), "the user agent")?;
        let mut sent = request.fields.iter().peekable();
        for field in tables(&declared["fields"]) {
            let name = text(&field, "name");
            match sent.next_if(|(sent, _)| *sent == name) {
                Some((_, value)) => expect(self.fits(&field, value), &name)?,
                None => expect(field.get("optional").is_some_and(|optional| optional.as_bool() == Some(true)), &name)?,
            }
        }
        expect(sent.next().is_none(), "a field that is not declared here")
    }

    fn is_named(&self, declared: &Table, name: &str) -> bool {
        let template = text(declared, "request");
        let Some((before, _)) = template.split_once('{') else { return template == name };
        let variable = declared["variable"].as_table().unwrap();
        name.strip_prefix(before).is_some_and(|value| self.fits(variable, value))
    }

    fn fits(&self, declared: &Table, value: &str) -> bool {
        declared.iter().all(|(rule, wanted)| match rule.as_str() {
            "const" => wanted.as_str() == Some(value),
            "enum" => texts(wanted).iter().any(|wanted| wanted == value),
            "pattern" => self.patterns[wanted.as_str().unwrap()].is_match(value),
            "max_length" => value.chars().count() <= usize::try_from(wanted.as_integer().unwrap()).unwrap(),
            "name" | "optional" | "switch" => true,
            other => panic!("unheard of: {other}"),
        })
    }
}

fn whole(pattern: &str) -> Regex {
    Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap()
}

fn expect(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.into()) }
}

fn tables(value: &Value) -> Vec<Table> {
    value.as_array().unwrap().iter().map(|value| value.as_table().unwrap().clone()).collect()
}

fn text(table: &Table, key: &str) -> String {
    table[key].as_str().unwrap().into()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|value| value.as_str().unwrap().into()).collect()
}

/// The names of fields, which are given as a text or as a table.
fn names(value: &Value) -> Vec<String> {
    let name =
        |field: &Value| field.as_table().map_or_else(|| field.as_str().unwrap().into(), |table| text(table, "name"));
    value.as_array().unwrap().iter().map(name).collect()
}
