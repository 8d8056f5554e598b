//! Recordings without secrets: every text that goes into the component is replaced by a stand-in of the same shape, and
//! the component runs again with those. What comes out then is what is recorded: nothing of it was derived from a secret,
//! and the recording can be replayed bit for bit. It is the recording of a run that never happened.
//!
//! The same text has the same stand-in throughout; it is derived from a counter, not from the text. What stays as it is:
//! names of events and of keys, numbers, times, texts that the manifest lists, and the length of texts.

use super::crossing::{Call, HostCall, Load, RecordedCall, Restore, Returned};
use super::reader::Recording;
use super::scenario::Scenarios;
use glassbox_sandbox::capabilities::Machine;
use glassbox_sandbox::{Plugin, digest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Turns recordings into recordings without secrets.
#[derive(Default)]
pub struct Redactor {
    scenarios: Scenarios,
    stand_ins: BTreeMap<String, String>,
    generated: u64,
    /// Texts that a plugin's manifest lists, by the component's digest.
    listed: BTreeMap<String, BTreeSet<String>>,
    /// Whether it was logged that a call failed with stand-ins only, or only without.
    warned: bool,
}

/// The stand-in of a tracking server's URL.
const SERVER: &str = "https://server.invalid/{id}/{event}/";

impl Redactor {
    /// Look ahead in a recording, as is needed for one that begins in the middle.
    pub fn look_ahead(&mut self, recording: &Recording) {
        self.scenarios.look_ahead(recording.calls.iter().map(|(_, recorded)| recorded));
    }

    /// The same call with stand-ins.
    pub fn stand_in(&mut self, plugin: &Arc<Plugin>, recorded: &RecordedCall) -> RecordedCall {
        let mut disguised = recorded.clone();
        match &mut disguised.call {
            Call::Start(start) => start.octoprint = start.octoprint.as_ref().map(|name| self.text(plugin, name)),
            // Names that the manifest lists.
            Call::Heard { .. } | Call::Tick { .. } | Call::Save => {}
            // What is shown of it comes from the run with stand-ins.
            Call::Load(Load { document, .. }) => *document = self.settings(plugin, document),
            Call::Restore(Restore { heard, state, .. }) => {
                heard.iter_mut().for_each(|event| event.payload = self.json(plugin, &event.payload));
                // There are no texts in it, as in times.
                *state = plugin.policy.kept(serde_json::from_str(state).unwrap_or_default()).state;
            }
            Call::Event { payload, .. } => *payload = self.json(plugin, payload),
        }
        for asked in &mut disguised.asked {
            // Other answers hold no texts. What the component sends comes from the run with stand-ins.
            if let HostCall::Probe(machine) = asked {
                self.machine(plugin, machine);
            }
        }
        let Some(said) = self.scenarios.perform(plugin, &disguised) else {
            // The component does not see the event. As it was recorded, this does not happen.
            return RecordedCall {
                asked: Vec::new(),
                returned: Returned::Failed("it was not made".into()),
                ..disguised
            };
        };
        let failed = |recorded: &RecordedCall| matches!(recorded.returned, Returned::Failed(_));
        if failed(recorded) != failed(&said) && !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                "with stand-ins for texts, plugin '{}' behaves differently: {}; to record how it really behaves, record without \
                 --record-scrub",
                plugin.name,
                said.returned
            );
        }
        said
    }

    fn settings(&mut self, plugin: &Plugin, document: &str) -> String {
        let Ok(mut value) = serde_json::from_str::<Value>(document) else { return self.text(plugin, document) };
        let http = plugin.policy.manifest().capabilities.http.as_ref();
        let server = http.and_then(|http| http.url_setting.as_deref());
        self.value(plugin, &mut value);
        // A server's stand-in must be a valid URL.
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

/// All texts in a value except the keys of objects.
fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Object(object) => object.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// A text with other letters and digits in the same places. A hexadecimal number gives a hexadecimal number, since
/// components check ids and hashes for that.
fn shaped(text: &str, generated: &mut u64) -> String {
    let hex = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let letters = if hex { 6 } else { 26 };
    // The version and variant of a UUID stay, since components may check them.
    let uuid = hex && text.len() == 36 && text.match_indices('-').map(|(at, _)| at).eq([8, 13, 18, 23]);
    let shape = |(at, c): (usize, char)| {
        if uuid && matches!(at, 14 | 19) {
            return c;
        }
        // Two hex digits of a hash: slow, but good enough for a few texts.
        let random = u8::from_str_radix(&digest(&generated.to_le_bytes())[..2], 16).unwrap_or_default();
        *generated += 1;
        match c {
            'a'..='z' => char::from(b'a' + random % letters),
            'A'..='Z' => char::from(b'A' + random % letters),
            '0'..='9' => char::from(b'0' + random % 10),
            c if c.is_ascii() => c,
            _ => 'ä',
        }
    };
    text.char_indices().map(shape).collect()
}
