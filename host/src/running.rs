//! A plugin that runs: its instance, the settings it was given, when it wants a tick, and what
//! happens when a call fails. Threads and sources are elsewhere; time passes as the caller says.

use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Blocked, Consent, Error, Instance, Outcome, Outgoing, Plugin, Settings};
use std::sync::Arc;

/// Failures in a row after which a plugin is given up: the same event would make it fail again.
const FAILURES: u32 = 5;

/// Between two ticks, in nanoseconds: a tracker counts in seconds.
const SHORTEST_TICK: u64 = 100_000_000;

/// Keeps what a plugin asked to have added to its settings. Called before anything is sent.
pub type Keep = Box<dyn FnMut(&Settings) -> anyhow::Result<()> + Send>;

/// Makes the capabilities of a new instance.
pub type Supply = Box<dyn FnMut() -> Capabilities + Send>;

/// A running plugin.
pub struct Running {
    plugin: Arc<Plugin>,
    instance: Option<Instance>,
    supply: Supply,
    keep: Keep,
    veto: Option<&'static str>,
    settings: Settings,
    /// The last saved state, and when it was saved.
    state: Option<(String, u64)>,
    next_tick: Option<u64>,
    failures: u32,
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
}

impl Running {
    /// Start a plugin with these settings. `veto`: the environment variable that forbids to send.
    ///
    /// # Errors
    /// When it does not start, or does not accept its settings, or what it asked to have added
    /// cannot be kept.
    pub fn start(
        plugin: Arc<Plugin>,
        settings: Settings,
        veto: Option<&'static str>,
        supply: Supply,
        keep: Keep,
    ) -> anyhow::Result<Self> {
        let mut running =
            Self { plugin, instance: None, supply, keep, veto, settings, state: None, next_tick: Some(0), failures: 0 };
        let settings = running.settings.clone();
        running.instance = Some(running.instantiate(&settings, 0)?);
        Ok(running)
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// When it wants a tick, as its clock counts; none for no tick.
    #[must_use]
    pub fn next_tick(&self) -> Option<u64> {
        self.next_tick.filter(|_| self.instance.is_some())
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

    /// Hand over an event.
    pub fn event(&mut self, name: &str, payload: &str, now: u64) -> Step {
        // Most events of OctoPrint's bus are not for this plugin; they cost one look-up.
        if !self.plugin.policy.sees(name) {
            return Step::default();
        }
        self.step(now, |instance| instance.on_event(name, payload))
    }

    /// The time that was asked for has come.
    pub fn tick(&mut self, now: u64) -> Step {
        self.next_tick = None;
        let step = self.step(now, |instance| instance.on_tick().map(Some));
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
        // Opting out never depends on the plugin's good will: the gate goes by the document.
        if self.instance.is_none() {
            self.instance = Some(self.instantiate(&settings, now)?);
            self.failures = 0;
        } else {
            let instance = self.instance.as_mut().expect("looked at above");
            match load(instance, &settings, &self.plugin.name, &mut self.keep) {
                Ok(completed) => self.settings = completed,
                Err(error) => {
                    if !settings.enabled() {
                        self.instance = None;
                        self.settings = settings;
                    }
                    return Err(error);
                }
            }
        }
        self.next_tick = Some(now);
        Ok(())
    }

    fn instantiate(&mut self, settings: &Settings, now: u64) -> anyhow::Result<Instance> {
        let mut instance = Instance::new(&self.plugin, (self.supply)(), self.veto)?;
        let completed = load(&mut instance, settings, &self.plugin.name, &mut self.keep)?;
        if let Some((state, at)) = &self.state
            && let Err(reason) = instance.restore(state, now.saturating_sub(*at))?
        {
            tracing::warn!("{}: it starts without its saved state: {reason}", self.plugin.name);
        }
        self.settings = completed;
        Ok(instance)
    }

    fn step(&mut self, now: u64, call: impl FnOnce(&mut Instance) -> Result<Option<Outcome>, Error>) -> Step {
        let Some(instance) = &mut self.instance else { return Step::default() };
        let outcome = call(instance).and_then(|outcome| match outcome {
            Some(outcome) => Ok(Some((outcome, instance.save()?))),
            None => Ok(None),
        });
        match outcome {
            Ok(None) => Step::default(),
            Ok(Some((outcome, state))) => {
                self.failures = 0;
                self.state = Some((state, now));
                // After an error what was asked for before still holds.
                if outcome.message.is_none() {
                    self.next_tick = outcome.next_tick;
                }
                Step { sent: outcome.sent, blocked: outcome.blocked, notes: outcome.message.into_iter().collect() }
            }
            Err(error) => Step { notes: self.recover(&error, now), ..Step::default() },
        }
    }

    /// A call failed: a fresh instance carries on from the last good state.
    fn recover(&mut self, error: &Error, now: u64) -> Vec<String> {
        let mut notes = vec![error.to_string()];
        self.instance = None;
        self.failures += 1;
        if self.failures >= FAILURES {
            notes.push(format!(
                "it failed {FAILURES} times in a row and is stopped; change its settings to start it again"
            ));
            return notes;
        }
        let settings = self.settings.clone();
        match self.instantiate(&settings, now) {
            Ok(instance) => self.instance = Some(instance),
            Err(error) => notes.push(format!("it cannot be started again: {error:#}")),
        }
        // Not at once: what made it fail may be the tick itself.
        self.next_tick = Some(now + 1_000_000_000);
        notes
    }
}

/// Load settings, and keep what the plugin asked to have added before it can use it.
fn load(instance: &mut Instance, settings: &Settings, name: &str, keep: &mut Keep) -> anyhow::Result<Settings> {
    let completed = match instance.load(settings)? {
        Ok(completed) => completed,
        Err(reason) => anyhow::bail!("plugin '{name}' does not accept its settings: {reason}"),
    };
    if completed != *settings {
        keep(&completed)?;
    }
    Ok(completed)
}
