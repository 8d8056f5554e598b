//! One run of a component, completely determined by its inputs: a fresh instance that counts fuel, a clock that
//! is set by hand, a given machine, a given salt. Which inputs are chosen is decided in
//! [`super::inputs`], and runs are compared in [`super::difference`].

use crate::fake::{ManualClock, ManualThrottle};
use glassbox_contract::Deliver;
use glassbox_sandbox::capabilities::{Capabilities, Hardware, Http, Machine};
use glassbox_sandbox::{Blocked, Error, Instance, Memory, Outcome, Outgoing, Plugin, Settings};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

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
    /// The host is restarted, or the component replaced.
    Restart(Handover),
}

/// What a fresh instance is handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// How long ago the one before it was saved, in milliseconds.
    pub age_ms: u64,
    /// Whether the host still knows what was heard; otherwise nothing is shown again, and nothing is due.
    pub remembers: bool,
    /// The state, as another version might have left it; none for what was saved.
    pub state: Option<String>,
}

/// What a run did.
#[derive(Debug)]
pub struct Trace {
    /// From the event on: the first is the call for the event itself, all others come later.
    pub calls: Vec<Call>,
    /// The calls before the event.
    pub before: Vec<Call>,
    /// How many events were delivered before it.
    pub events_before: usize,
    /// How many nanoseconds passed before it, with all ticks that were due in them.
    pub time_before: u64,
    /// Whether ticks were left out anywhere, as there were too many.
    pub cut_short: bool,
    /// What it refused after it had begun: settings, with which it ended, or a state, without which it went on.
    pub refused: Vec<String>,
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

impl Scenario {
    /// Whether an instance is handed a state that no instance of this component has saved.
    pub fn has_foreign_state(&self) -> bool {
        self.handovers().any(|handover| handover.state.is_some())
    }

    /// What fresh instances are handed, in order.
    pub fn handovers(&self) -> impl Iterator<Item = &Handover> {
        self.before.iter().chain(&self.after).filter_map(|step| match step {
            Step::Restart(handover) => Some(handover),
            _ => None,
        })
    }
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

/// The most ticks between two steps, which is more than a day has with the usual rhythm: a component that always wants the
/// next tick at once would never be done.
const TICKS: usize = 120;

/// Run a scenario; or the component's reason to refuse the settings, with which no host would run it.
///
/// # Errors
/// When the component does not start, or fails while it loads its settings.
pub fn run(plugin: &Arc<Plugin>, scenario: &Scenario) -> Result<Result<Trace, String>, Error> {
    let clock = ManualClock::new(scenario.start);
    let instance = start(plugin, scenario, &clock, Memory::default())?;
    let mut running = ScenarioRun::new(plugin, scenario, clock, instance);
    if let Err(reason) = running.instance.load(&scenario.settings)? {
        return Ok(Err(reason.to_string()));
    }
    if let Err(reason) = running.instance.restore(&[], "{}", 0)? {
        running.refused.push(format!("an empty state: {reason}"));
    }
    running.tick();
    scenario.before.iter().for_each(|step| running.step(step));
    // Ticks that are due before the event do not belong to it.
    running.advance();
    let before = std::mem::take(&mut running.calls);
    let (events_before, time_before) = (running.events, if running.cut_short { 0 } else { running.passed });
    running.began = running.clock.get();
    match &scenario.event {
        Some((name, payload)) if !running.ended => running.dispatch(name, payload),
        _ => running.calls.push(Call { wait: running.wait(), ..Call::default() }),
    }
    scenario.after.iter().for_each(|step| running.step(step));
    let ScenarioRun { calls, cut_short, refused, .. } = running;
    Ok(Ok(Trace { calls, before, events_before, time_before, cut_short, refused }))
}

fn start(plugin: &Arc<Plugin>, scenario: &Scenario, clock: &ManualClock, memory: Memory) -> Result<Instance, Error> {
    let throttle = ManualThrottle::default();
    throttle.set(scenario.mask);
    let capabilities = Capabilities {
        http: Box::new(DiscardingHttp),
        clock: Box::new(clock.clone()),
        hardware: Box::new(FixedHardware(scenario.machine.clone())),
        throttle: Box::new(throttle),
        salt: scenario.salt.clone(),
    };
    Instance::new(plugin, capabilities, None, memory)
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
    events: usize,
    passed: u64,
    cut_short: bool,
    refused: Vec<String>,
    /// It refused its settings, with which no host would run it.
    ended: bool,
}

impl<'a> ScenarioRun<'a> {
    fn new(plugin: &'a Arc<Plugin>, scenario: &'a Scenario, clock: ManualClock, instance: Instance) -> Self {
        Self {
            plugin,
            scenario,
            clock,
            instance,
            next: None,
            calls: Vec::new(),
            began: 0,
            steps: 0,
            events: 0,
            passed: 0,
            cut_short: false,
            refused: Vec::new(),
            ended: false,
        }
    }

    fn step(&mut self, step: &Step) {
        if self.failed() || self.ended {
            return;
        }
        match step {
            Step::Quiet(time) => self.pass(*time),
            Step::Event(name, payload) => {
                self.advance();
                self.dispatch(name, payload);
            }
            Step::Restart(handover) => self.restart(handover),
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
        let mut ticks = 0;
        while let Some(at) = self.next_tick().filter(|at| *at <= then && !self.failed() && !self.ended) {
            if ticks == TICKS {
                self.cut_short = true;
                break;
            }
            self.clock.set(at.max(self.clock.get()));
            self.tick();
            ticks += 1;
        }
        self.clock.set(then);
        self.passed = self.passed.saturating_add(gap);
    }

    fn dispatch(&mut self, name: &str, payload: &Value) {
        self.events += 1;
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

    fn restart(&mut self, handover: &Handover) {
        let saved = match self.instance.save() {
            Ok(saved) => saved.state,
            Err(error) => return self.keep(Err(error)),
        };
        let memory = if handover.remembers { self.instance.memory().clone() } else { Memory::default() };
        let state = handover.state.clone().unwrap_or(saved);
        self.clock.set(self.clock.get().saturating_add(handover.age_ms.saturating_mul(1_000_000)));
        match self.start_again(memory, &state, handover.age_ms) {
            Ok(()) if self.ended => {}
            Ok(()) => self.tick(),
            Err(error) => self.keep(Err(error)),
        }
    }

    /// Hand over to a fresh instance. As in a host, one that refuses its settings does not run, and one that refuses the
    /// state starts without.
    fn start_again(&mut self, memory: Memory, state: &str, age_ms: u64) -> Result<(), Error> {
        self.instance = start(self.plugin, self.scenario, &self.clock, memory)?;
        if let Err(reason) = self.instance.load(&self.scenario.settings)? {
            self.refused.push(format!("the same settings in a fresh instance: {reason}"));
            self.ended = true;
            return Ok(());
        }
        let heard = self.instance.heard_again();
        if let Err(reason) = self.instance.restore(&heard, state, age_ms)? {
            self.refused.push(format!("a state: {reason}"));
        }
        Ok(())
    }

    fn since(&self) -> u64 {
        self.clock.get().saturating_sub(self.began)
    }

    /// When the component wants a tick, or a report is due.
    fn next_tick(&self) -> Option<u64> {
        self.next.into_iter().chain(self.instance.next_due()).min()
    }

    fn wait(&self) -> Option<u64> {
        self.next_tick().map(|at| at.saturating_sub(self.clock.get()))
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
                (call.sent, call.blocked) = (outcome.sent, outcome.blocked);
                call.message = outcome.message.or(outcome.undelivered);
                if self.scenario.saves_after_each_call {
                    match self.instance.save() {
                        Ok(saved) => call.saved = saved.state,
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
    fn queue(&mut self, _: Vec<Outgoing>, _: Instant) {}
}

struct FixedHardware(Machine);

impl Hardware for FixedHardware {
    fn probe(&self) -> Machine {
        self.0.clone()
    }
}
