//! A plugin that runs: its instance, the settings in force, when it wants a tick, and how it is replaced by another
//! version. What happens when a call fails is in [`rollback`]. There are no threads and files here, and no clock:
//! the caller passes the time, in nanoseconds of a monotonic clock, as `now`.

mod rollback;

use crate::home::identity::Identified;
use crate::record::{RecordedInstance, Recorder};
use anyhow::Context;
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Blocked, Consent, Error, Outcome, Outgoing, Plugin, RateLimit, Settings};
use std::sync::Arc;

/// A new version is on probation for so many calls: if one of them fails, the version before it is put back.
const PROBATION: u32 = 20;

/// The shortest time between two ticks, in nanoseconds; a tracker counts in seconds.
const SHORTEST_TICK: u64 = 100_000_000;

/// Finds out who the installation is, for a new instance of this plugin with these settings: adds the id to them, and
/// gives the salt.
pub type Identify = Box<dyn FnMut(&Arc<Plugin>, &Settings) -> anyhow::Result<Identified> + Send>;

/// Makes the capabilities of a new instance of this plugin; the salt is added to them.
pub type MakeCapabilities = Box<dyn FnMut(&Arc<Plugin>) -> Capabilities + Send>;

/// Stores a state. Called before the requests that belong to it are sent, so that after a crash none is sent twice.
pub type SaveState = Box<dyn FnMut(&str) + Send>;

/// What a plugin is started with.
pub struct Setup {
    /// The plugin, compiled.
    pub plugin: Arc<Plugin>,
    /// Its settings.
    pub settings: Settings,
    /// The environment variable that forbids sending; none if there is none.
    pub veto: Option<&'static str>,
    /// Gives each of its instances an identity.
    pub identify: Identify,
    /// Makes the capabilities of each of its instances.
    pub make_capabilities: MakeCapabilities,
    /// Stores its state.
    pub save_state: SaveState,
    /// The state that an earlier run of the host saved, and its age in nanoseconds.
    pub saved: Option<(String, u64)>,
}

/// A plugin that runs for one OctoPrint.
pub struct RunningPlugin {
    plugin: Arc<Plugin>,
    /// None during the pause after a failure, and in quarantine.
    instance: Option<RecordedInstance>,
    recorder: Option<Recorder>,
    identify: Identify,
    make_capabilities: MakeCapabilities,
    save_state: SaveState,
    veto: Option<&'static str>,
    settings: Settings,
    state: Option<State>,
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
}

/// The last saved state.
#[derive(Clone)]
struct State {
    text: String,
    /// When it was saved or read.
    at: u64,
    /// Its age at that time: more than 0 for one from an earlier run of the host.
    age: u64,
}

/// A version to go back to.
struct Previous {
    plugin: Arc<Plugin>,
    state: Option<State>,
    calls_left: u32,
}

/// What came of one event or tick.
#[derive(Debug, Default)]
pub struct Step {
    /// Requests that passed the gate and were queued to be sent.
    pub sent: Vec<Outgoing>,
    /// Requests that did not pass the gate.
    pub blocked: Vec<Blocked>,
    /// Messages for the log.
    pub notes: Vec<String>,
    /// What happened to the plugin itself.
    pub lifecycle: Vec<LifecycleEvent>,
    /// Whether there is a new state to store. One that belongs to sent requests is stored already.
    pub saved: bool,
}

/// What happened to a plugin because a call failed; the first text is the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// It was restarted, or will be after a pause.
    Failed(String),
    /// The version with this digest was on probation, and the version before it was put back.
    RolledBack(String, String),
    /// It has failed too often, and is not restarted.
    Quarantined(String),
}

/// A call that can be repeated with another version.
#[derive(Clone, Copy)]
enum Call<'a> {
    Event(&'a str, &'a str),
    Tick,
}

impl Call<'_> {
    fn make(self, instance: &mut RecordedInstance) -> Result<Option<Outcome>, Error> {
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
    /// When it traps, does not accept its settings, or has no identity.
    pub fn start(setup: Setup, now: u64) -> anyhow::Result<Self> {
        Self::start_recorded(setup, now, None)
    }

    /// Start a plugin, and record all of its calls.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_recorded(setup: Setup, now: u64, recorder: Option<Recorder>) -> anyhow::Result<Self> {
        let Setup { plugin, settings, veto, identify, make_capabilities, save_state, saved } = setup;
        let mut running = Self {
            plugin,
            instance: None,
            recorder,
            identify,
            make_capabilities,
            save_state,
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

    /// The version that runs.
    #[must_use]
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// When [`tick`](Self::tick) is to be called: when it wants a tick, or when a pause is over. None for never.
    #[must_use]
    pub fn next_tick(&self) -> Option<u64> {
        if self.instance.is_some() { self.next_tick } else { self.resumes }
    }

    /// Whether it may send, and which rule decides that.
    #[must_use]
    pub fn consent(&self) -> Consent {
        Consent::decide(&self.settings, self.veto)
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Store the last saved state.
    pub fn save_state(&mut self) {
        if let Some(state) = &self.state {
            (self.save_state)(&state.text);
        }
    }

    /// The last saved state, as the component wrote it.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_ref().map(|state| state.text.as_str())
    }

    /// Pass an event to the component. The payload is JSON.
    pub fn event(&mut self, name: &str, payload: &str, now: u64) -> Step {
        // Most events of OctoPrint's bus are not for this plugin; they cost one lookup.
        if !self.plugin.policy.sees(name) {
            return Step::default();
        }
        self.step(Call::Event(name, payload), now)
    }

    /// Call this when the time of [`next_tick`](Self::next_tick) has come.
    pub fn tick(&mut self, now: u64) -> Step {
        if self.instance.is_none() {
            let mut step = Step::default();
            self.resume(now, &mut step);
            return step;
        }
        self.next_tick = None;
        let step = self.step(Call::Tick, now);
        // A tick that asks for the next one at once would keep the host busy forever.
        self.next_tick = self.next_tick.map(|at| at.max(now + SHORTEST_TICK));
        step
    }

    /// Apply settings that the user changed: a new instance, which is shown them and has the salt of their id, continues
    /// from the last saved state. That may still hold what was hashed for another id. A plugin in quarantine is started
    /// again.
    ///
    /// # Errors
    /// When the plugin does not accept them, or has no identity. Then it is switched off, as it must not go on with what
    /// the user has changed; it still hears events.
    pub fn change_settings(&mut self, settings: Settings, now: u64) -> anyhow::Result<()> {
        let mut old = self.instance.take();
        let was_stopped = old.is_none();
        // What the change means for its timers, it hands over. Whether it accepts it, the new instance says.
        if let Some(old) = &mut old
            && let Ok(Ok(())) = old.load(&settings)
            && let Ok(text) = old.save()
        {
            self.state = Some(State { text, at: now, age: 0 });
        }
        self.rate = old.map(|instance| instance.rate()).or(self.rate);
        self.next_tick = Some(now);
        match self.instantiate(&settings, now) {
            Ok((instance, _)) => {
                self.instance = Some(instance);
                if was_stopped {
                    self.forget_failures();
                }
                Ok(())
            }
            Err(error) => {
                (self.settings, self.resumes) = (Settings::default(), None);
                self.instance = self.instantiate(&Settings::default(), now).ok().map(|(instance, _)| instance);
                Err(error)
            }
        }
    }

    /// Whether it has no instance, and none is planned: it is in quarantine, or does not even take to be switched off.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.instance.is_none() && self.resumes.is_none()
    }

    /// Replace the component by another version, which continues from the last saved state. The version before is
    /// kept until this one has passed its probation.
    ///
    /// # Errors
    /// When the new version does not start, or does not accept the settings; then nothing has changed.
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
        // A version that failed lately is not worth going back to. If this one was on probation, the version
        // before it stays the one to go back to.
        let worked = self.instance.replace(instance).is_some() && self.failures.is_empty();
        let same = Arc::ptr_eq(&old, &self.plugin);
        if let Some(previous) = self.previous.as_mut() {
            previous.calls_left = if same { previous.calls_left } else { PROBATION };
        } else if worked && !same {
            let state = self.state.clone();
            self.previous = Some(Previous { plugin: old, state, calls_left: PROBATION });
        }
        self.forget_failures();
        self.next_tick = Some(now);
        Ok(())
    }

    fn forget_failures(&mut self) {
        self.failures.clear();
        self.resumes = None;
    }

    /// A new instance, and whether it accepted the saved state.
    fn instantiate(&mut self, settings: &Settings, now: u64) -> anyhow::Result<(RecordedInstance, bool)> {
        let mut restored = true;
        let Identified { settings, salt, .. } = (self.identify)(&self.plugin, settings)
            .with_context(|| format!("plugin '{}' has no identity", self.plugin.name))?;
        let capabilities = Capabilities { salt, ..(self.make_capabilities)(&self.plugin) };
        let mut instance =
            RecordedInstance::start(&self.plugin, capabilities, self.veto, self.rate, self.recorder.as_ref())?;
        if let Err(reason) = instance.load(&settings)? {
            // In two parts, as the component's own words may hold anything and do not belong everywhere.
            let what = format!("plugin '{}' does not accept its settings", self.plugin.name);
            return Err(anyhow::anyhow!(reason).context(what));
        }
        if let Some(state) = &self.state {
            let age = now.saturating_sub(state.at).saturating_add(state.age);
            if let Err(reason) = instance.restore(&state.text, age)? {
                tracing::warn!(plugin = self.plugin.name, "it starts without its saved state: {reason}");
                restored = false;
            }
        }
        self.settings = settings;
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
                self.failed(&error, call, now, &mut step);
                return step;
            }
        };
        let text = match instance.save() {
            Ok(text) => text,
            Err(error) => {
                self.failed(&error, call, now, &mut step);
                return step;
            }
        };
        // If we were killed before the state is stored, the same requests would be sent again.
        if !outcome.sent.is_empty() {
            (self.save_state)(&text);
        }
        instance.release(&outcome);
        self.rate = Some(instance.rate());
        self.state = Some(State { text, at: now, age: 0 });
        self.previous.take_if(|previous| {
            previous.calls_left -= 1;
            previous.calls_left == 0
        });
        // After an error the tick that was asked for before still counts.
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
