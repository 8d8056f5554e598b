//! What a component is given, taken apart: every input that an audit changes one at a time, the scene in
//! which it does, and the same scene with that one input changed.

use super::prng::Chance;
use super::scenario::{Scene, Step};
use super::values::{MACHINE, PRIVATE, Values, first, get, remove, set};
use glassbox_sandbox::{Plugin, Policy, Settings};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// One input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "kebab-case")]
pub enum Input {
    /// Whether the event happens at all.
    Happens,
    /// A payload field that the manifest lists.
    Payload(String),
    /// All payload fields that it does not list.
    Unlisted,
    /// A field of the hardware probe.
    Hardware(String),
    /// The throttle query.
    Throttle,
    /// The clock.
    Clock,
    /// Random bytes.
    Random,
    /// A setting.
    Setting(String),
    /// None: the same scene once more.
    Nothing,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Happens => write!(f, "(that it happens)"),
            Self::Payload(name) => write!(f, "{name}"),
            Self::Unlisted => write!(f, "(everything else)"),
            Self::Hardware(name) => write!(f, "hardware {name}"),
            Self::Throttle => write!(f, "throttle state"),
            Self::Clock => write!(f, "clock"),
            Self::Random => write!(f, "random bytes"),
            Self::Setting(name) => write!(f, "setting {name}"),
            Self::Nothing => write!(f, "(nothing)"),
        }
    }
}

impl Input {
    /// Whether it has nothing to do with the event itself.
    #[must_use]
    pub fn is_general(&self) -> bool {
        !matches!(self, Self::Happens | Self::Payload(_) | Self::Unlisted | Self::Nothing)
    }

    /// Whether text of any kind can be put into it: what the component's words are tried on.
    #[must_use]
    pub fn takes_words(&self) -> bool {
        matches!(self, Self::Payload(_))
    }
}

/// What scenes are made of.
pub struct Inputs<'a> {
    /// The component.
    pub plugin: &'a Arc<Plugin>,
    /// Generated values.
    pub values: Values,
    /// Its settings, by path.
    pub settings: Vec<(String, Value)>,
    /// Events that it does not see.
    pub others: Vec<(String, Value)>,
    seed: u64,
}

/// Events of Glassbox's own, with which most runs of a host begin.
const START: [&str; 2] = ["environment", "octoprint_started"];
const STOP: &str = "octoprint_stopping";
/// In place of an event that the component does not see.
pub const UNSEEN: &str = "(any other event)";

const SECOND: u64 = 1_000_000_000;

impl<'a> Inputs<'a> {
    /// Of this component, whose settings' schema is given. An audit with the same seed is the same.
    #[must_use]
    pub fn new(plugin: &'a Arc<Plugin>, values: Values, schema: &str, seed: u64) -> Self {
        let events: Vec<String> = plugin.policy.manifest().sees.iter().map(|sees| sees.event.clone()).collect();
        let mut others = values.others(&events);
        others.push(("SomethingElse".into(), json!({"owner": "me", "user": "me", "path": "a.gcode"})));
        Self { plugin, settings: settings(&plugin.policy, schema), others, values, seed }
    }

    /// The events that it sees, and one that it does not.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        let seen = self.plugin.policy.manifest().sees.iter().map(|sees| sees.event.clone());
        seen.chain([UNSEEN.into()]).collect()
    }

    /// The payload fields of an event that the manifest lists.
    #[must_use]
    pub fn fields(&self, event: &str) -> &[String] {
        let sees = &self.plugin.policy.manifest().sees;
        sees.iter().find(|sees| sees.event == event).map_or(&[], |sees| &sees.fields)
    }

    /// Everything that may be changed about this event.
    #[must_use]
    pub fn of(&self, event: &str) -> Vec<Input> {
        if event == UNSEEN {
            return vec![Input::Happens];
        }
        let mut inputs = vec![Input::Happens];
        inputs.extend(self.fields(event).iter().cloned().map(Input::Payload));
        inputs.push(Input::Unlisted);
        inputs.extend(MACHINE.into_iter().map(|field| Input::Hardware(field.into())));
        inputs.extend([Input::Throttle, Input::Clock, Input::Random]);
        inputs.extend(self.settings.iter().map(|(path, _)| Input::Setting(path.clone())));
        inputs.push(Input::Nothing);
        inputs
    }

    /// The scene of one trial.
    #[must_use]
    pub fn scene(&self, place: &[u64], event: &str) -> Scene {
        let mut chance = Chance::new(self.seed, place);
        let chance = &mut chance;
        let (name, payload) = match event {
            UNSEEN => chance.pick(&self.others).cloned().unwrap_or_default(),
            name => (name.into(), self.payload(chance, name)),
        };
        let mut scene = Scene {
            settings: self.document(chance),
            machine: self.values.machine(chance),
            mask: self.values.mask(chance),
            start: chance.next() >> (1 + chance.below(32)),
            gaps: gaps(chance),
            random: chance.next(),
            before: Vec::new(),
            event: Some((name, payload)),
            after: Vec::new(),
            looks: false,
        };
        scene.after = self.after(chance, event);
        if !chance.one_in(6) {
            // What starts a server together, in this order or the other way round.
            let behind = START.contains(&event) && chance.one_in(2);
            for name in START.into_iter().filter(|name| *name != event && self.plugin.policy.sees(name)) {
                let step = Step::Event(name.into(), self.payload(chance, name));
                if behind { scene.after.insert(0, step) } else { scene.before.push(step) }
            }
            scene.before.push(quiet(chance));
        }
        for _ in 0..chance.below(3) {
            scene.before.extend(self.other(chance, event));
        }
        scene
    }

    fn payload(&self, chance: &mut Chance, event: &str) -> Value {
        self.values.payload(chance, event, self.fields(event))
    }

    /// An event that the component sees; but that a server starts twice or stops before its time is rare.
    fn other(&self, chance: &mut Chance, event: &str) -> Option<Step> {
        let sees = &self.plugin.policy.manifest().sees;
        let name = &chance.pick(sees)?.event;
        let name = if chance.one_in(8) && event != UNSEEN { event } else { name };
        let rare = START.contains(&name) || name == STOP;
        (!rare || chance.one_in(4)).then(|| Step::Event(name.into(), self.payload(chance, name)))
    }

    /// Ticks, other events, now and then a new start; and the end of the server.
    fn after(&self, chance: &mut Chance, event: &str) -> Vec<Step> {
        let mut after = vec![quiet(chance)];
        for i in 0..4 {
            after.extend(self.other(chance, event));
            if i % 2 == 1 {
                after.push(quiet(chance));
            }
        }
        if chance.one_in(4) {
            after.insert(chance.below(after.len()), Step::Restart);
        }
        if self.plugin.policy.sees(STOP) {
            after.push(Step::Event(STOP.into(), Value::Null));
        }
        after
    }

    /// Settings with which it runs: most as they are by default.
    fn document(&self, chance: &mut Chance) -> Settings {
        let mut settings = Settings::default();
        let http = self.plugin.policy.manifest().capabilities.http.as_ref();
        for (path, default) in &self.settings {
            let is_id = http.is_some_and(|http| http.id_setting == *path);
            let value = match default {
                // An id that is missing is made by some components.
                Value::Null if is_id => (!chance.one_in(6)).then(|| chance.uuid().into()),
                Value::Null if chance.one_in(6) => None,
                Value::Null => Some(chance.text(12, "abcdefgh0123456789").into()),
                // Now and then not as it is by default.
                default => Some(if chance.one_in(24) { self.setting(chance, path, default) } else { default.clone() }),
            };
            if let Some(value) = value {
                // A path that leads nowhere is left out.
                let _ = settings.set(path, value);
            }
        }
        let _ = settings.set("enabled", true.into());
        settings
    }

    /// The same scene with this input changed; none if no other value was found. `word`: a value to take.
    #[must_use]
    pub fn vary(&self, scene: &Scene, input: &Input, place: &[u64], word: Option<&Value>) -> Option<Scene> {
        let mut chance = Chance::new(self.seed ^ 0x5eed, place);
        (0..8).find_map(|_| {
            let mut other = scene.clone();
            self.change(&mut other, input, &mut chance, word);
            (*input == Input::Nothing || self.differs(scene, &other, input)).then_some(other)
        })
    }

    fn change(&self, scene: &mut Scene, input: &Input, chance: &mut Chance, word: Option<&Value>) {
        match input {
            Input::Happens => scene.event = None,
            Input::Payload(path) => {
                let Some((_, payload)) = &mut scene.event else { return };
                let now = get(payload, path).cloned().unwrap_or_default();
                match word {
                    Some(word) => set(payload, path, word.clone()),
                    None if chance.one_in(16) => remove(payload, path),
                    None => set(payload, path, self.values.any(chance, path, &now)),
                }
            }
            Input::Unlisted => self.change_unlisted(scene, chance),
            Input::Hardware(field) => self.values.vary_machine(chance, &mut scene.machine, field),
            Input::Throttle => scene.mask = self.values.mask(chance),
            Input::Clock => {
                scene.start = chance.next() >> (1 + chance.below(32));
                scene.gaps = gaps(chance);
            }
            Input::Random => scene.random = chance.next(),
            Input::Setting(path) => {
                let now = scene.settings.get(path).cloned().unwrap_or_default();
                let _ = scene.settings.set(path, self.setting(chance, path, &now));
            }
            Input::Nothing => {}
        }
    }

    fn change_unlisted(&self, scene: &mut Scene, chance: &mut Chance) {
        let Some((event, payload)) = &mut scene.event else { return };
        let listed: Vec<&str> = self.fields(event).iter().map(|field| first(field)).collect();
        let Value::Object(object) = payload else { return };
        for (key, value) in object.iter_mut().filter(|(key, _)| !listed.contains(&key.as_str())) {
            *value = self.values.any(chance, key, value);
        }
        let more = ["size", "filename", "ip", "remoteAddress", "secret"].into_iter().chain(PRIVATE);
        for key in more.filter(|key| !listed.contains(key)) {
            if chance.one_in(2) {
                continue;
            }
            object.insert(key.into(), self.values.any(chance, key, &Value::Null));
        }
        // What lies deeper than a listed field is not listed.
        object.insert("more".into(), json!({"path": chance.text(9, "abcdef"), "deep": [{"er": chance.next()}]}));
    }

    fn setting(&self, chance: &mut Chance, path: &str, now: &Value) -> Value {
        let http = self.plugin.policy.manifest().capabilities.http.as_ref();
        let default =
            self.settings.iter().find(|(known, _)| known == path).map_or(&Value::Null, |(_, default)| default);
        if http.is_some_and(|http| http.id_setting == path) {
            return chance.uuid().into();
        }
        if http.is_some_and(|http| http.url_setting.as_deref() == Some(path)) {
            return format!("http://{}.example/{{id}}/{{event}}/", chance.text(6, "abcdefgh")).into();
        }
        match default {
            // "enabled", and whatever else is undecided by default.
            Value::Null if path == "enabled" => (now != &Value::Bool(true)).into(),
            Value::Null => chance.text(12, "abcdefgh0123456789").into(),
            default => other(chance, if now.is_null() { default } else { now }),
        }
    }

    /// Whether the component is given something else, and the manifest does not hide it.
    fn differs(&self, one: &Scene, other: &Scene, input: &Input) -> bool {
        match input {
            Input::Payload(_) => {
                let cut = |scene: &Scene| {
                    let (event, payload) = scene.event.as_ref()?;
                    self.plugin.policy.cut(event, &payload.to_string()).ok()?
                };
                // One that is too large does not arrive.
                cut(other).is_some() && cut(one) != cut(other)
            }
            Input::Unlisted => payload_text(one) != payload_text(other),
            Input::Hardware(_) => one.machine != other.machine,
            Input::Throttle => one.mask != other.mask,
            Input::Setting(_) => one.settings != other.settings,
            Input::Random => one.random != other.random,
            Input::Happens | Input::Clock | Input::Nothing => true,
        }
    }
}

/// The payload of a scene's event.
#[must_use]
pub fn payload_text(scene: &Scene) -> String {
    scene.event.as_ref().map_or_else(String::new, |(_, payload)| payload.to_string())
}

/// Times between events: from none to a day.
fn gaps(chance: &mut Chance) -> Vec<u64> {
    const GAPS: [u64; 9] =
        [0, 1_000_000, SECOND / 2, SECOND, 5 * SECOND, 30 * SECOND, 400 * SECOND, 3_600 * SECOND, 86_400 * SECOND];
    (0..8).map(|_| GAPS[chance.below(GAPS.len())] + chance.next() % SECOND * u64::from(chance.one_in(2))).collect()
}

/// A time in which one tick or another comes: some seconds, a quarter of an hour, a day.
fn quiet(chance: &mut Chance) -> Step {
    Step::Quiet([20, 1_000, 90_000][chance.below(3)] * SECOND)
}

/// Another value of the same kind.
fn other(chance: &mut Chance, value: &Value) -> Value {
    match value {
        Value::Bool(flag) => (!flag).into(),
        Value::Number(_) => [0, 1, 5, 20, 60, 600, 3600, 86_401][chance.below(8)].into(),
        Value::String(_) => chance.text(12, "abcdefgh0123456789").into(),
        _ => Value::Null,
    }
}

/// Every setting with its default: those of the component's schema, and those that the manifest names.
fn settings(policy: &Policy, schema: &str) -> Vec<(String, Value)> {
    fn walk(schema: &Value, before: &str, found: &mut Vec<(String, Value)>) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, inner) in properties.into_iter().flatten().take(64) {
            let path = format!("{before}{key}");
            if inner.get("properties").is_some() && before.len() < 64 {
                walk(inner, &format!("{path}."), found);
            } else {
                found.push((path, inner.get("default").cloned().unwrap_or_default()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&serde_json::from_str(schema).unwrap_or_default(), "", &mut found);
    let manifest = policy.manifest();
    let switches = manifest
        .says
        .iter()
        .flat_map(|says| says.switch.iter().chain(says.fields.iter().flat_map(|field| &field.switch)));
    let switches = switches.map(|path| (path.clone(), Value::Bool(true)));
    let http = manifest.capabilities.http.iter();
    let server =
        http.clone().flat_map(|http| http.url_setting.iter().map(|path| (path.clone(), http.url.clone().into())));
    let id = http.map(|http| (http.id_setting.clone(), Value::Null));
    for (path, default) in switches.chain(server).chain(id).chain([("enabled".into(), Value::Null)]) {
        if !found.iter().any(|(known, _)| *known == path) {
            found.push((path, default));
        }
    }
    found
}
