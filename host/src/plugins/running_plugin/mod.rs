//! A plugin that runs: its instance, the settings in force, when it is to have a tick, and how it is replaced by another
//! version. What happens when a call fails is in [`rollback`], what is stored in [`saved`], and where OctoPrint does not
//! report throttling, [`throttle_watch`] does. There are no threads and files here, and no clock: the caller passes the
//! time as `now`, in nanoseconds of the monotonic clock that the instances are given.

mod budget;
mod instances;
mod rollback;
pub mod saved;
mod setup;
mod step;
mod throttle_watch;

pub use setup::{Identify, MakeCapabilities, SaveState, Setup};
pub use step::{LifecycleEvent, Step};

use crate::record::{RecordedInstance, Recorder};
use budget::Budget;
use glassbox_sandbox::{Consent, Memory, Plugin, RateLimit, Settings};
use saved::Saved;
use std::sync::Arc;
use std::time::{Duration, Instant};
use step::{Call, waited_ms};
use throttle_watch::ThrottleWatch;

/// A new version is on probation for so many calls: if one of them fails, the version before it is put back.
const PROBATION: u32 = 20;

/// The shortest time between two ticks, in nanoseconds; a tracker counts in seconds.
const SHORTEST_TICK: u64 = 100_000_000;

/// A plugin that runs for one OctoPrint.
pub struct RunningPlugin {
    plugin: Arc<Plugin>,
    /// None while tracking is off, during the pause after a failure, and in quarantine.
    instance: Option<RecordedInstance>,
    /// What was heard and is due, while there is no instance.
    memory: Memory,
    /// What the last instance handed over, and when, in milliseconds.
    handed_over: (String, i64),
    throttle_watch: ThrottleWatch,
    recorder: Option<Recorder>,
    identify: Identify,
    make_capabilities: MakeCapabilities,
    save_state: SaveState,
    veto: Option<&'static str>,
    settings: Settings,
    /// What the last instance's paths were hashed with.
    salt: Option<String>,
    /// How much it has sent, as a restart must not let it send more; and the instance's number in a recording.
    rate: Option<(RateLimit, Option<u64>)>,
    next_tick: Option<u64>,
    /// The version before this one, while this one is on probation.
    previous: Option<Previous>,
    /// When it failed, lately.
    failures: Vec<u64>,
    /// When the pause after a failure is over; none if there is no pause, or no end to it.
    resumes: Option<u64>,
    /// Events that it missed during the pause.
    missed: u64,
    /// Whether it was said that it would keep more than it may.
    dropped_said: bool,
    budget: Budget,
}

/// A version to go back to.
struct Previous {
    plugin: Arc<Plugin>,
    calls_left: u32,
}

impl RunningPlugin {
    /// Start a plugin.
    ///
    /// # Errors
    /// When it traps, does not accept its settings, or has no identity.
    pub fn start(setup: Setup, now: u64) -> anyhow::Result<Self> {
        Self::start_recorded(setup, now, None)
    }

    /// Start a plugin, and record all of its calls.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_recorded(setup: Setup, now: u64, recorder: Option<Recorder>) -> anyhow::Result<Self> {
        let Setup { plugin, settings, veto, identify, make_capabilities, throttle, save_state, saved } = setup;
        let saved = saved.map(|(text, age)| Saved::read(&text, millis(now), millis(age))).unwrap_or_default();
        let mut running = Self {
            plugin,
            instance: None,
            memory: saved.memory,
            handed_over: (saved.state, saved.state_at),
            throttle_watch: ThrottleWatch::new(throttle, saved.octoprint_reports_throttling),
            recorder,
            identify,
            make_capabilities,
            save_state,
            veto,
            settings,
            salt: None,
            rate: None,
            next_tick: Some(now),
            previous: None,
            failures: Vec::new(),
            resumes: None,
            missed: 0,
            dropped_said: false,
            budget: Budget::default(),
        };
        if running.consent().given() {
            let settings = running.settings.clone();
            running.instance = Some(running.instantiate(&settings, now, false)?);
        } else {
            running.switched_off(now);
        }
        Ok(running)
    }

    /// The version that runs.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// When [`tick`](Self::tick) is to be called: when it wants a tick, a report is due, throttling is to be looked at, or a
    /// pause is over. None for never.
    pub fn next_tick(&self) -> Option<u64> {
        match &self.instance {
            Some(instance) => {
                [self.next_tick, instance.next_due(), self.throttle_watch.next()].into_iter().flatten().min()
            }
            None => self.resumes,
        }
    }

    /// Whether it may send, and which rule decides that.
    pub fn consent(&self) -> Consent {
        Consent::decide(&self.settings, self.veto)
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Store what is to be remembered.
    pub fn save_state(&mut self, now: u64) {
        let text = self.state(now);
        (self.save_state)(&text);
    }

    /// What is to be remembered, for [`Setup::saved`].
    pub fn state(&self, now: u64) -> String {
        let (state, state_at) = &self.handed_over;
        let octoprint_reports_throttling = self.throttle_watch.octoprint_reports();
        let memory = self.memory().save(&self.plugin.policy, millis(now), self.consent().given());
        Saved::write(memory, (state, *state_at), octoprint_reports_throttling, millis(now))
    }

    fn memory(&self) -> &Memory {
        self.instance.as_ref().map_or(&self.memory, RecordedInstance::memory)
    }

    /// Pass an event to the component that comes now. The payload is JSON.
    pub fn event(&mut self, name: &str, payload: &str, now: u64) -> Step {
        self.event_that_came(name, payload, None, now)
    }

    /// The same of one that came at this moment, and may have waited since: whatever kept it waiting does not show in
    /// when it is reported.
    pub fn event_that_came(&mut self, name: &str, payload: &str, came: Option<Instant>, now: u64) -> Step {
        // Most events of OctoPrint's bus are not for this plugin; they cost one lookup.
        if !self.plugin.policy.sees(name) {
            return Step::default();
        }
        if self.consent().given() {
            self.throttle_watch.heard(name);
        }
        let step = self.step(Call::Event(name, payload, came), now);
        self.watch_throttling(now);
        step
    }

    /// Call this when the time of [`next_tick`](Self::next_tick) has come.
    pub fn tick(&mut self, now: u64) -> Step {
        if self.instance.is_none() {
            let mut step = Step::default();
            if self.resumes.is_some_and(|at| at <= now) {
                self.resume(now, &mut step);
            }
            return step;
        }
        let is_due = [self.next_tick, self.instance.as_ref().and_then(RecordedInstance::next_due)];
        let is_due = is_due.into_iter().flatten().any(|at| at <= now);
        if !is_due && self.throttle_watch.next().is_some_and(|at| at <= now) {
            // The component sees nothing of it, unless something has changed.
            let known = throttle_watch::mask(self.memory());
            let late = self.throttle_watch.next().map(|at| Duration::from_nanos(now.saturating_sub(at)));
            let came = late.and_then(|late| Instant::now().checked_sub(late));
            let event = self.throttle_watch.look(known, now);
            let step = event.map(|event| self.step(Call::Event(throttle_watch::EVENT, &event, came), now));
            self.watch_throttling(now);
            return step.unwrap_or_default();
        }
        self.next_tick = None;
        let step = self.step(Call::Tick, now);
        // A tick that asks for the next one at once would keep the host busy forever.
        self.next_tick = self.next_tick.map(|at| at.max(now + SHORTEST_TICK));
        step
    }

    /// Look at throttling only while the component is shown it, and OctoPrint does not report it.
    fn watch_throttling(&mut self, now: u64) {
        let wanted = || {
            let memory = self.instance.as_ref().map(|instance| instance.memory());
            memory.is_some_and(|memory| throttle_watch::is_wanted(&self.plugin.policy, &self.settings, memory))
        };
        self.throttle_watch.want(wanted, now);
    }

    /// Whether it should run, and neither does nor will: it is in quarantine.
    pub fn is_stopped(&self) -> bool {
        self.instance.is_none() && self.resumes.is_none() && self.consent().given()
    }

    fn step(&mut self, call: Call, now: u64) -> Step {
        let mut step = Step::default();
        if self.resumes.is_some_and(|at| at <= now) {
            self.resume(now, &mut step);
        }
        let Some(instance) = &mut self.instance else {
            if let Call::Event(name, payload, came) = call {
                let is_on = self.consent().given();
                let came = millis(now).saturating_sub_unsigned(waited_ms(came));
                self.memory.hear_without_instance(&self.plugin.policy, name, payload, came, is_on);
                step.saved = true;
                self.missed += u64::from(is_on);
            }
            return step;
        };
        // Ticks are few; after an event that was shown, its reports have had their occasion.
        let before = matches!(call, Call::Tick).then(|| instance.memory().clone());
        let outcome = match call.make(instance) {
            Ok(None) => {
                // It is not shown to the component, but the host remembers it.
                step.saved = true;
                return step;
            }
            Ok(Some(outcome)) => outcome,
            Err(error) => {
                self.failed(&error, call, None, now, &mut step);
                return step;
            }
        };
        let changed;
        match instance.save() {
            Ok(handover) => {
                step.slow |= instance.is_late();
                if handover.dropped > 0 && !std::mem::replace(&mut self.dropped_said, true) {
                    let count = handover.dropped;
                    step.notes.push(format!(
                        "it would keep {count} values that its manifest does not list; they are dropped"
                    ));
                }
                changed = handover.state != self.handed_over.0;
                self.handed_over = (handover.state, millis(now));
            }
            Err(error) => {
                self.failed(&error, call, before, now, &mut step);
                return step;
            }
        }
        // If we were killed before the state is stored, the same requests would be sent again.
        if !outcome.sent.is_empty() {
            self.save_state(now);
        }
        let Some(instance) = &mut self.instance else { return step };
        instance.release(&outcome);
        self.rate = Some(instance.rate());
        let is_tick = matches!(call, Call::Tick);
        let writes = outcome.blocked.len() + usize::from(outcome.message.is_some()) + usize::from(is_tick && changed);
        let exceeded = self.budget.spend(now, instance.take_processor_time(), writes);
        let nothing_due = outcome.sent.is_empty() && outcome.blocked.is_empty() && outcome.unsent.is_empty();
        self.previous.take_if(|previous| {
            previous.calls_left -= 1;
            previous.calls_left == 0
        });
        // After an error the tick that was asked for before still counts.
        if outcome.message.is_none() {
            self.next_tick = outcome.next_tick;
        }
        step.add(outcome);
        // A tick in which nothing happened need not be written down: it may be the tenth in this second.
        step.saved = changed || !is_tick || !nothing_due;
        if let Some(reason) = exceeded {
            self.end_instance();
            self.quarantine(reason, &mut step);
        }
        step
    }
}

/// Nanoseconds as milliseconds.
fn millis(ns: u64) -> i64 {
    i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX)
}
