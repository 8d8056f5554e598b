//! An instance whose calls are watched by a recorder, if there is one. It is used as one that is not.

use super::crossing::{Back, Call, Moment, Passage, Start};
use super::recorder::Recorder;
use super::ring::Ring;
use super::tape::Tape;
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Error, Instance, Outcome, Plugin, RateLimit, Rejected, Settings};
use serde_json::{Map, Value};
use std::sync::Arc;

/// An instance.
pub struct Watched {
    instance: Instance,
    log: Option<Log>,
}

/// What is known of its calls.
struct Log {
    plugin: Arc<Plugin>,
    recorder: Recorder,
    tape: Tape,
    life: u64,
    ring: Ring,
}

impl Watched {
    /// Start a component, as [`Instance::new`]. `before`: its rate of sending goes on from there.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub fn start(
        plugin: &Arc<Plugin>,
        capabilities: Capabilities,
        veto: Option<&'static str>,
        before: Option<(RateLimit, Option<u64>)>,
        recorder: Option<&Recorder>,
    ) -> Result<Self, Error> {
        let (rate, after) = before.unzip();
        let Some(recorder) = recorder else {
            let mut instance = Instance::new(plugin, capabilities, veto)?;
            rate.into_iter().for_each(|rate| instance.resume_rate_limit(rate));
            return Ok(Self { instance, log: None });
        };
        let (tape, capabilities) = Tape::tap(capabilities, &plugin.policy);
        let life = recorder.next_life();
        let mut log = Log { plugin: plugin.clone(), recorder: recorder.clone(), tape, life, ring: Ring::default() };
        let moment = log.moment();
        let start = Start {
            plugin: plugin.name.clone(),
            octoprint: recorder.octoprint(),
            digest: plugin.digest.clone(),
            veto: veto.map(Into::into),
            after: after.flatten(),
        };
        let made = Instance::new(plugin, capabilities, veto);
        let back = made.as_ref().map_or_else(failed, |_| Back::Started);
        log.keep(moment, Call::Start(start), back, None);
        let mut instance = made?;
        rate.into_iter().for_each(|rate| instance.resume_rate_limit(rate));
        Ok(Self { instance, log: Some(log) })
    }

    /// Its number in recordings, and its rate of sending, for the instance that follows.
    #[must_use]
    pub fn rate(&self) -> (RateLimit, Option<u64>) {
        (self.instance.rate_limit(), self.log.as_ref().map(|log| log.life))
    }

    /// As [`Instance::load`].
    ///
    /// # Errors
    /// As [`Instance::load`].
    pub fn load(&mut self, settings: &Settings) -> Result<Result<Settings, Rejected>, Error> {
        let call = || Call::Load(settings.to_value().to_string());
        let back = |loaded: &Result<Settings, Rejected>| {
            Back::Loaded(loaded.as_ref().map(|completed| added(settings, completed)).map_err(ToString::to_string))
        };
        self.watch(call, |instance| instance.load(settings), |loaded| Some(back(loaded)))
    }

    /// As [`Instance::restore`].
    ///
    /// # Errors
    /// As [`Instance::restore`].
    pub fn restore(&mut self, state: &str, age: u64) -> Result<Result<(), Rejected>, Error> {
        let call = || Call::Restore { state: state.into(), age };
        let back = |restored: &Result<(), Rejected>| Back::Restored(restored.clone().map_err(|reason| reason.0));
        self.watch(call, |instance| instance.restore(state, age), |restored| Some(back(restored)))
    }

    /// As [`Instance::dispatch`].
    ///
    /// # Errors
    /// As [`Instance::dispatch`].
    pub fn dispatch(&mut self, name: &str, payload: &str) -> Result<Option<Outcome>, Error> {
        // In full, until it is written down: what the component does not see is cut off only then.
        let call = || Call::Event { name: name.into(), payload: payload.into() };
        self.watch(call, |instance| instance.dispatch(name, payload), |outcome| outcome.as_ref().map(done))
    }

    /// As [`Instance::dispatch_tick`].
    ///
    /// # Errors
    /// As [`Instance::dispatch_tick`].
    pub fn dispatch_tick(&mut self) -> Result<Outcome, Error> {
        self.watch(|| Call::Tick, Instance::dispatch_tick, |outcome| Some(done(outcome)))
    }

    /// As [`Instance::save`].
    ///
    /// # Errors
    /// As [`Instance::save`].
    pub fn save(&mut self) -> Result<String, Error> {
        self.watch(|| Call::Save, Instance::save, |state| Some(Back::Saved(state.clone())))
    }

    /// As [`Instance::release`].
    pub fn release(&mut self, outcome: &Outcome) {
        self.instance.release(outcome);
    }

    /// Make a call, and keep it; not if nothing crossed the boundary.
    fn watch<T>(
        &mut self,
        call: impl FnOnce() -> Call,
        make: impl FnOnce(&mut Instance) -> Result<T, Error>,
        back: impl FnOnce(&T) -> Option<Back>,
    ) -> Result<T, Error> {
        let Some(log) = &mut self.log else { return make(&mut self.instance) };
        let moment = log.moment();
        let made = make(&mut self.instance);
        if let Some(back) = made.as_ref().map_or_else(|error| Some(failed(error)), back) {
            log.keep(moment, call(), back, self.instance.fuel());
        }
        made
    }
}

impl Log {
    fn moment(&self) -> Moment {
        Moment { t: self.recorder.elapsed(), clock: self.tape.clock(), made_up: false }
    }

    fn keep(&mut self, moment: Moment, call: Call, back: Back, fuel: Option<u64>) {
        let trapped = matches!(back, Back::Failed(_));
        let passage = Passage { life: self.life, moment, call, asked: self.tape.take(), back, fuel };
        self.recorder.keep(&self.plugin, &passage);
        self.ring.push(passage);
        if trapped {
            self.recorder.trapped(&self.plugin, &self.ring);
        }
    }
}

/// What a failure looks like in a recording.
pub(super) fn failed(error: &Error) -> Back {
    Back::Failed(error.reasons.join("; "))
}

/// What an outcome looks like in a recording.
pub(super) fn done(outcome: &Outcome) -> Back {
    Back::Done { next_tick: outcome.next_tick, message: outcome.message.clone() }
}

/// The keys that were added to settings.
pub(super) fn added(before: &Settings, after: &Settings) -> String {
    let (before, after) = (before.to_value(), after.to_value());
    let new = after.as_object().into_iter().flatten().filter(|(key, value)| before.get(key) != Some(value));
    Value::Object(new.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>()).to_string()
}
