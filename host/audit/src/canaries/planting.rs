//! Where canaries are put: each payload field by itself and all at once, as texts of several shapes and as numbers;
//! fields that the manifest does not list; every text in the settings; and the machine. How they are searched for is
//! in [`super::needles`].

use super::super::inputs::{Inputs, UNSEEN};
use super::super::prng::Prng;
use super::super::scenario::Scenario;
use super::super::value_generator::{PRIVATE, first, set};
use super::Source;
use glassbox_sandbox::capabilities::Machine;
use serde_json::Value;

/// A secret as it was planted.
pub struct Secret {
    /// The input that it was put into.
    pub source: Source,
    /// The part that cannot appear anywhere by accident.
    pub mark: String,
    /// The whole value that the component was given.
    pub value: String,
}

/// A scenario full of secrets.
pub struct Planted {
    /// What to run.
    pub scenario: Scenario,
    /// The secrets in it, without those that are in all scenarios.
    pub secrets: Vec<Secret>,
}

/// What is planted in all scenarios: in the settings and the machine.
#[derive(Default)]
pub struct Everywhere {
    /// The secrets.
    pub secrets: Vec<Secret>,
    /// The id in the settings.
    pub id: String,
    /// What never leaves the machine, and may be used for hashing: the host's salt, and settings.
    pub salts: Vec<String>,
    /// What the host itself puts into addresses: the id and the server.
    pub host: Vec<String>,
    salt: String,
    settings: Vec<(String, Value)>,
    machine: Machine,
}

/// Letters that are not hexadecimal digits, so that they are in no hash.
const MARKS: &str = "ghijklmnopqrstuvwxyz";

/// Scenarios for each way to plant something; what else happens in them is pseudo-random.
const SCENARIOS: u64 = 2;

/// What stands before and after the mark in a text.
const SHAPES: [(&str, &str); 3] = [("", ""), ("folder/", " & more.gcode"), ("1.9.", "")];

/// What is planted in all scenarios.
pub fn everywhere(inputs: &Inputs) -> Everywhere {
    let mut prng = Prng::new(u64::MAX, &[]);
    let salt = format!("{:016x}{:016x}", prng.next(), prng.next());
    let mut all = Everywhere { salts: vec![salt.clone()], salt, ..Everywhere::default() };
    all.plant_settings(inputs, &mut prng);
    all.plant_machine(inputs, &mut prng);
    all
}

/// All scenarios, made one at a time: a manifest may list thousands of fields.
pub fn plant<'a>(inputs: &'a Inputs, everywhere: &'a Everywhere) -> impl Iterator<Item = Planted> + 'a {
    let events = inputs.events().into_iter().enumerate().filter(|(_, event)| *event != UNSEEN);
    events.flat_map(move |(e, event)| {
        let fields = inputs.fields(&event);
        // All fields at once, then each by itself.
        let ways = [fields.clone()].into_iter().chain(fields.into_iter().map(|field| vec![field])).enumerate();
        ways.flat_map(move |(way, chosen)| {
            let event = event.clone();
            let kinds = (0..=SHAPES.len()).flat_map(|shape| (0..SCENARIOS).map(move |number| (shape, number)));
            kinds.map(move |(shape, number)| {
                let place = [u64::MAX, e as u64, way as u64, shape as u64, number];
                let mut planted = scenario(inputs, &place, &event, &chosen, SHAPES.get(shape).copied());
                everywhere.put(&mut planted.scenario);
                planted
            })
        })
    })
}

/// One scenario. Without a shape the secrets in its payload are numbers.
fn scenario(inputs: &Inputs, place: &[u64], event: &str, fields: &[String], shape: Option<(&str, &str)>) -> Planted {
    let mut planted = Planted { scenario: inputs.scenario(place, event), secrets: Vec::new() };
    let mut prng = Prng::new(place[0], place);
    let all = inputs.fields(event);
    let listed: Vec<&str> = all.iter().map(|field| first(field)).collect();
    let private = PRIVATE.into_iter().chain(["ip", "size"]).filter(|name| !listed.contains(name));
    let mut put = |field: &str, listed: bool, value: Value, mark: String| {
        if let Some((_, payload)) = &mut planted.scenario.event {
            set(payload, field, value.clone());
        }
        let source = Source::Payload { event: event.into(), field: field.into(), listed };
        let value = value.as_str().map_or_else(|| value.to_string(), Into::into);
        planted.secrets.push(Secret { source, mark, value });
    };
    for field in private {
        let mark = prng.text(20, MARKS);
        put(field, false, mark.clone().into(), mark);
    }
    for field in fields {
        match shape {
            Some((before, behind)) => {
                let mark = prng.text(20, MARKS);
                put(field, true, format!("{before}{mark}{behind}").into(), mark);
            }
            None => {
                let number = 100_000_000 + prng.next() % 900_000_000;
                put(field, true, number.into(), number.to_string());
            }
        }
    }
    planted
}

impl Everywhere {
    fn put(&self, scenario: &mut Scenario) {
        for (path, value) in &self.settings {
            // A path through something that is not an object is left out.
            let _ = scenario.settings.set(path, value.clone());
        }
        scenario.machine = self.machine.clone();
        scenario.salt.clone_from(&self.salt);
    }

    fn plant_settings(&mut self, inputs: &Inputs, prng: &mut Prng) {
        let http = inputs.plugin.policy.manifest().capabilities.http.as_ref();
        self.id = prng.uuid();
        for (path, default) in &inputs.settings {
            let is_id = http.is_some_and(|http| http.id_setting == *path);
            let is_url = http.is_some_and(|http| http.url_setting.as_deref() == Some(path));
            let mark = if is_id { self.id.clone() } else { prng.text(20, MARKS) };
            let value = match default {
                _ if is_url => format!("http://{mark}.example/{{id}}/{{event}}/"),
                Value::Null if path != "enabled" => mark.clone(),
                _ if is_id => mark.clone(),
                _ => continue,
            };
            self.settings.push((path.clone(), value.clone().into()));
            if is_id || is_url {
                self.host.push(mark.clone());
            } else {
                self.salts.push(value.clone());
            }
            self.secrets.push(Secret { source: Source::Setting { path: path.clone() }, mark, value });
        }
    }

    fn plant_machine(&mut self, inputs: &Inputs, prng: &mut Prng) {
        let listed = &inputs.plugin.policy.manifest().capabilities.hardware;
        let mut put = |field: &str, mark: String| {
            let listed = listed.iter().any(|listed| listed.name() == field);
            let source = Source::Hardware { field: field.into(), listed };
            self.secrets.push(Secret { source, value: mark.clone(), mark: mark.clone() });
            mark
        };
        let mut text = |field: &str, prng: &mut Prng| Some(put(field, prng.text(20, MARKS)));
        let mut machine = Machine {
            os: text("os", prng),
            platform: text("platform", prng),
            pi_model: text("pi-model", prng),
            octopi_version: text("octopi-version", prng),
            octopiuptodate_build: text("octopiuptodate-build", prng),
            ..Machine::default()
        };
        let mut number = |field: &str| {
            let number = 100_000_000 + prng.next() % 900_000_000;
            put(field, number.to_string());
            number
        };
        machine.memory_bytes = Some(number("memory-bytes"));
        machine.bits = u32::try_from(number("bits")).ok();
        machine.cores = u32::try_from(number("cores")).ok();
        machine.frequency_mhz = u32::try_from(number("frequency-mhz")).ok().map(f64::from);
        self.machine = machine;
    }
}
