//! Recordings without secrets: every text that goes in is replaced by a stand-in of the same shape, and
//! the component runs once more with those. What it then says is what is written down: nothing of it was
//! made of a secret, and the recording can be replayed bit for bit. It is a run that never was.
//!
//! The same text has the same stand-in throughout, which is made of a running number and not of the
//! text. Kept are: the names of events and of keys, numbers, times, texts that the manifest itself
//! lists, and how long a text is.

use super::crossing::{Asked, Back, Call, Passage};
use super::reader::Recording;
use super::scenario::Scenarios;
use super::script::generate;
use glassbox_sandbox::Plugin;
use glassbox_sandbox::capabilities::Machine;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Makes recordings without secrets of recordings.
#[derive(Default)]
pub struct Redactor {
    scenarios: Scenarios,
    stand_ins: BTreeMap<String, String>,
    generated: u64,
    /// Texts that a plugin's manifest lists, by digest.
    listed: BTreeMap<String, BTreeSet<String>>,
    /// What each instance saved last, and saved with stand-ins.
    states: BTreeMap<u64, (String, String)>,
    /// Whether it was told that one failed where the other did not.
    told: bool,
}

/// What a server is called.
const SERVER: &str = "https://server.invalid/{id}/{event}/";

impl Redactor {
    /// Look ahead in a recording that begins in the middle.
    pub fn foresee(&mut self, recording: &Recording) {
        self.scenarios.foresee(recording.passages.iter().map(|(_, passage)| passage));
    }

    /// The same call with stand-ins.
    pub fn stand_in(&mut self, plugin: &Arc<Plugin>, passage: &Passage) -> Passage {
        let mut disguised = passage.clone();
        match &mut disguised.call {
            Call::Start(start) => start.octoprint = start.octoprint.as_ref().map(|name| self.text(plugin, name)),
            Call::Tick | Call::Save => {}
            Call::Load(document) => *document = self.settings(plugin, document),
            Call::Restore { state, .. } => {
                let known = self.states.values().find(|(was, _)| was == state).map(|(_, is)| is.clone());
                *state = known.unwrap_or_else(|| self.json(plugin, state));
            }
            Call::Event { payload, .. } => *payload = self.json(plugin, payload),
        }
        for asked in &mut disguised.asked {
            match asked {
                Asked::Probe(machine) => self.machine(plugin, machine),
                Asked::Random(Some(bytes)) => generate(&mut self.generated, bytes),
                // Only what is asked of the host is taken from here; what is sent it says anew.
                _ => {}
            }
        }
        let Some(said) = self.scenarios.perform(plugin, &disguised) else {
            // It saw the event before, and sees it now; were it not so, there is nothing to tell.
            return Passage { asked: Vec::new(), back: Back::Failed("it was not made".into()), ..disguised };
        };
        if let (Back::Saved(was), Back::Saved(is)) = (&passage.back, &said.back) {
            self.states.insert(passage.life, (was.clone(), is.clone()));
        }
        let failed = |passage: &Passage| matches!(passage.back, Back::Failed(_));
        if failed(passage) != failed(&said) && !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                "with stand-ins for texts plugin '{}' does otherwise: {}; for the recording to show it, record without scrubbing",
                plugin.name,
                said.back
            );
        }
        said
    }

    fn settings(&mut self, plugin: &Plugin, document: &str) -> String {
        let Ok(mut value) = serde_json::from_str::<Value>(document) else { return self.text(plugin, document) };
        let http = plugin.policy.manifest().capabilities.http.as_ref();
        let server = http.and_then(|http| http.url_setting.as_deref());
        self.value(plugin, &mut value);
        // Of a server only what makes it one stays.
        if let Some(key) = server
            && let Some(text) = value.pointer_mut(&format!("/{}", key.replace('.', "/")))
            && text.is_string()
        {
            *text = SERVER.into();
        }
        value.to_string()
    }

    fn json(&mut self, plugin: &Plugin, text: &str) -> String {
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => {
                self.value(plugin, &mut value);
                value.to_string()
            }
            Err(_) => self.text(plugin, text),
        }
    }

    fn value(&mut self, plugin: &Plugin, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(plugin, text),
            Value::Array(list) => list.iter_mut().for_each(|value| self.value(plugin, value)),
            Value::Object(object) => object.values_mut().for_each(|value| self.value(plugin, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn machine(&mut self, plugin: &Plugin, machine: &mut Machine) {
        let Machine { os, platform, pi_model, octopi_version, octopiuptodate_build, .. } = machine;
        for text in [os, platform, pi_model, octopi_version, octopiuptodate_build].into_iter().flatten() {
            *text = self.text(plugin, text);
        }
    }

    /// The stand-in of a text.
    fn text(&mut self, plugin: &Plugin, text: &str) -> String {
        let listed = self.listed.entry(plugin.digest.clone()).or_insert_with(|| {
            let mut listed = BTreeSet::new();
            texts(&serde_json::to_value(plugin.policy.manifest()).unwrap_or_default(), &mut listed);
            listed
        });
        if text.is_empty() || listed.contains(text) {
            return text.into();
        }
        if let Some(known) = self.stand_ins.get(text) {
            return known.clone();
        }
        let stand_in = shaped(text, &mut self.generated);
        self.stand_ins.insert(text.into(), stand_in.clone());
        stand_in
    }
}

/// All texts in a value, but for the keys of objects.
fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Object(object) => object.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Another text with letters, digits and signs in the same places. What could be a hexadecimal number
/// stays one: ids and hashes are checked for that.
fn shaped(text: &str, generated: &mut u64) -> String {
    let hex = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let letters = if hex { 6 } else { 26 };
    // A UUID says of which kind it is, and may be asked for that.
    let uuid = hex && text.len() == 36 && text.match_indices('-').map(|(at, _)| at).eq([8, 13, 18, 23]);
    let shape = |(at, c): (usize, char)| {
        if uuid && matches!(at, 14 | 19) {
            return c;
        }
        let mut random = [0];
        generate(generated, &mut random);
        match c {
            'a'..='z' => char::from(b'a' + random[0] % letters),
            'A'..='Z' => char::from(b'A' + random[0] % letters),
            '0'..='9' => char::from(b'0' + random[0] % 10),
            c if c.is_ascii() => c,
            _ => 'ä',
        }
    };
    text.char_indices().map(shape).collect()
}
