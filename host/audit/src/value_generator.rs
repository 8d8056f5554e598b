//! Generates values for a component's inputs: payloads and machines like those of real OctoPrints, and unlike
//! them. They are based on recorded ones, on what the manifest names, and on constants from the component's own
//! bytes ([`super::component_constants`]). Also reads and writes values in payloads by their paths.

use super::prng::Prng;
use crate::conformance::{Case, session};
use glassbox_sandbox::Manifest;
use glassbox_sandbox::capabilities::Machine;
use serde_json::{Map, Number, Value, json};
use std::collections::BTreeMap;

/// Fields that no tracker should see. Every payload has them, unless the manifest lists them.
pub const PRIVATE: [&str; 3] = ["owner", "user", "name"];

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const SIGNS: &str = "abcXYZ019 ._-/\\:%&=?#+\"'<>{}[]äß漢💡\n";

/// Paths as users have them.
const PATHS: [&str; 8] = [
    "calibration/Benchy 3DBenchy (final).gcode",
    "Großmutters Lampe/fuß_v2.gco",
    "детали/корпус принтера.gcode",
    "打印/龙 第一版.gcode",
    "印刷/ねじ回し.gcode",
    "uploads/a/b/c/very deep.g",
    "élève/œuvre d’art.gcode",
    "PART-0001~1.GCO",
];

/// What is known of a machine.
type Known = (&'static str, &'static str, u32, u32, f64, u64, Option<&'static str>);

/// Machines as OctoPrint runs on them: system, platform, bits, cores, MHz, bytes, Pi model.
const MACHINES: [Known; 6] = [
    (
        "linux",
        "Linux-6.1.21-v8+-aarch64-with-glibc2.31",
        64,
        4,
        1800.0,
        3_978_678_272,
        Some("Raspberry Pi 4 Model B Rev 1.4"),
    ),
    (
        "linux",
        "Linux-5.15.61-v7l+-armv7l-with-glibc2.31",
        32,
        4,
        1400.0,
        969_932_800,
        Some("Raspberry Pi 3 Model B Plus Rev 1.3"),
    ),
    (
        "linux",
        "Linux-6.6.20+rpt-rpi-2712-aarch64-with-glibc2.36",
        64,
        4,
        2400.0,
        8_443_904_000,
        Some("Raspberry Pi 5 Model B Rev 1.0"),
    ),
    ("linux", "Linux-6.8.0-45-generic-x86_64-with-glibc2.39", 64, 8, 3600.0, 16_642_998_272, None),
    ("windows", "Windows-10-10.0.19045-SP0", 64, 12, 2904.0, 34_289_025_024, None),
    ("macos", "macOS-14.4-arm64-arm-64bit", 64, 10, 2400.0, 17_179_869_184, None),
];

/// Versions of OctoPrint, before and after what changed in its reports.
const OCTOPRINTS: [&str; 5] = ["1.5.3", "1.11.8", "1.12.0", "2.0.0rc7", "0+unknown"];

/// The length of the longest generated text, in characters.
const LONG: usize = 3000;

/// What values are generated from.
#[derive(Debug, Default)]
pub struct ValueGenerator {
    /// Recorded payloads, by event.
    payloads: BTreeMap<String, Vec<Map<String, Value>>>,
    /// Recorded values, by the last key of their path.
    fields: BTreeMap<String, Vec<Value>>,
    /// Texts that the manifest names.
    named: Vec<Value>,
    /// Constants from the component's bytes.
    pub constants: Vec<Value>,
}

impl ValueGenerator {
    /// A generator based on the recorded session that comes with this program, recorded cases, a manifest, and
    /// constants from the component's bytes.
    pub fn new(manifest: &Manifest, cases: &[Case], constants: Vec<Value>) -> Self {
        let mut values = Self { constants, ..Self::default() };
        for line in session::EVENTS.lines() {
            let Ok(Value::Object(mut line)) = serde_json::from_str(line) else { continue };
            if let (Some(Value::String(event)), Some(payload)) = (line.remove("event"), line.remove("payload")) {
                values.learn(&event, &payload);
            }
        }
        for event in cases.iter().flat_map(|case| &case.events) {
            values.learn(&event.event, &event.payload);
        }
        let rules = manifest.says.iter().flat_map(|says| {
            let variable = says.variable.iter().map(|variable| &variable.rule);
            says.fields.iter().map(|field| &field.rule).chain(variable)
        });
        let texts = rules.flat_map(|rule| rule.one_of.iter().flatten().chain(&rule.constant));
        values.named = texts.map(|text| Value::from(text.as_str())).collect();
        values.named.dedup();
        values
    }

    fn learn(&mut self, event: &str, payload: &Value) {
        let Value::Object(object) = payload else { return };
        self.learn_fields(object);
        let known = self.payloads.entry(event.into()).or_default();
        if known.len() < 40 && !known.contains(object) {
            known.push(object.clone());
        }
    }

    fn learn_fields(&mut self, object: &Map<String, Value>) {
        for (key, value) in object {
            match value {
                Value::Object(inner) => self.learn_fields(inner),
                Value::Array(list) => {
                    list.iter().filter_map(Value::as_object).for_each(|inner| self.learn_fields(inner))
                }
                _ => {}
            }
            let known = self.fields.entry(key.clone()).or_default();
            if !value.is_object() && known.len() < 40 && !known.contains(value) {
                known.push(value.clone());
            }
        }
    }

    /// Recorded payloads of all events but these, each with its event.
    pub fn others(&self, seen: &[String]) -> Vec<(String, Value)> {
        let others = self.payloads.iter().filter(|(event, _)| !seen.contains(event));
        others.flat_map(|(event, all)| all.iter().map(|one| (event.clone(), one.clone().into()))).collect()
    }

    /// A payload like a real one: the fields that the manifest lists, and some that it does not.
    pub fn payload(&self, prng: &mut Prng, event: &str, fields: &[String]) -> Value {
        let recorded = self.payloads.get(event).and_then(|all| prng.pick(all)).cloned();
        let known = recorded.is_some();
        let mut payload = Value::Object(recorded.unwrap_or_default());
        for field in fields {
            let missing = get(&payload, field).is_none();
            if (missing && !(known && prng.one_in(2))) || prng.one_in(8) {
                set(&mut payload, field, self.likely(prng, field));
            }
        }
        for name in PRIVATE.into_iter().filter(|name| !fields.iter().any(|field| first(field) == *name)) {
            set(&mut payload, name, prng.text(8, LETTERS).into());
        }
        payload
    }

    /// A realistic value for a field.
    pub fn likely(&self, prng: &mut Prng, field: &str) -> Value {
        match last(field) {
            "path" if prng.one_in(3) => return PATHS[prng.below(PATHS.len())].into(),
            // What is reported, and how, goes by it.
            "version" if field == "octoprint.version" && prng.one_in(2) => {
                return OCTOPRINTS[prng.below(OCTOPRINTS.len())].into();
            }
            "platform" if prng.one_in(3) => return MACHINES[prng.below(MACHINES.len())].1.into(),
            _ => {}
        }
        match self.fields.get(last(field)).and_then(|all| prng.pick(all)) {
            Some(known) if !prng.one_in(4) => known.clone(),
            Some(Value::Number(number)) if number.is_u64() => prng.below(100_000).into(),
            Some(Value::Number(_)) => json!(prng.below(1_000_000) as f64 / 10.0),
            Some(Value::Bool(_)) => prng.one_in(2).into(),
            _ if prng.one_in(4) => prng.pick(&self.named).cloned().unwrap_or_default(),
            _ => {
                let length = 1 + prng.below(20);
                prng.text(length, LETTERS).into()
            }
        }
    }

    /// Any value at all for a field that has the value `now`.
    pub fn any(&self, prng: &mut Prng, field: &str, now: &Value) -> Value {
        match prng.below(20) {
            0..6 => self.likely(prng, field),
            6..9 => changed(prng, now),
            9 => Value::Null,
            10 => json!([true, false, "", [], 0, -1, 1, 0.5])[prng.below(8)].clone(),
            11 => Number::from_f64(f64::from_bits(prng.next())).into(),
            12 => prng.below(1 << prng.clone().below(40)).into(),
            13 => prng.pick(&self.named).cloned().unwrap_or_default(),
            14 => prng.pick(&self.constants).cloned().unwrap_or_default(),
            15 => {
                let length = prng.below(LONG);
                prng.text(length, LETTERS).into()
            }
            16 => {
                let length = prng.below(60);
                prng.text(length, SIGNS).into()
            }
            17 => json!([self.likely(prng, field), self.likely(prng, field)]),
            // Another text of the same length.
            18 => prng.text(now.as_str().map_or(12, |text| text.chars().count()), LETTERS).into(),
            _ => {
                let length = 1 + prng.below(40);
                prng.text(length, LETTERS).into()
            }
        }
    }

    /// A machine: a real one, or any, of which each field is unknown with a probability of 1 in 8.
    pub fn machine(&self, prng: &mut Prng) -> Machine {
        if prng.one_in(3) {
            let (os, platform, bits, cores, mhz, bytes, model) = MACHINES[prng.below(MACHINES.len())];
            return Machine {
                os: Some(os.into()),
                platform: Some(platform.into()),
                bits: Some(bits),
                cores: Some(cores),
                frequency_mhz: Some(mhz),
                memory_bytes: Some(bytes),
                pi_model: model.map(Into::into),
                ..Machine::default()
            };
        }
        let mut machine = Machine::default();
        for field in MACHINE {
            self.vary_machine(prng, &mut machine, field);
        }
        machine
    }

    /// Give one field of a machine another value; none with a probability of 1 in 8.
    pub fn vary_machine(&self, prng: &mut Prng, machine: &mut Machine, field: &str) {
        let some = !prng.one_in(8);
        let text = match prng.below(4) {
            0 => prng.pick(&self.constants).and_then(Value::as_str).unwrap_or("Raspberry Pi 5").into(),
            1 if field == "platform" => MACHINES[prng.below(MACHINES.len())].1.into(),
            1 => ["linux", "windows", "macos", "freebsd"][prng.below(4)].into(),
            2 => prng.text(1 + prng.clone().below(30), SIGNS),
            _ => prng.text(1 + prng.clone().below(30), LETTERS),
        };
        let constant = prng.pick(&self.constants).and_then(Value::as_u64);
        let number = constant.filter(|_| prng.one_in(4)).unwrap_or_else(|| prng.next() >> prng.below(64));
        let small = u32::try_from(number & 0xffff_ffff).unwrap_or_default();
        let small = if prng.one_in(2) { [32, 64, 4, 1][prng.below(4)] } else { small };
        match field {
            "os" => machine.os = some.then_some(text),
            "platform" => machine.platform = some.then_some(text),
            "bits" => machine.bits = some.then_some(small),
            "cores" => machine.cores = some.then_some(small),
            "frequency-mhz" => machine.frequency_mhz = some.then(|| f64::from(small % 10_000) + 0.5),
            "memory-bytes" => machine.memory_bytes = some.then_some(number),
            "pi-model" => machine.pi_model = some.then_some(text),
            "octopi-version" => machine.octopi_version = some.then_some(text),
            _ => machine.octopiuptodate_build = some.then_some(text),
        }
    }

    /// An answer of the throttle query.
    pub fn mask(&self, prng: &mut Prng) -> Option<u32> {
        let constant = prng.pick(&self.constants).and_then(Value::as_u64).and_then(|word| u32::try_from(word).ok());
        match prng.below(8) {
            0 => None,
            1 => Some(0),
            2 => constant.or(Some(0x5_0005)),
            3 => Some(1 << prng.below(32)),
            4 => u32::try_from(prng.next() & 0xffff_ffff).ok(),
            _ => Some([0x5_0000, 0x5_0005, 0x1, 0x2_0002, 0x8_0008, 0x7_0000][prng.below(6)]),
        }
    }
}

/// One field of a machine, as it is shown.
pub fn machine_field(machine: &Machine, field: &str) -> String {
    let text = |text: &Option<String>| text.as_ref().map(|text| format!("{text:?}"));
    let shown = match field {
        "os" => text(&machine.os),
        "platform" => text(&machine.platform),
        "bits" => machine.bits.map(|bits| bits.to_string()),
        "cores" => machine.cores.map(|cores| cores.to_string()),
        "frequency-mhz" => machine.frequency_mhz.map(|mhz| mhz.to_string()),
        "memory-bytes" => machine.memory_bytes.map(|bytes| bytes.to_string()),
        "pi-model" => text(&machine.pi_model),
        "octopi-version" => text(&machine.octopi_version),
        _ => text(&machine.octopiuptodate_build),
    };
    shown.unwrap_or_else(|| "(not there)".into())
}

/// All fields of a machine, by their names in a manifest.
pub const MACHINE: [&str; 9] = [
    "os",
    "platform",
    "bits",
    "cores",
    "frequency-mhz",
    "memory-bytes",
    "pi-model",
    "octopi-version",
    "octopiuptodate-build",
];

/// The same value with one small change.
fn changed(prng: &mut Prng, value: &Value) -> Value {
    match value {
        Value::Bool(flag) => (!flag).into(),
        Value::Number(number) => match number.as_u64() {
            Some(number) => (number ^ (1 << prng.below(20))).into(),
            None => Number::from_f64(number.as_f64().unwrap_or_default() + 1.0).into(),
        },
        Value::String(text) if !text.is_empty() => {
            let mut characters: Vec<char> = text.chars().collect();
            let at = prng.below(characters.len());
            characters[at] = prng.text(1, LETTERS).chars().next().unwrap_or('x');
            characters.into_iter().collect::<String>().into()
        }
        _ => prng.text(6, LETTERS).into(),
    }
}

/// The first key of a path.
pub fn first(path: &str) -> &str {
    path.split('.').next().unwrap_or_default()
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or_default()
}

/// The value at a path (`a.b`); a list on the way stands for its first entry.
pub fn get<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, key| match value {
        Value::Array(list) => list.first()?.get(key),
        value => value.get(key),
    })
}

/// Set the value at a path, making objects on the way; a list on the way stands for its first entry.
pub fn set(value: &mut Value, path: &str, new: Value) {
    let mut at = value;
    for key in path.split('.') {
        if let Value::Array(list) = at {
            if list.is_empty() {
                list.push(json!({}));
            }
            at = &mut list[0];
        }
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[key];
    }
    *at = new;
}

/// Remove the value at a path, from all entries of a list.
pub fn remove(value: &mut Value, path: &str) {
    let (before, key) = path.rsplit_once('.').map_or((None, path), |(before, key)| (Some(before), key));
    let pointer: String = before.into_iter().flat_map(|path| path.split('.')).map(|key| format!("/{key}")).collect();
    match value.pointer_mut(&pointer) {
        Some(Value::Object(object)) => drop(object.remove(key)),
        Some(Value::Array(list)) => list.iter_mut().filter_map(Value::as_object_mut).for_each(|one| {
            one.remove(key);
        }),
        _ => {}
    }
}
