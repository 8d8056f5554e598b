//! A plugin that runs: its instance, the settings it was given, when it wants a tick, and how it is
//! exchanged; what happens when a call fails is in [`rollback`]. Threads and files are elsewhere;
//! time passes as the caller says.

mod rollback;

use crate::record::{Recorder, Watched};
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Blocked, Consent, Error, Outcome, Outgoing, Plugin, Rate, Settings};
use std::sync::Arc;

/// Calls after which a new version is trusted as the old one was.
const PROBATION: u32 = 20;

/// Between two ticks, in nanoseconds: a tracker counts in seconds.
const SHORTEST_TICK: u64 = 100_000_000;

/// Keeps what a plugin asked to have added to its settings. Called before anything is sent.
pub type Keep = Box<dyn FnMut(&Settings) -> anyhow::Result<()> + Send>;

/// Makes the capabilities of a new instance of this plugin.
pub type Supply = Box<dyn FnMut(&Plugin) -> Capabilities + Send>;

/// Keeps a state. Called before what was sent with it leaves, so that nothing is said twice.
pub type KeepState = Box<dyn FnMut(&str) + Send>;

/// What a plugin is started with.
pub struct Setup {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// Its settings.
    pub settings: Settings,
    /// The environment variable that forbids to send.
    pub veto: Option<&'static str>,
    /// Its capabilities.
    pub supply: Supply,
    /// Keeps additions to its settings.
    pub keep: Keep,
    /// Keeps its state.
    pub keep_state: KeepState,
    /// What an earlier run of the host saved, and its age in nanoseconds.
    pub saved: Option<(String, u64)>,
}

/// A running plugin.
pub struct RunningPlugin {
    plugin: Arc<Plugin>,
    /// None while it rests after a failure, and in quarantine.
    instance: Option<Watched>,
    recorder: Option<Recorder>,
    supply: Supply,
    keep: Keep,
    keep_state: KeepState,
    veto: Option<&'static str>,
    settings: Settings,
    state: Option<State>,
    /// How much it may send: not more for being started afresh.
    rate: Option<(Rate, Option<u64>)>,
    next_tick: Option<u64>,
    /// The version before this one, as long as this one is on probation.
    previous: Option<Previous>,
    /// When it failed.
    failures: Vec<u64>,
    /// When its rest is over.
    resumes: Option<u64>,
    /// Events that it missed meanwhile.
    missed: u64,
}

/// The last saved state.
#[derive(Clone)]
struct State {
    text: String,
    at: u64,
    /// Its age at that time: not 0 for one from an earlier run of the host.
    age: u64,
}

struct Previous {
    plugin: Arc<Plugin>,
    state: Option<State>,
    calls_left: u32,
}

/// What one event, tick or change of settings did.
#[derive(Debug, Default)]
pub struct Step {
    /// What went to the outbox.
    pub sent: Vec<Outgoing>,
    /// What did not get past the gate.
    pub blocked: Vec<Blocked>,
    /// What somebody should read.
    pub notes: Vec<String>,
    /// What became of the plugin itself.
    pub turns: Vec<LifecycleEvent>,
    /// Whether there is a new state to keep.
    pub saved: bool,
}

/// What became of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// A call failed, and it rests or was started afresh.
    Failed(String),
    /// A call of a new version failed, and the one before it was put back; which one failed.
    RolledBack(String, String),
    /// It failed too often and is not started again.
    Quarantined(String),
}

/// A call that can be made again, by another version.
#[derive(Clone, Copy)]
enum Call<'a> {
    Event(&'a str, &'a str),
    Tick,
}

impl Call<'_> {
    fn make(self, instance: &mut Watched) -> Result<Option<Outcome>, Error> {
        match self {
            Self::Event(name, payload) => instance.dispatch(name, payload),
            Self::Tick => instance.dispatch_tick().map(Some),
        }
    }
}

impl RunningPlugin {
    /// Start a plugin.
    ///
    /// # Errors
    /// When it does not start, or does not accept its settings, or what it asked to have added
    /// cannot be kept.
    pub fn start(setup: Setup, now: u64) -> anyhow::Result<Self> {
        Self::start_recorded(setup, now, None)
    }

    /// The same, and all its calls are recorded.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_recorded(setup: Setup, now: u64, recorder: Option<Recorder>) -> anyhow::Result<Self> {
        let Setup { plugin, settings, veto, supply, keep, keep_state, saved } = setup;
        let mut running = Self {
            plugin,
            instance: None,
            recorder,
            supply,
            keep,
            keep_state,
            veto,
            settings,
            rate: None,
            state: saved.map(|(text, age)| State { text, at: now, age }),
            next_tick: Some(now),
            previous: None,
            failures: Vec::new(),
            resumes: None,
            missed: 0,
        };
        let settings = running.settings.clone();
        running.instance = Some(running.instantiate(&settings, now)?.0);
        Ok(running)
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// When it wants a tick, or wants to be woken from its rest; none for never.
    #[must_use]
    pub fn next_tick(&self) -> Option<u64> {
        if self.instance.is_some() { self.next_tick } else { self.resumes }
    }

    /// Whether it may send, and which rule decides.
    #[must_use]
    pub fn consent(&self) -> Consent {
        Consent::decide(&self.settings, self.veto)
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Have the last saved state kept.
    pub fn keep_state(&mut self) {
        if let Some(state) = &self.state {
            (self.keep_state)(&state.text);
        }
    }

    /// The last saved state.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_ref().map(|state| state.text.as_str())
    }

    /// Hand over an event.
    pub fn event(&mut self, name: &str, payload: &str, now: u64) -> Step {
        // Most events of OctoPrint's bus are not for this plugin; they cost one look-up.
        if !self.plugin.policy.sees(name) {
            return Step::default();
        }
        self.step(Call::Event(name, payload), now)
    }

    /// The time that was asked for has come.
    pub fn tick(&mut self, now: u64) -> Step {
        if self.instance.is_none() {
            let mut step = Step::default();
            self.resume(now, &mut step);
            return step;
        }
        self.next_tick = None;
        let step = self.step(Call::Tick, now);
        // A tick that asks for the next one at once would keep the host busy for ever.
        self.next_tick = self.next_tick.map(|at| at.max(now + SHORTEST_TICK));
        step
    }

    /// The user changed the settings.
    ///
    /// # Errors
    /// When the plugin does not accept them, or what it asked to have added cannot be kept; the
    /// last ones stay in force.
    pub fn change_settings(&mut self, settings: Settings, now: u64) -> anyhow::Result<()> {
        // Opting out never depends on the plugin's good will: whatever fails, the document holds.
        let last = std::mem::replace(&mut self.settings, settings.clone());
        let changed = match &mut self.instance {
            Some(instance) => load(instance, &settings, &self.plugin.name, &mut self.keep),
            None => self.instantiate(&settings, now).map(|(instance, _)| {
                self.instance = Some(instance);
                self.healthy();
                self.settings.clone()
            }),
        };
        self.next_tick = Some(now);
        match changed {
            Ok(completed) => self.settings = completed,
            Err(error) => {
                let ran = self.instance.take().is_some();
                if settings.enabled() {
                    // The component may have taken what could not be kept, as an id that nobody
                    // would know tomorrow: a fresh one goes by what holds.
                    self.settings = last.clone();
                    if ran {
                        self.instance = Some(self.instantiate(&last, now)?.0);
                    }
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Exchange the component for another version of it, which carries on from the last saved
    /// state. Until it has proved itself the one before it is kept.
    ///
    /// # Errors
    /// When the new one does not start; then nothing has changed.
    pub fn replace(&mut self, plugin: Arc<Plugin>, now: u64) -> anyhow::Result<()> {
        let settings = self.settings.clone();
        let old = std::mem::replace(&mut self.plugin, plugin);
        let instance = match self.instantiate(&settings, now) {
            Ok((instance, _)) => instance,
            Err(error) => {
                self.plugin = old;
                return Err(error);
            }
        };
        // One that did not run well is nothing to go back to, and neither is one that has not yet
        // proved itself: what is behind it is.
        let worked = self.instance.replace(instance).is_some() && self.failures.is_empty();
        let same = Arc::ptr_eq(&old, &self.plugin);
        if let Some(previous) = self.previous.as_mut() {
            previous.calls_left = if same { previous.calls_left } else { PROBATION };
        } else if worked && !same {
            let state = self.state.clone();
            self.previous = Some(Previous { plugin: old, state, calls_left: PROBATION });
        }
        self.healthy();
        self.next_tick = Some(now);
        Ok(())
    }

    fn healthy(&mut self) {
        self.failures.clear();
        self.resumes = None;
    }

    /// A fresh instance, and whether it took over the saved state.
    fn instantiate(&mut self, settings: &Settings, now: u64) -> anyhow::Result<(Watched, bool)> {
        let mut restored = true;
        let supplied = (self.supply)(&self.plugin);
        let mut instance = Watched::start(&self.plugin, supplied, self.veto, self.rate, self.recorder.as_ref())?;
        let completed = load(&mut instance, settings, &self.plugin.name, &mut self.keep)?;
        if let Some(state) = &self.state {
            let age = now.saturating_sub(state.at).saturating_add(state.age);
            if let Err(reason) = instance.restore(&state.text, age)? {
                tracing::warn!(plugin = self.plugin.name, "it starts without its saved state: {reason}");
                restored = false;
            }
        }
        self.settings = completed;
        Ok((instance, restored))
    }

    fn step(&mut self, call: Call, now: u64) -> Step {
        let mut step = Step::default();
        if self.resumes.is_some_and(|at| at <= now) {
            self.resume(now, &mut step);
        }
        let Some(instance) = &mut self.instance else {
            self.missed += 1;
            return step;
        };
        let outcome = match call.make(instance) {
            Ok(None) => return step,
            Ok(Some(outcome)) => outcome,
            Err(error) => {
                self.failed(&error, Some(call), now, &mut step);
                return step;
            }
        };
        let text = match instance.save() {
            Ok(text) => text,
            Err(error) => {
                self.failed(&error, Some(call), now, &mut step);
                return step;
            }
        };
        // Whoever says it and is killed before it is kept would say it again.
        if !outcome.sent.is_empty() {
            (self.keep_state)(&text);
        }
        instance.release(&outcome);
        self.rate = Some(instance.rate());
        self.state = Some(State { text, at: now, age: 0 });
        self.previous.take_if(|previous| {
            previous.calls_left -= 1;
            previous.calls_left == 0
        });
        // After an error what was asked for before still holds.
        if outcome.message.is_none() {
            self.next_tick = outcome.next_tick;
        }
        step.sent.extend(outcome.sent);
        step.blocked.extend(outcome.blocked);
        step.notes.extend(outcome.message);
        step.saved = true;
        step
    }
}

/// Load settings, and keep what the plugin asked to have added before it can use it.
fn load(instance: &mut Watched, settings: &Settings, name: &str, keep: &mut Keep) -> anyhow::Result<Settings> {
    let completed = match instance.load(settings)? {
        Ok(completed) => completed,
        // Two parts: what the component says may hold anything.
        Err(reason) => {
            return Err(anyhow::anyhow!(reason).context(format!("plugin '{name}' does not accept its settings")));
        }
    };
    if completed != *settings {
        keep(&completed)?;
    }
    Ok(completed)
}
