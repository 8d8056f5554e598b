//! One run of a component, completely determined by its inputs: a fresh instance that counts fuel, a clock that
//! is set by hand, a given machine, a given salt. Which inputs are chosen is decided in
//! [`super::inputs`], and runs are compared in [`super::difference`].

use glassbox_sandbox::capabilities::{Capabilities, Hardware, Http, Machine};
use glassbox_sandbox::fake::{ManualClock, ManualThrottle};
use glassbox_sandbox::{Blocked, Error, Instance, Outcome, Outgoing, Plugin, Settings};
use serde_json::Value;
use std::sync::Arc;

/// All inputs of a run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The settings document.
    pub settings: Settings,
    /// The hardware probe's answer.
    pub machine: Machine,
    /// The throttle query's answer.
    pub mask: Option<u32>,
    /// What the clock shows at first, in nanoseconds.
    pub start: u64,
    /// The times between steps, in nanoseconds, used in turn.
    pub gaps: Vec<u64>,
    /// What the host hashes texts with.
    pub salt: String,
    /// What happens before.
    pub before: Vec<Step>,
    /// The event that is examined, and its payload; none to see what happens without it.
    pub event: Option<(String, Value)>,
    /// What happens after that.
    pub after: Vec<Step>,
    /// Whether to save its state after every call, to look for secrets in it, and not only before a restart.
    pub saves_after_each_call: bool,
}

/// Something that happens in a scenario.
#[derive(Clone, Debug)]
pub enum Step {
    /// Nothing but ticks, for so many nanoseconds.
    Quiet(u64),
    /// An event with its payload.
    Event(String, Value),
    /// The host is restarted: the next instance gets the state that this one saved.
    Restart,
}

/// What a run did.
#[derive(Debug)]
pub struct Trace {
    /// From the event on: the first is the call for the event itself, all others come later.
    pub calls: Vec<Call>,
    /// The calls before the event.
    pub before: Vec<Call>,
}

/// What one call of the component did.
#[derive(Debug, Default)]
pub struct Call {
    /// When it was made, in nanoseconds since the event.
    pub at: u64,
    /// What it sent.
    pub sent: Vec<Outgoing>,
    /// Requests that the gate stopped.
    pub blocked: Vec<Blocked>,
    /// In how many nanoseconds it wants the next tick; none for no tick.
    pub wait: Option<u64>,
    /// Its message for the log.
    pub message: Option<String>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
    /// The state that it saved for the next instance; empty where it was not asked to save.
    pub saved: String,
    /// The fuel that it used, with that for saving its state where it was asked to.
    pub fuel: u64,
}

impl Trace {
    /// All calls, also those before the event.
    pub fn all(&self) -> impl Iterator<Item = &Call> {
        self.before.iter().chain(&self.calls)
    }
}

impl Call {
    /// What was blocked because the manifest does not declare it, as `request: reason`.
    pub fn undeclared(&self) -> impl Iterator<Item = String> {
        let undeclared = self.blocked.iter().filter(|blocked| blocked.undeclared);
        undeclared.map(|blocked| format!("{}: {}", blocked.request, blocked.reason))
    }
}

/// The most ticks between two steps: a component that always wants the next tick at once would never be done.
const TICKS: usize = 3;

/// Run a scenario. None if the component does not accept the settings: then no host would run it.
///
/// # Errors
/// When the component does not start, or fails while it loads its settings.
pub fn run(plugin: &Arc<Plugin>, scenario: &Scenario) -> Result<Option<Trace>, Error> {
    let clock = ManualClock::new(scenario.start);
    let instance = start(plugin, scenario, &clock)?;
    let mut running =
        ScenarioRun { plugin, scenario, clock, instance, next: None, calls: Vec::new(), began: 0, steps: 0 };
    if running.instance.load(&scenario.settings)?.is_err() {
        return Ok(None);
    }
    running.tick();
    scenario.before.iter().for_each(|step| running.step(step));
    // Ticks that are due before the event do not belong to it.
    running.advance();
    let before = std::mem::take(&mut running.calls);
    running.began = running.clock.get();
    match &scenario.event {
        Some((name, payload)) => running.dispatch(name, payload),
        None => running.calls.push(Call { wait: running.wait(), ..Call::default() }),
    }
    scenario.after.iter().for_each(|step| running.step(step));
    Ok(Some(Trace { calls: running.calls, before }))
}

fn start(plugin: &Arc<Plugin>, scenario: &Scenario, clock: &ManualClock) -> Result<Instance, Error> {
    let throttle = ManualThrottle::default();
    throttle.set(scenario.mask);
    let capabilities = Capabilities {
        http: Box::new(DiscardingHttp),
        clock: Box::new(clock.clone()),
        hardware: Box::new(FixedHardware(scenario.machine.clone())),
        throttle: Box::new(throttle),
        salt: scenario.salt.clone(),
    };
    Instance::new(plugin, capabilities, None)
}

struct ScenarioRun<'a> {
    plugin: &'a Arc<Plugin>,
    scenario: &'a Scenario,
    clock: ManualClock,
    instance: Instance,
    next: Option<u64>,
    calls: Vec<Call>,
    began: u64,
    steps: usize,
}

impl ScenarioRun<'_> {
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

    /// Let the next of the times between steps pass.
    fn advance(&mut self) {
        let gaps = &self.scenario.gaps;
        let gap = gaps.get(self.steps % gaps.len().max(1)).copied().unwrap_or_default();
        self.steps += 1;
        self.pass(gap);
    }

    /// Let time pass, with the ticks that become due in it.
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
            // The component does not see this event.
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
        let restored = start(self.plugin, self.scenario, &self.clock).and_then(|instance| {
            self.instance = instance;
            let _ = self.instance.load(&self.scenario.settings)?;
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
                if self.scenario.saves_after_each_call {
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

/// Drops all requests: what was sent is in each call's outcome.
struct DiscardingHttp;

impl Http for DiscardingHttp {
    fn room(&self) -> usize {
        usize::MAX
    }
    fn queue(&mut self, _: Vec<Outgoing>) {}
}

struct FixedHardware(Machine);

impl Hardware for FixedHardware {
    fn probe(&self) -> Machine {
        self.0.clone()
    }
}
