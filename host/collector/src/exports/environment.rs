//! Environments, which reports name by a number: what of each is counted.

use super::tally::Words;
use anyhow::Result;
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A field that is counted, by the key of the file in which it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Python,
    Cores,
    Memory,
    Frequency,
    Os,
    Bits,
    Model,
    OctoPi,
    UpToDate,
    Browser,
    BrowserVersion,
    ClientOs,
    Firmware,
}

const FIELDS: [(Field, &str); 12] = [
    (Field::Python, "python"),
    (Field::Cores, "cores"),
    (Field::Memory, "ram"),
    (Field::Frequency, "freq"),
    (Field::Os, "os"),
    (Field::Bits, "bits"),
    (Field::Model, "pi_model"),
    (Field::OctoPi, "octopi_version"),
    (Field::UpToDate, "octopiuptodate_build"),
    (Field::Browser, "browser_name"),
    (Field::ClientOs, "os_name"),
    (Field::Firmware, "firmware_name"),
];

/// What of an environment is counted.
#[derive(Clone, Default)]
pub(super) struct Environment {
    /// Values by their numbers in [`Words`].
    pub(super) values: Vec<(Field, u32)>,
    /// Whether it is Python 2, and 3.
    pub(super) pythons: [bool; 2],
}

/// All that were asked for.
pub(super) struct Environments {
    shared: Connection,
    known: HashMap<u32, Environment>,
}

impl Environments {
    pub(super) fn new(shared: Connection) -> Self {
        Self { shared, known: HashMap::new() }
    }

    /// The one with this number; an empty one if it was removed.
    pub(super) fn get(&mut self, number: u32, words: &mut Words) -> Result<&Environment> {
        if !self.known.contains_key(&number) {
            let sql = "SELECT text FROM environment WHERE number = ?";
            let text: Option<String> =
                self.shared.prepare_cached(sql)?.query_row([number], |row| row.get(0)).optional()?;
            let fields = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
            self.known.insert(number, parse(&fields, words));
        }
        Ok(&self.known[&number])
    }

    pub(super) fn shared(&self) -> &Connection {
        &self.shared
    }
}

fn parse(fields: &Map<String, Value>, words: &mut Words) -> Environment {
    let mut found = Environment::default();
    for (field, name) in FIELDS {
        for text in texts(fields.get(name)) {
            if field == Field::Python {
                found.pythons[0] |= text.starts_with("2.");
                found.pythons[1] |= text.starts_with("3.");
            }
            found.values.push((field, words.number(&text)));
        }
    }
    for name in texts(fields.get("browser_name")) {
        for version in texts(fields.get("browser_version")) {
            found.values.push((Field::BrowserVersion, words.number(&format!("{name}/{version}"))));
        }
    }
    found
}

/// The values of a field, as they are keys: one, or all if its key came more than once.
pub(super) fn texts(value: Option<&Value>) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_f64() => number.as_f64().map(|number| format!("{number:?}")),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Some(Value::Array(all)) => all.iter().filter_map(text).collect(),
        value => value.and_then(text).into_iter().collect(),
    }
}
