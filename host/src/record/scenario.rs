//! Instances to which the calls of a recording are made again. The host's answers come from the recording
//! ([`super::script`]), and what the instances ask is recorded again.

use super::crossing::{Call, HostCall, Load, Moment, RecordedCall, Restore, Returned, Start};
use super::recorded_instance::{done, failed};
use super::script::Script;
use super::tape::Tape;
use glassbox_sandbox::{Error, HeardAgain, Instance, Memory, Outcome, Plugin, Policy, RateLimit, Settings, consent};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The instances of a recording, by number.
#[derive(Default)]
pub struct Scenarios {
    all: BTreeMap<u64, Scenario>,
    scripts: BTreeMap<u64, Script>,
    /// Whether they are of another version than the one that was recorded: then each is shown what its own manifest lists,
    /// and carries on with what the one before it had heard and had due.
    others: bool,
}

struct Scenario {
    plugin: Arc<Plugin>,
    /// None once it has failed.
    instance: Option<Instance>,
    rate: RateLimit,
    /// What it had heard and had due when it failed.
    memory: Memory,
    /// Whether it began with the memory of another.
    carries_on: bool,
    tape: Tape,
    /// How much work the last call was.
    fuel: Option<u64>,
}

impl Scenarios {
    /// Of another version than the one that was recorded.
    pub fn of_another_version() -> Self {
        Self { others: true, ..Self::default() }
    }

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
                let before = start.after.and_then(|before| self.all.get(&before));
                // One that has failed is started again under its number.
                let memory = self.all.get(instance_id).or(before).filter(|_| self.others).map(Scenario::memory);
                let rate = before.map(Scenario::rate);
                let (scenario, returned) = Scenario::start(plugin, start, rate, memory, script);
                self.all.insert(*instance_id, scenario);
                returned
            }
            call => {
                self.all.get_mut(instance_id).map_or_else(never_started, |scenario| scenario.make(call, self.others))?
            }
        };
        let scenario = self.all.get(instance_id);
        let asked = scenario.map(|scenario| scenario.tape.take()).unwrap_or_default();
        let fuel = scenario.and_then(|scenario| scenario.fuel);
        let call = shown(plugin, call);
        Some(RecordedCall { instance_id: *instance_id, moment: *moment, call, asked, returned, fuel })
    }

    /// The reports that are due at that moment.
    pub fn due(&mut self, instance_id: u64, moment: &Moment) -> Vec<String> {
        self.scripts.entry(instance_id).or_default().expect(moment, &[]);
        let instance = self.all.get_mut(&instance_id).and_then(|scenario| scenario.instance.as_mut());
        instance.map(Instance::due).unwrap_or_default()
    }

    /// When the next report is due, in nanoseconds of the instance's clock.
    pub fn next_due(&self, instance_id: u64) -> Option<u64> {
        self.all.get(&instance_id)?.instance.as_ref()?.next_due()
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
    fn start(
        plugin: &Arc<Plugin>,
        start: &Start,
        rate: Option<RateLimit>,
        memory: Option<Memory>,
        script: &Script,
    ) -> (Self, Returned) {
        let veto = start.veto.as_deref().and_then(|veto| consent::VARIABLES.into_iter().find(|name| *name == veto));
        let (tape, capabilities) = Tape::tap(script.capabilities());
        let carries_on = memory.is_some();
        let (instance, returned) = match Instance::new(plugin, capabilities, veto, memory.unwrap_or_default()) {
            Ok(mut instance) => {
                rate.into_iter().for_each(|rate| instance.resume_rate_limit(rate));
                (Some(instance), Returned::Started)
            }
            Err(error) => (None, failed(&error)),
        };
        let (plugin, rate) = (plugin.clone(), rate.unwrap_or(RateLimit::new(0)));
        (Self { plugin, instance, rate, memory: Memory::default(), carries_on, tape, fuel: None }, returned)
    }

    fn rate(&self) -> RateLimit {
        self.instance.as_ref().map_or(self.rate, Instance::rate_limit)
    }

    fn memory(&self) -> Memory {
        self.instance.as_ref().map_or_else(|| self.memory.clone(), |instance| instance.memory().clone())
    }

    fn make(&mut self, call: &Call, other: bool) -> Option<Returned> {
        let Some(instance) = &mut self.instance else {
            return Some(Returned::Failed("it has failed before".into()));
        };
        let policy = &self.plugin.policy;
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
            Call::Restore(Restore { heard, state, age_ms, due }) => {
                let before = self.carries_on.then(|| instance.due_times());
                heard.iter().for_each(|event| drop(hear(instance, policy, event)));
                let due = due.as_ref().and_then(|due| serde_json::from_str(due).ok());
                if let Some(due) = with_own(before, due) {
                    instance.remember_due(&due);
                }
                let own = other.then(|| instance.heard_again());
                let restored = instance.restore(own.as_ref().unwrap_or(heard), state, *age_ms);
                restored.map(|restored| Some(Returned::Restored(restored.map_err(|reason| reason.0))))
            }
            Call::Heard { name } => {
                // Of one of which nothing was shown, nothing but its name is known.
                let _ = instance.hear(name, "null", 0);
                self.fuel = None;
                return Some(Returned::Heard);
            }
            Call::Event { name, .. } if !policy.sees(name) => Ok(None),
            Call::Event { name, payload } => event(instance, policy, name, payload, other),
            Call::Tick { due } => {
                // The clock is read; nothing more is heard.
                instance.due();
                instance.tick(due).map(|outcome| Some(done(&outcome)))
            }
            Call::Save => instance.save().map(|handover| Some(Returned::Saved(handover))),
        };
        self.fuel = instance.fuel();
        made.unwrap_or_else(|error| {
            (self.rate, self.memory) = (self.rate(), self.memory());
            self.instance = None;
            Some(failed(&error))
        })
    }
}

/// When what is due, by the recording; of reports that it does not name, when the version itself has them due.
fn with_own(own: Option<Value>, recorded: Option<Value>) -> Option<Value> {
    let (Some(Value::Object(mut times)), Some(recorded)) = (own.clone(), &recorded) else { return own.or(recorded) };
    for (kind, times) in &mut times {
        if let (Some(times), Some(recorded)) = (times.as_object_mut(), recorded[kind.as_str()].as_object()) {
            times.extend(recorded.clone());
        }
    }
    Some(times.into())
}

/// Hear an event as it was shown to another instance, of which nothing else is known. What this one is shown of it.
fn hear(instance: &mut Instance, policy: &Policy, event: &HeardAgain) -> Option<String> {
    let entered = policy.entered_before(&event.name, &event.payload)?;
    instance.hear_entered(&event.name, entered, event.age_ms, 0).ok()?
}

/// Show it an event as it was shown when it was recorded, or to another version, what that is shown of it.
fn event(
    instance: &mut Instance,
    policy: &Policy,
    name: &str,
    payload: &str,
    other: bool,
) -> Result<Option<Returned>, Error> {
    let own = hear(instance, policy, &HeardAgain { name: name.into(), payload: payload.into(), age_ms: 0 });
    // What is all of it stays as it was written: a number may not be written as it was read.
    let is_all = |own: &String| serde_json::from_str(own).ok() == serde_json::from_str::<Value>(payload).ok();
    let shown = match own {
        None if other => None,
        Some(own) if other && !is_all(&own) => Some(own),
        _ => Some(payload.into()),
    };
    let outcome: Option<Outcome> = shown.map(|shown| instance.show(name, &shown)).transpose()?;
    Ok(outcome.as_ref().map(done))
}
