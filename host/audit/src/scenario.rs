//! One run of a component, wholly determined by its inputs: a fresh instance that counts fuel, a clock
//! that is set by hand, a given machine, random bytes from a seed. What the inputs are chosen to be is
//! not here ([`super::values`]), nor what two runs have in common ([`super::difference`]).

use super::prng::Chance;
use glassbox_sandbox::capabilities::{Capabilities, Hardware, Http, Machine, Random};
use glassbox_sandbox::fake::{ManualClock, ManualThrottle};
use glassbox_sandbox::{Blocked, Error, Instance, Outcome, Outgoing, Plugin, Settings};
use serde_json::Value;
use std::sync::Arc;

/// All inputs of a run.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The settings document.
    pub settings: Settings,
    /// The hardware probe's answer.
    pub machine: Machine,
    /// The throttle query's answer.
    pub mask: Option<u32>,
    /// What the clock shows at first.
    pub start: u64,
    /// How long it takes from one step to the next, in turn.
    pub gaps: Vec<u64>,
    /// What random bytes are made of.
    pub random: u64,
    /// What happens before.
    pub before: Vec<Step>,
    /// What it is about; none where it does not happen.
    pub event: Option<(String, Value)>,
    /// What happens after that.
    pub after: Vec<Step>,
    /// Whether to look at what it keeps after every call, and not only where it is started again.
    pub looks: bool,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// Nothing but ticks, for so many nanoseconds.
    Quiet(u64),
    /// An event with its payload.
    Event(String, Value),
    /// The host ends and is started again: the next instance has what this one saved.
    Restart,
}

/// What a run did, from its event on.
#[derive(Debug)]
pub struct Run {
    /// The first is the event itself, all others come later.
    pub calls: Vec<Call>,
    /// The settings as they were completed.
    pub settings: Settings,
    /// What was said before the event.
    pub before: Vec<Call>,
}

/// What a call did.
#[derive(Debug, Default)]
pub struct Call {
    /// Nanoseconds since the event.
    pub at: u64,
    /// What it sent.
    pub sent: Vec<Outgoing>,
    /// What did not get past the gate.
    pub blocked: Vec<Blocked>,
    /// In how many nanoseconds the next tick is wanted.
    pub wait: Option<u64>,
    /// Its message for the log.
    pub message: Option<String>,
    /// Why it failed.
    pub failed: Option<String>,
    /// What it keeps for the next instance; empty if nobody looked.
    pub saved: String,
    /// Fuel that was used, together with that for saving if somebody looked.
    pub fuel: u64,
}

impl Run {
    /// All calls, also those before the event.
    pub fn all(&self) -> impl Iterator<Item = &Call> {
        self.before.iter().chain(&self.calls)
    }
}

impl Call {
    /// What was refused because the manifest does not declare it.
    pub fn undeclared(&self) -> impl Iterator<Item = String> {
        let undeclared = self.blocked.iter().filter(|blocked| blocked.undeclared);
        undeclared.map(|blocked| format!("{}: {}", blocked.request, blocked.reason))
    }
}

/// So many ticks come at most while time passes: a component that always wants the next one at once gets
/// no more.
const TICKS: usize = 3;

/// Run it; none if the settings are not accepted: then no host would run it.
///
/// # Errors
/// When it does not start, or fails at its settings.
pub fn run(plugin: &Arc<Plugin>, scene: &Scene) -> Result<Option<Run>, Error> {
    let clock = ManualClock::new(scene.start);
    let instance = start(plugin, scene, &clock)?;
    let mut stage = Stage { plugin, scene, clock, instance, next: None, calls: Vec::new(), began: 0, steps: 0 };
    let Ok(settings) = stage.instance.load(&scene.settings)? else { return Ok(None) };
    stage.tick();
    scene.before.iter().for_each(|step| stage.step(step));
    // Ticks that were due before it belong to what was before.
    stage.advance();
    let before = std::mem::take(&mut stage.calls);
    stage.began = stage.clock.get();
    match &scene.event {
        Some((name, payload)) => stage.dispatch(name, payload),
        None => stage.calls.push(Call { wait: stage.wait(), ..Call::default() }),
    }
    scene.after.iter().for_each(|step| stage.step(step));
    Ok(Some(Run { calls: stage.calls, settings, before }))
}

fn start(plugin: &Arc<Plugin>, scene: &Scene, clock: &ManualClock) -> Result<Instance, Error> {
    let throttle = ManualThrottle::default();
    throttle.set(scene.mask);
    let capabilities = Capabilities {
        http: Box::new(Nowhere),
        clock: Box::new(clock.clone()),
        hardware: Box::new(Given(scene.machine.clone())),
        throttle: Box::new(throttle),
        random: Box::new(Seeded(Chance::new(scene.random, &[]))),
    };
    Instance::new(plugin, capabilities, None)
}

struct Stage<'a> {
    plugin: &'a Arc<Plugin>,
    scene: &'a Scene,
    clock: ManualClock,
    instance: Instance,
    next: Option<u64>,
    calls: Vec<Call>,
    began: u64,
    steps: usize,
}

impl Stage<'_> {
    fn step(&mut self, step: &Step) {
        if self.failed() {
            return;
        }
        match step {
            Step::Quiet(time) => self.pass(*time),
            Step::Event(name, payload) => {
                self.advance();
                self.dispatch(name, payload);
            }
            Step::Restart => self.restart(),
        }
    }

    fn failed(&self) -> bool {
        self.calls.last().is_some_and(|call| call.failed.is_some())
    }

    /// Some time passes before an event.
    fn advance(&mut self) {
        let gaps = &self.scene.gaps;
        let gap = gaps.get(self.steps % gaps.len().max(1)).copied().unwrap_or_default();
        self.steps += 1;
        self.pass(gap);
    }

    /// Time passes, and ticks come when they are due in it: when they are wanted changes when no event comes.
    fn pass(&mut self, gap: u64) {
        let then = self.clock.get().saturating_add(gap);
        for _ in 0..TICKS {
            match self.next {
                Some(at) if at <= then && !self.failed() => {
                    self.clock.set(at.max(self.clock.get()));
                    self.tick();
                }
                _ => break,
            }
        }
        self.clock.set(then);
    }

    fn dispatch(&mut self, name: &str, payload: &Value) {
        let outcome = self.instance.on_event(name, &payload.to_string());
        match outcome.transpose() {
            Some(outcome) => self.keep(outcome),
            // It does not see this one.
            None => self.calls.push(Call { at: self.since(), wait: self.wait(), ..Call::default() }),
        }
    }

    fn tick(&mut self) {
        let outcome = self.instance.on_tick();
        self.keep(outcome);
    }

    fn restart(&mut self) {
        let saved = match self.instance.save() {
            Ok(saved) => saved,
            Err(error) => return self.keep(Err(error)),
        };
        let restored = start(self.plugin, self.scene, &self.clock).and_then(|instance| {
            self.instance = instance;
            let _ = self.instance.load(&self.scene.settings)?;
            self.instance.restore(&saved, 0)
        });
        match restored {
            Ok(_) => self.tick(),
            Err(error) => self.keep(Err(error)),
        }
    }

    fn since(&self) -> u64 {
        self.clock.get().saturating_sub(self.began)
    }

    fn wait(&self) -> Option<u64> {
        self.next.map(|at| at.saturating_sub(self.clock.get()))
    }

    fn used(&self) -> u64 {
        self.instance.fuel().unwrap_or_default()
    }

    fn keep(&mut self, outcome: Result<Outcome, Error>) {
        let mut call = Call { at: self.since(), fuel: self.used(), ..Call::default() };
        match outcome {
            Ok(outcome) => {
                self.next = outcome.next_tick;
                call.wait = self.wait();
                (call.sent, call.blocked, call.message) = (outcome.sent, outcome.blocked, outcome.message);
                if self.scene.looks {
                    match self.instance.save() {
                        Ok(saved) => call.saved = saved,
                        Err(error) => call.failed = Some(error.reasons.join("; ")),
                    }
                    call.fuel += self.used();
                }
            }
            Err(error) => call.failed = Some(error.reasons.join("; ")),
        }
        self.calls.push(call);
    }
}

/// Requests end here; what was sent is in the outcome.
struct Nowhere;

impl Http for Nowhere {
    fn room(&self) -> usize {
        usize::MAX
    }
    fn queue(&mut self, _: Vec<Outgoing>) {}
}

struct Given(Machine);

impl Hardware for Given {
    fn probe(&self) -> Machine {
        self.0.clone()
    }
}

struct Seeded(Chance);

impl Random for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) -> bool {
        for byte in buffer {
            *byte = self.0.next().to_le_bytes()[7];
        }
        true
    }
}
