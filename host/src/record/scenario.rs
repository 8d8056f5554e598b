//! Instances that are called again as a recording says. Their host answers from the recording
//! ([`super::script`]), and what they ask is kept as it was then.

use super::crossing::{Asked, Back, Call, Passage, Start};
use super::script::Script;
use super::tape::Tape;
use super::watched::{added, done, failed};
use glassbox_sandbox::{Instance, Plugin, Rate, Settings, consent};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All instances of a recording, by their numbers.
#[derive(Default)]
pub struct Scenarios {
    all: BTreeMap<u64, Scenario>,
    scripts: BTreeMap<u64, Script>,
}

struct Scenario {
    /// None once it has failed.
    instance: Option<Instance>,
    rate: Rate,
    tape: Tape,
    /// How much work the last call was.
    fuel: Option<u64>,
}

impl Scenarios {
    /// Look ahead: what hardware and throttling will first be known to be, each instance is told before.
    pub fn foresee<'a>(&mut self, passages: impl Iterator<Item = &'a Passage>) {
        let mut known: BTreeMap<u64, (Option<_>, Option<_>)> = BTreeMap::new();
        for passage in passages {
            let (machine, throttle) = known.entry(passage.life).or_default();
            for asked in &passage.asked {
                match asked {
                    Asked::Probe(probed) => drop(machine.get_or_insert((**probed).clone())),
                    Asked::Query(mask) => drop(throttle.get_or_insert(*mask)),
                    _ => {}
                }
            }
        }
        for (life, (machine, throttle)) in known {
            self.scripts.entry(life).or_default().foresee(machine.as_ref(), throttle);
        }
    }

    /// Make the call once more. None if it does not reach the component, as this version does not see
    /// such events.
    pub fn perform(&mut self, plugin: &Arc<Plugin>, passage: &Passage) -> Option<Passage> {
        let Passage { life, moment, call, asked, .. } = passage;
        let script = self.scripts.entry(*life).or_default();
        script.expect(moment, asked);
        let back = match call {
            Call::Start(start) => {
                let rate = start.after.and_then(|before| self.all.get(&before)).map(Scenario::rate);
                let (scenario, back) = Scenario::start(plugin, start, rate, script);
                self.all.insert(*life, scenario);
                back
            }
            call => self.all.get_mut(life).map_or_else(never_started, |scenario| scenario.make(call))?,
        };
        let scenario = self.all.get(life);
        let asked = scenario.map(|scenario| scenario.tape.take()).unwrap_or_default();
        let fuel = scenario.and_then(|scenario| scenario.fuel);
        Some(Passage { life: *life, moment: *moment, call: call.clone(), asked, back, fuel })
    }
}

fn never_started() -> Option<Back> {
    Some(Back::Failed("it was never started".into()))
}

impl Scenario {
    fn start(plugin: &Arc<Plugin>, start: &Start, rate: Option<Rate>, script: &Script) -> (Self, Back) {
        let veto = start.veto.as_deref().and_then(|veto| consent::VARIABLES.into_iter().find(|name| *name == veto));
        let (tape, capabilities) = Tape::tap(script.capabilities(), &plugin.policy);
        let (instance, back) = match Instance::new(plugin, capabilities, veto) {
            Ok(mut instance) => {
                rate.into_iter().for_each(|rate| instance.go_on_from(rate));
                (Some(instance), Back::Started)
            }
            Err(error) => (None, failed(&error)),
        };
        (Self { instance, rate: rate.unwrap_or(Rate::new(0)), tape, fuel: None }, back)
    }

    fn rate(&self) -> Rate {
        self.instance.as_ref().map_or(self.rate, Instance::rate)
    }

    fn make(&mut self, call: &Call) -> Option<Back> {
        let Some(instance) = &mut self.instance else {
            return Some(Back::Failed("it has failed before".into()));
        };
        let made = match call {
            Call::Start(_) => Ok(None),
            Call::Load(document) => match Settings::parse(document) {
                Ok(settings) => instance
                    .load(&settings)
                    .map(|loaded| loaded.map(|completed| added(&settings, &completed)).map_err(|reason| reason.0))
                    .map(|loaded| Some(Back::Loaded(loaded))),
                Err(reason) => Ok(Some(Back::Loaded(Err(format!("the recorded settings are none: {reason}"))))),
            },
            Call::Restore { state, age } => {
                instance.restore(state, *age).map(|restored| Some(Back::Restored(restored.map_err(|reason| reason.0))))
            }
            Call::Event { name, payload } => instance.dispatch(name, payload).map(|outcome| outcome.as_ref().map(done)),
            Call::Tick => instance.dispatch_tick().map(|outcome| Some(done(&outcome))),
            Call::Save => instance.save().map(|state| Some(Back::Saved(state))),
        };
        self.fuel = instance.fuel();
        made.unwrap_or_else(|error| {
            self.rate = self.rate();
            self.instance = None;
            Some(failed(&error))
        })
    }
}
