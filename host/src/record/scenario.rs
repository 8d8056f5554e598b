//! Instances to which the calls of a recording are made again. The host's answers come from the recording
//! ([`super::script`]), and what the instances ask is recorded again.

use super::crossing::{Call, HostCall, Load, RecordedCall, Returned, Start};
use super::recorded_instance::{done, failed};
use super::script::Script;
use super::tape::Tape;
use glassbox_sandbox::{Instance, Manifest, Plugin, RateLimit, Settings, consent};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The instances of a recording, by number.
#[derive(Default)]
pub struct Scenarios {
    all: BTreeMap<u64, Scenario>,
    scripts: BTreeMap<u64, Script>,
}

struct Scenario {
    plugin: Arc<Plugin>,
    /// None once it has failed.
    instance: Option<Instance>,
    rate: RateLimit,
    tape: Tape,
    /// How much work the last call was.
    fuel: Option<u64>,
}

impl Scenarios {
    /// Look ahead, so that instances which ask about hardware or throttling earlier than was recorded get the first
    /// answer that was recorded.
    pub fn look_ahead<'a>(&mut self, calls: impl Iterator<Item = &'a RecordedCall>) {
        let mut known: BTreeMap<u64, (Option<_>, Option<_>)> = BTreeMap::new();
        for recorded in calls {
            let (machine, throttle) = known.entry(recorded.instance_id).or_default();
            for asked in &recorded.asked {
                match asked {
                    HostCall::Probe(probed) => drop(machine.get_or_insert((**probed).clone())),
                    HostCall::Query(mask) => drop(throttle.get_or_insert(*mask)),
                    _ => {}
                }
            }
        }
        for (instance_id, (machine, throttle)) in known {
            self.scripts.entry(instance_id).or_default().look_ahead(machine.as_ref(), throttle);
        }
    }

    /// Make a call again. None if it does not reach the component, because this version does not see such events.
    pub fn perform(&mut self, plugin: &Arc<Plugin>, recorded: &RecordedCall) -> Option<RecordedCall> {
        let RecordedCall { instance_id, moment, call, asked, .. } = recorded;
        let script = self.scripts.entry(*instance_id).or_default();
        script.expect(moment, asked);
        let returned = match call {
            Call::Start(start) => {
                let rate = start.after.and_then(|before| self.all.get(&before)).map(Scenario::rate);
                let (scenario, returned) = Scenario::start(plugin, start, rate, script);
                self.all.insert(*instance_id, scenario);
                returned
            }
            call => self.all.get_mut(instance_id).map_or_else(never_started, |scenario| scenario.make(call))?,
        };
        let scenario = self.all.get(instance_id);
        let asked = scenario.map(|scenario| scenario.tape.take()).unwrap_or_default();
        let fuel = scenario.and_then(|scenario| scenario.fuel);
        let call = shown(plugin, call);
        Some(RecordedCall { instance_id: *instance_id, moment: *moment, call, asked, returned, fuel })
    }
}

/// The call as this version is shown it.
fn shown(plugin: &Plugin, call: &Call) -> Call {
    let Call::Load(Load { document, .. }) = call else { return call.clone() };
    Settings::parse(document).map_or(call.clone(), |settings| Call::Load(Load::new(&plugin.policy, &settings)))
}

fn never_started() -> Option<Returned> {
    Some(Returned::Failed("it was never started".into()))
}

impl Scenario {
    fn start(plugin: &Arc<Plugin>, start: &Start, rate: Option<RateLimit>, script: &Script) -> (Self, Returned) {
        let veto = start.veto.as_deref().and_then(|veto| consent::VARIABLES.into_iter().find(|name| *name == veto));
        let (tape, capabilities) = Tape::tap(script.capabilities(), &plugin.policy);
        let (instance, returned) = match Instance::new(plugin, capabilities, veto) {
            Ok(mut instance) => {
                rate.into_iter().for_each(|rate| instance.resume_rate_limit(rate));
                (Some(instance), Returned::Started)
            }
            Err(error) => (None, failed(&error)),
        };
        (Self { plugin: plugin.clone(), instance, rate: rate.unwrap_or(RateLimit::new(0)), tape, fuel: None }, returned)
    }

    fn rate(&self) -> RateLimit {
        self.instance.as_ref().map_or(self.rate, Instance::rate_limit)
    }

    fn make(&mut self, call: &Call) -> Option<Returned> {
        let Some(instance) = &mut self.instance else {
            return Some(Returned::Failed("it has failed before".into()));
        };
        let made = match call {
            Call::Start(_) => Ok(None),
            Call::Load(Load { document, .. }) => match Settings::parse(document) {
                Ok(settings) => {
                    instance.load(&settings).map(|loaded| Some(Returned::Loaded(loaded.map_err(|reason| reason.0))))
                }
                Err(reason) => {
                    let reason = format!("the recorded settings are not valid: {reason}");
                    Ok(Some(Returned::Loaded(Err(reason))))
                }
            },
            Call::Restore { state, age } => instance
                .restore(state, *age)
                .map(|restored| Some(Returned::Restored(restored.map_err(|reason| reason.0)))),
            Call::Event { name, payload } => match seen(self.plugin.policy.manifest(), name, payload) {
                Some(seen) => instance.show(name, &seen).map(|outcome| Some(done(&outcome))),
                None => Ok(None),
            },
            Call::Tick => instance.dispatch_tick().map(|outcome| Some(done(&outcome))),
            Call::Save => instance.save().map(|state| Some(Returned::Saved(state))),
        };
        self.fuel = instance.fuel();
        made.unwrap_or_else(|error| {
            self.rate = self.rate();
            self.instance = None;
            Some(failed(&error))
        })
    }
}

/// Of a payload that has entered, what this manifest lists; none if it does not list the event. For the version that was
/// recorded that is all of it; another one sees no field that is not its own, and in no other form than was recorded.
fn seen(manifest: &Manifest, event: &str, payload: &str) -> Option<String> {
    let fields = &manifest.sees.iter().find(|sees| sees.event == event)?.fields;
    let Ok(Value::Object(mut entered)) = serde_json::from_str(payload) else { return Some(payload.into()) };
    keep(&mut entered, &fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>());
    Some(Value::Object(entered).to_string())
}

fn keep(object: &mut Map<String, Value>, paths: &[&str]) {
    object.retain(|key, value| {
        let is_listed = paths.contains(&key.as_str());
        let rest: Vec<_> = paths
            .iter()
            .filter_map(|path| path.split_once('.'))
            .filter(|(first, _)| first == key)
            .map(|(_, rest)| rest)
            .collect();
        match value {
            Value::Object(inner) if !is_listed => keep(inner, &rest),
            _ => {}
        }
        is_listed || !rest.is_empty()
    });
}
