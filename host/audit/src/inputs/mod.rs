//! The inputs of a component, each of which the audit changes by itself; how a scenario is put together from
//! generated values ([`super::value_generator`]), and how one input of it is changed.

mod sequence;
mod settings;

use super::prng::Prng;
use super::scenario::{Scenario, Step};
use super::value_generator::{MACHINE, PRIVATE, ValueGenerator, first, get, remove, set};
use glassbox_sandbox::{Plugin, Settings};
pub(crate) use sequence::{DAY, DAYS, EVENTS};
use sequence::{gaps, quiet};
use serde::Serialize;
use serde_json::{Value, json};
use settings::{ENABLED, settings};
use std::fmt;
use std::sync::Arc;

/// One input of a component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "kebab-case")]
pub enum Input {
    /// Whether the event happens at all.
    Happens,
    /// A payload field that the manifest lists.
    Payload(String),
    /// All payload fields that it does not list, together.
    Unlisted,
    /// A field of the hardware probe.
    Hardware(String),
    /// The throttle query.
    Throttle,
    /// The clock.
    Clock,
    /// What the host hashes texts with.
    Salt,
    /// A setting.
    Setting(String),
    /// What a fresh instance is handed: its age, what is shown again, and the state of another version.
    Handover,
    /// Two of the above at once.
    Two,
    /// None: the same scenario again, as a control.
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
            Self::Salt => write!(f, "salt"),
            Self::Setting(name) => write!(f, "setting {name}"),
            Self::Handover => write!(f, "handover"),
            Self::Two => write!(f, "(two at once)"),
            Self::Nothing => write!(f, "(nothing)"),
        }
    }
}

impl Input {
    /// Whether it does not belong to an event.
    pub fn is_general(&self) -> bool {
        !matches!(self, Self::Happens | Self::Payload(_) | Self::Unlisted | Self::Nothing)
    }

    /// Whether it takes any value, so that constants from the component's bytes are tried on it.
    pub fn takes_constants(&self) -> bool {
        matches!(self, Self::Payload(_))
    }
}

/// What scenarios are made from.
pub struct Inputs<'a> {
    /// The component.
    pub plugin: &'a Arc<Plugin>,
    /// Generated values.
    pub values: ValueGenerator,
    /// Its settings by path, each with its default (null for none).
    pub settings: Vec<(String, Value)>,
    /// Events that it does not see, with payloads.
    pub others: Vec<(String, Value)>,
    seed: u64,
}

/// Events that come from Glassbox itself, and with which most runs of a host begin.
const START: [&str; 2] = ["environment", "octoprint_started"];
const STOP: &str = "octoprint_stopping";
/// Stands for all events that the component does not see.
pub const UNSEEN: &str = "(any other event)";

impl<'a> Inputs<'a> {
    /// The inputs of this component. `schema` is its settings' JSON Schema (may be empty); with the same seed all
    /// scenarios are the same.
    pub fn new(plugin: &'a Arc<Plugin>, values: ValueGenerator, schema: &str, seed: u64) -> Self {
        let events: Vec<String> = plugin.policy.manifest().sees.iter().map(|sees| sees.event.clone()).collect();
        let mut others = values.others(&events);
        others.push(("SomethingElse".into(), json!({"owner": "me", "user": "me", "path": "a.gcode"})));
        Self { plugin, settings: settings(&plugin.policy, schema), others, values, seed }
    }

    /// The names of the events that it sees, and [`UNSEEN`].
    pub fn events(&self) -> Vec<String> {
        let seen = self.plugin.policy.manifest().sees.iter().map(|sees| sees.event.clone());
        seen.chain([UNSEEN.into()]).collect()
    }

    /// The paths of the payload fields that the manifest lists for an event.
    pub fn fields(&self, event: &str) -> Vec<String> {
        let sees = self.plugin.policy.manifest().sees.iter().find(|sees| sees.event == event);
        sees.into_iter().flat_map(|sees| &sees.fields).map(|field| field.name.clone()).collect()
    }

    /// All inputs that are changed in trials of this event.
    pub fn of(&self, event: &str) -> Vec<Input> {
        if event == UNSEEN {
            return vec![Input::Happens];
        }
        let mut inputs = vec![Input::Happens];
        inputs.extend(self.fields(event).into_iter().map(Input::Payload));
        inputs.push(Input::Unlisted);
        inputs.extend(MACHINE.into_iter().map(|field| Input::Hardware(field.into())));
        inputs.extend([Input::Throttle, Input::Clock, Input::Salt]);
        inputs.extend(self.settings.iter().map(|(path, _)| Input::Setting(path.clone())));
        inputs.extend([Input::Handover, Input::Two, Input::Nothing]);
        inputs
    }

    /// The scenario of one trial; `place` numbers it, so that each has pseudo-random choices of its own.
    pub fn scenario(&self, place: &[u64], event: &str) -> Scenario {
        let mut prng = Prng::new(self.seed, place);
        let prng = &mut prng;
        let (name, payload) = match event {
            UNSEEN => prng.pick(&self.others).cloned().unwrap_or_default(),
            name => (name.into(), self.payload(prng, name)),
        };
        let mut scenario = Scenario {
            settings: self.document(prng),
            machine: self.values.machine(prng),
            mask: self.values.mask(prng),
            start: prng.next() >> (1 + prng.below(32)),
            gaps: gaps(prng),
            salt: salt(prng),
            before: Vec::new(),
            event: Some((name, payload)),
            after: Vec::new(),
            saves_after_each_call: false,
        };
        scenario.after = self.after(prng, event);
        if !prng.one_in(6) {
            // The two come together at the start of a server, in this order or the other.
            let behind = START.contains(&event) && prng.one_in(2);
            for name in START.into_iter().filter(|name| *name != event && self.plugin.policy.sees(name)) {
                let step = Step::Event(name.into(), self.payload(prng, name));
                if behind { scenario.after.insert(0, step) } else { scenario.before.push(step) }
            }
            scenario.before.push(quiet(prng));
        }
        for _ in 0..prng.below(3) {
            scenario.before.extend(self.other(prng, event));
        }
        if prng.one_in(8) {
            scenario.before.push(Step::Restart(self.handover(prng)));
        }
        if event != UNSEEN {
            self.lengthen(&mut scenario, place, event, prng);
            scenario.before.extend(self.cause(prng, event));
        }
        scenario
    }

    fn payload(&self, prng: &mut Prng, event: &str) -> Value {
        self.values.payload(prng, event, &self.fields(event))
    }

    /// Settings with which it runs: most have their default.
    fn document(&self, prng: &mut Prng) -> Settings {
        let mut settings = Settings::default();
        let http = self.plugin.policy.manifest().capabilities.http.as_ref();
        for (path, default) in &self.settings {
            let is_id = http.is_some_and(|http| http.id_setting == *path);
            let value = match default {
                // The host makes an id where there is none.
                _ if is_id => Some(prng.uuid().into()),
                Value::Null if prng.one_in(6) => None,
                Value::Null => Some(prng.text(12, "abcdefgh0123456789").into()),
                // Sometimes another value than the default.
                default => Some(if prng.one_in(32) { self.setting(prng, path, default) } else { default.clone() }),
            };
            if let Some(value) = value {
                // A path through something that is not an object is left out.
                let _ = settings.set(path, value);
            }
        }
        let _ = settings.set(ENABLED, true.into());
        settings
    }

    /// The same scenario with this input changed. `constant`: the value for a payload field, in place of a generated
    /// one. None if eight attempts gave no other value.
    pub fn vary(
        &self,
        scenario: &Scenario,
        input: &Input,
        place: &[u64],
        constant: Option<&Value>,
    ) -> Option<Scenario> {
        let mut prng = Prng::new(self.seed ^ 0x5eed, place);
        (0..8).find_map(|_| {
            let mut other = scenario.clone();
            self.change(&mut other, input, &mut prng, constant);
            (*input == Input::Nothing || self.differs(scenario, &other, input)).then_some(other)
        })
    }

    fn change(&self, scenario: &mut Scenario, input: &Input, prng: &mut Prng, constant: Option<&Value>) {
        match input {
            Input::Happens => scenario.event = None,
            Input::Payload(path) => {
                let Some((_, payload)) = &mut scenario.event else { return };
                let now = get(payload, path).cloned().unwrap_or_default();
                match constant {
                    Some(constant) => set(payload, path, constant.clone()),
                    None if prng.one_in(16) => remove(payload, path),
                    None => set(payload, path, self.values.any(prng, path, &now)),
                }
            }
            Input::Unlisted => self.change_unlisted(scenario, prng),
            Input::Hardware(field) => self.values.vary_machine(prng, &mut scenario.machine, field),
            Input::Throttle => scenario.mask = self.values.mask(prng),
            Input::Clock => {
                scenario.start = prng.next() >> (1 + prng.below(32));
                scenario.gaps = gaps(prng);
            }
            Input::Salt => scenario.salt = salt(prng),
            Input::Setting(path) => {
                let now = scenario.settings.get(path).cloned().unwrap_or_default();
                let _ = scenario.settings.set(path, self.setting(prng, path, &now));
            }
            Input::Handover => {
                let steps = scenario.before.iter_mut().chain(&mut scenario.after);
                for handover in steps.filter_map(|step| match step {
                    Step::Restart(handover) => Some(handover),
                    _ => None,
                }) {
                    *handover = self.handover(prng);
                }
            }
            Input::Two => {
                let Some(event) = scenario.event.as_ref().map(|(event, _)| event.clone()) else { return };
                let two = |input: &Input| !matches!(input, Input::Happens | Input::Two | Input::Nothing | Input::Clock);
                let inputs: Vec<_> = self.of(&event).into_iter().filter(two).collect();
                for _ in 0..2 {
                    if let Some(input) = prng.pick(&inputs) {
                        self.change(scenario, input, prng, None);
                    }
                }
            }
            Input::Nothing => {}
        }
    }

    fn change_unlisted(&self, scenario: &mut Scenario, prng: &mut Prng) {
        let Some((event, payload)) = &mut scenario.event else { return };
        let fields = self.fields(event);
        let listed: Vec<&str> = fields.iter().map(|field| first(field)).collect();
        let Value::Object(object) = payload else { return };
        for (key, value) in object.iter_mut().filter(|(key, _)| !listed.contains(&key.as_str())) {
            *value = self.values.any(prng, key, value);
        }
        let more = ["size", "filename", "ip", "remoteAddress", "secret"].into_iter().chain(PRIVATE);
        for key in more.filter(|key| !listed.contains(key)) {
            if prng.one_in(2) {
                continue;
            }
            object.insert(key.into(), self.values.any(prng, key, &Value::Null));
        }
        // Fields below these names are not listed either.
        object.insert("more".into(), json!({"path": prng.text(9, "abcdef"), "deep": [{"er": prng.next()}]}));
    }

    fn setting(&self, prng: &mut Prng, path: &str, now: &Value) -> Value {
        let http = self.plugin.policy.manifest().capabilities.http.as_ref();
        let default =
            self.settings.iter().find(|(known, _)| known == path).map_or(&Value::Null, |(_, default)| default);
        if http.is_some_and(|http| http.id_setting == path) {
            return prng.uuid().into();
        }
        if http.is_some_and(|http| http.url_setting.as_deref() == Some(path)) {
            return format!("http://{}.example/{{id}}/{{event}}/", prng.text(6, "abcdefgh")).into();
        }
        match default {
            // "enabled" is null by default: the user has not decided.
            Value::Null if path == "enabled" => (now != &Value::Bool(true)).into(),
            Value::Null => prng.text(12, "abcdefgh0123456789").into(),
            default => other(prng, if now.is_null() { default } else { now }),
        }
    }

    /// Whether the component is given something else: a change that the host cuts away does not count.
    fn differs(&self, one: &Scenario, other: &Scenario, input: &Input) -> bool {
        match input {
            Input::Payload(_) => {
                let cut = |scenario: &Scenario| {
                    let (event, payload) = scenario.event.as_ref()?;
                    self.plugin.policy.enter(event, &payload.to_string(), &scenario.salt).ok()?
                };
                // A payload that is too large is not delivered.
                cut(other).is_some() && cut(one) != cut(other)
            }
            Input::Unlisted => payload_text(one) != payload_text(other),
            Input::Hardware(_) => one.machine != other.machine,
            Input::Throttle => one.mask != other.mask,
            Input::Setting(_) => one.settings != other.settings,
            Input::Salt => one.salt != other.salt,
            Input::Handover => one.handovers().ne(other.handovers()),
            Input::Happens | Input::Clock | Input::Two | Input::Nothing => true,
        }
    }
}

/// The payload of a scenario's event as JSON text; empty where the event does not happen.
pub fn payload_text(scenario: &Scenario) -> String {
    scenario.event.as_ref().map_or_else(String::new, |(_, payload)| payload.to_string())
}

/// A salt as the host makes it.
fn salt(prng: &mut Prng) -> String {
    format!("{:016x}{:016x}", prng.next(), prng.next())
}

/// Another value of the same kind.
fn other(prng: &mut Prng, value: &Value) -> Value {
    match value {
        Value::Bool(flag) => (!flag).into(),
        Value::Number(_) => [0, 1, 5, 20, 60, 600, 3600, 86_401][prng.below(8)].into(),
        Value::String(_) => prng.text(12, "abcdefgh0123456789").into(),
        _ => Value::Null,
    }
}
