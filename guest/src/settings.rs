//! The settings that the host shows: read and checked.
//!
//! The document belongs to the user. It is read key by key, without serde's derive, so that errors name the key.

use serde_json::{Map, Value};

/// The JSON Schema (2020-12) of the settings document: title, description and default for every key.
pub const SCHEMA: &str = include_str!("settings.schema.json");

/// A leap year: longer intervals are mistakes.
const LONGEST_INTERVAL_S: u64 = 366 * 24 * 60 * 60;

/// Which kinds of report are on. All are on by default.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the schema says what each covers
pub struct Switches {
    pub pong: bool,
    pub startup: bool,
    pub printjob: bool,
    pub commerror: bool,
    pub plugin: bool,
    pub update: bool,
    pub printer: bool,
    pub printer_safety_check: bool,
    pub throttled: bool,
    pub achievements: bool,
    pub slicing: bool,
    pub webui_load: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            pong: true,
            startup: true,
            printjob: true,
            commerror: true,
            plugin: true,
            update: true,
            printer: true,
            printer_safety_check: true,
            throttled: true,
            achievements: true,
            slicing: true,
            webui_load: true,
        }
    }
}

/// Check a document, and read the switches. The intervals are the host's affair, as it says what is due; that they make
/// sense is checked here.
///
/// # Errors
/// What is wrong with it, for the user to read.
pub fn check(document: &str) -> Result<Switches, String> {
    let document: Value = serde_json::from_str(document).map_err(|error| error.to_string())?;
    let Value::Object(document) = &document else { return Err("the document must be a JSON object".into()) };
    interval(document, "ping")?;
    interval(document, "pong")?;
    let mut switches = Switches::default();
    match document.get("events") {
        None | Some(Value::Null) => {}
        Some(Value::Object(events)) => switches.read(events)?,
        Some(_) => return Err("events must be an object of switches".into()),
    }
    Ok(switches)
}

impl Switches {
    fn read(&mut self, document: &Map<String, Value>) -> Result<(), String> {
        let switches = [
            ("pong", &mut self.pong),
            ("startup", &mut self.startup),
            ("printjob", &mut self.printjob),
            ("commerror", &mut self.commerror),
            ("plugin", &mut self.plugin),
            ("update", &mut self.update),
            ("printer", &mut self.printer),
            ("printer_safety_check", &mut self.printer_safety_check),
            ("throttled", &mut self.throttled),
            ("achievements", &mut self.achievements),
            ("slicing", &mut self.slicing),
            ("webui_load", &mut self.webui_load),
        ];
        for (key, switch) in switches {
            match document.get(key) {
                None | Some(Value::Null) => {}
                Some(Value::Bool(on)) => *switch = *on,
                Some(_) => return Err(format!("events.{key} must be true or false")),
            }
        }
        Ok(())
    }
}

fn interval(document: &Map<String, Value>, key: &str) -> Result<(), String> {
    let fits = |value: &Value| value.as_u64().is_some_and(|seconds| seconds <= LONGEST_INTERVAL_S);
    match document.get(key) {
        None | Some(Value::Null) => Ok(()),
        Some(value) if fits(value) => Ok(()),
        Some(_) => Err(format!("{key} must be a whole number of seconds, 0 to {LONGEST_INTERVAL_S}")),
    }
}
