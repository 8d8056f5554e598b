//! The settings document: read, checked, and completed with a generated id and salt.
//!
//! The document belongs to the user: nothing here changes a key that is there. Its keys are those
//! of OctoPrint's `plugins.tracking` block, and `file_salt`. It is read key by key, without serde's
//! derive, so that errors name the key.

use crate::capabilities::Capabilities;
use crate::uuid;
use serde_json::{Map, Value};

/// The JSON Schema (2020-12) of the settings document: title, description and default for every key.
pub const SCHEMA: &str = include_str!("settings.schema.json");

/// A leap year: longer intervals are mistakes.
const LONGEST_INTERVAL_S: u64 = 366 * 24 * 60 * 60;

/// The settings in force. The defaults are OctoPrint's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// None until the user has decided. Nothing is sent unless this is `true`.
    pub enabled: Option<bool>,
    /// Hashed together with every path; never sent.
    pub file_salt: Option<String>,
    /// Seconds between pings; 0 for never.
    pub ping: u64,
    /// Seconds between pongs; 0 for never.
    pub pong: u64,
    /// One switch for each kind of report.
    pub events: Switches,
}

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

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: None,
            file_salt: None,
            ping: 15 * 60,
            pong: 24 * 60 * 60,
            events: Switches {
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
            },
        }
    }
}

impl Settings {
    /// Read and check a document. If tracking is on, generate the id and the salt where they are
    /// missing. Returns the settings, and the keys to add to the document.
    ///
    /// # Errors
    /// What is wrong with the document, for the user to read. Nothing is generated then.
    pub fn load(document: &str, host: &dyn Capabilities) -> Result<(Self, Map<String, Value>), String> {
        let document: Value = serde_json::from_str(document).map_err(|error| error.to_string())?;
        let Value::Object(document) = document else { return Err("the document must be a JSON object".into()) };
        let (mut settings, unique_id) = Self::read(&document)?;
        let mut added = Map::new();
        if settings.enabled == Some(true) {
            if unique_id.is_none() {
                added.insert("unique_id".into(), uuid::v4(host.random()?).into());
            }
            if settings.file_salt.is_none() {
                let salt = uuid::v4(host.random()?);
                added.insert("file_salt".into(), salt.clone().into());
                settings.file_salt = Some(salt);
            }
        }
        Ok((settings, added))
    }

    /// The settings, and the id, which only the host uses.
    fn read(document: &Map<String, Value>) -> Result<(Self, Option<String>), String> {
        let enabled = match document.get("enabled") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(enabled)) => Some(*enabled),
            Some(_) => return Err("enabled must be true, false or null".into()),
        };
        let mut settings = Self { enabled, ..Self::default() };
        let unique_id = text(document, "unique_id")?;
        if unique_id.as_deref().is_some_and(|id| !uuid::is_v4(id)) {
            return Err("unique_id must be a version 4 UUID; remove the key to have one made".into());
        }
        settings.file_salt = text(document, "file_salt")?;
        if settings.file_salt.as_ref().is_some_and(|salt| salt.is_empty() || salt.len() > 256) {
            return Err("file_salt must have 1 to 256 bytes; remove the key to have one made".into());
        }
        // Only the host uses it; checked here so that a wrong one is refused.
        text(document, "server")?;
        interval(document, "ping", &mut settings.ping)?;
        interval(document, "pong", &mut settings.pong)?;
        match document.get("events") {
            None | Some(Value::Null) => {}
            Some(Value::Object(switches)) => settings.events.read(switches)?,
            Some(_) => return Err("events must be an object of switches".into()),
        }
        Ok((settings, unique_id))
    }
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

fn text(document: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match document.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{key} must be text")),
    }
}

fn interval(document: &Map<String, Value>, key: &str, interval: &mut u64) -> Result<(), String> {
    match document.get(key) {
        None | Some(Value::Null) => {}
        Some(value) => match value.as_u64().filter(|seconds| *seconds <= LONGEST_INTERVAL_S) {
            Some(seconds) => *interval = seconds,
            None => return Err(format!("{key} must be a whole number of seconds, 0 to {LONGEST_INTERVAL_S}")),
        },
    }
    Ok(())
}
