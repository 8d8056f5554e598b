//! Where canaries are put: every payload field by itself and all at once, as text of several shapes and
//! as numbers, what the manifest does not list, every text of the settings, and the machine.

use super::super::inputs::{Inputs, UNSEEN};
use super::super::prng::Chance;
use super::super::scenario::Scene;
use super::super::values::{PRIVATE, first, set};
use super::Source;
use glassbox_sandbox::capabilities::Machine;
use serde_json::Value;

/// A secret as it was planted.
pub struct Secret {
    /// Where.
    pub source: Source,
    /// What is there by no chance.
    pub mark: String,
    /// What the component was given.
    pub value: String,
}

/// A scene full of secrets.
pub struct Planted {
    /// What to run.
    pub scene: Scene,
    /// What to look for in it, beside what is in all scenes.
    pub secrets: Vec<Secret>,
}

/// What is planted in all scenes: settings and the machine.
#[derive(Default)]
pub struct Everywhere {
    /// What to look for.
    pub secrets: Vec<Secret>,
    /// The id.
    pub id: String,
    /// Settings that do not leave.
    pub salts: Vec<String>,
    /// What the host puts into addresses.
    pub host: Vec<String>,
    settings: Vec<(String, Value)>,
    machine: Machine,
}

/// Letters that are in no hex number, so that no hash has them.
const MARKS: &str = "ghijklmnopqrstuvwxyz";

/// Scenes for each way to plant something: chance decides what else happens.
const SCENES: u64 = 2;

/// Shapes of a text with a mark in it.
const SHAPES: [(&str, &str); 3] = [("", ""), ("folder/", " & more.gcode"), ("1.9.", "")];

/// What is planted in all scenes.
pub fn everywhere(inputs: &Inputs) -> Everywhere {
    let mut all = Everywhere::default();
    let mut chance = Chance::new(u64::MAX, &[]);
    all.plant_settings(inputs, &mut chance);
    all.plant_machine(inputs, &mut chance);
    all
}

/// Every scene, one after the other: a manifest may list thousands of fields.
pub fn plant<'a>(inputs: &'a Inputs, everywhere: &'a Everywhere) -> impl Iterator<Item = Planted> + 'a {
    let events = inputs.events().into_iter().enumerate().filter(|(_, event)| *event != UNSEEN);
    events.flat_map(move |(e, event)| {
        let fields = inputs.fields(&event);
        // All fields at once, then each by itself.
        let ways = [fields].into_iter().chain(fields.iter().map(std::slice::from_ref)).enumerate();
        ways.flat_map(move |(way, chosen)| {
            let event = event.clone();
            let kinds = (0..=SHAPES.len()).flat_map(|shape| (0..SCENES).map(move |number| (shape, number)));
            kinds.map(move |(shape, number)| {
                let place = [u64::MAX, e as u64, way as u64, shape as u64, number];
                let mut planted = scene(inputs, &place, &event, chosen, SHAPES.get(shape).copied());
                everywhere.put(&mut planted.scene);
                planted
            })
        })
    })
}

/// Without a shape the payload's secrets are numbers.
fn scene(inputs: &Inputs, place: &[u64], event: &str, fields: &[String], shape: Option<(&str, &str)>) -> Planted {
    let mut planted = Planted { scene: inputs.scene(place, event), secrets: Vec::new() };
    let mut chance = Chance::new(place[0], place);
    let listed: Vec<&str> = inputs.fields(event).iter().map(|field| first(field)).collect();
    let private = PRIVATE.into_iter().chain(["ip", "size"]).filter(|name| !listed.contains(name));
    let mut put = |field: &str, listed: bool, value: Value, mark: String| {
        if let Some((_, payload)) = &mut planted.scene.event {
            set(payload, field, value.clone());
        }
        let source = Source::Payload { event: event.into(), field: field.into(), listed };
        let value = value.as_str().map_or_else(|| value.to_string(), Into::into);
        planted.secrets.push(Secret { source, mark, value });
    };
    for field in private {
        let mark = chance.text(20, MARKS);
        put(field, false, mark.clone().into(), mark);
    }
    for field in fields {
        match shape {
            Some((before, behind)) => {
                let mark = chance.text(20, MARKS);
                put(field, true, format!("{before}{mark}{behind}").into(), mark);
            }
            None => {
                let number = 100_000_000 + chance.next() % 900_000_000;
                put(field, true, number.into(), number.to_string());
            }
        }
    }
    planted
}

impl Everywhere {
    fn put(&self, scene: &mut Scene) {
        for (path, value) in &self.settings {
            // A path that leads nowhere is left out.
            let _ = scene.settings.set(path, value.clone());
        }
        scene.machine = self.machine.clone();
    }

    fn plant_settings(&mut self, inputs: &Inputs, chance: &mut Chance) {
        let http = inputs.plugin.policy.manifest().capabilities.http.as_ref();
        self.id = chance.uuid();
        for (path, default) in &inputs.settings {
            let is_id = http.is_some_and(|http| http.id_setting == *path);
            let is_url = http.is_some_and(|http| http.url_setting.as_deref() == Some(path));
            let mark = if is_id { self.id.clone() } else { chance.text(20, MARKS) };
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

    fn plant_machine(&mut self, inputs: &Inputs, chance: &mut Chance) {
        let listed = &inputs.plugin.policy.manifest().capabilities.hardware;
        let mut put = |field: &str, mark: String| {
            let listed = listed.iter().any(|listed| listed.name() == field);
            let source = Source::Hardware { field: field.into(), listed };
            self.secrets.push(Secret { source, value: mark.clone(), mark: mark.clone() });
            mark
        };
        let mut text = |field: &str, chance: &mut Chance| Some(put(field, chance.text(20, MARKS)));
        let mut machine = Machine {
            os: text("os", chance),
            platform: text("platform", chance),
            pi_model: text("pi-model", chance),
            octopi_version: text("octopi-version", chance),
            octopiuptodate_build: text("octopiuptodate-build", chance),
            ..Machine::default()
        };
        let mut number = |field: &str| {
            let number = 100_000_000 + chance.next() % 900_000_000;
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
