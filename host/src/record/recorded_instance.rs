//! An instance whose calls are recorded, if there is a recorder. It is used like an [`Instance`].

use super::crossing::{Call, Load, Moment, RecordedCall, Returned, Start};
use super::recorder::Recorder;
use super::ring::Ring;
use super::tape::Tape;
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Error, Instance, Outcome, Plugin, RateLimit, Rejected, Settings};
use std::sync::Arc;

/// An instance, with its recorder if it has one.
pub struct RecordedInstance {
    instance: Instance,
    recording: Option<Recording>,
}

/// What is needed to record its calls.
struct Recording {
    plugin: Arc<Plugin>,
    recorder: Recorder,
    /// With what its paths are hashed.
    salt: String,
    tape: Tape,
    instance_id: u64,
    ring: Ring,
}

impl RecordedInstance {
    /// Start a component, like [`Instance::new`]. `before` is [`rate`](Self::rate) of the instance before this one, so that
    /// a restart does not let it send more.
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
            return Ok(Self { instance, recording: None });
        };
        let salt = capabilities.salt.clone();
        let (tape, capabilities) = Tape::tap(capabilities, &plugin.policy);
        let mut recording = Recording {
            plugin: plugin.clone(),
            recorder: recorder.clone(),
            salt,
            tape,
            instance_id: recorder.next_instance_id(),
            ring: Ring::default(),
        };
        let moment = recording.moment();
        let start = Start {
            plugin: plugin.name.clone(),
            octoprint: recorder.octoprint(),
            digest: plugin.digest.clone(),
            veto: veto.map(Into::into),
            after: after.flatten(),
        };
        let made = Instance::new(plugin, capabilities, veto);
        let returned = made.as_ref().map_or_else(failed, |_| Returned::Started);
        recording.keep(moment, Call::Start(start), returned, None);
        let mut instance = made?;
        rate.into_iter().for_each(|rate| instance.resume_rate_limit(rate));
        Ok(Self { instance, recording: Some(recording) })
    }

    /// How much it has sent, and its number in a recording, for the instance that follows.
    #[must_use]
    pub fn rate(&self) -> (RateLimit, Option<u64>) {
        (self.instance.rate_limit(), self.recording.as_ref().map(|recording| recording.instance_id))
    }

    /// Like [`Instance::load`].
    ///
    /// # Errors
    /// As [`Instance::load`].
    pub fn load(&mut self, settings: &Settings) -> Result<Result<(), Rejected>, Error> {
        let policy = self.recording.as_ref().map(|recording| recording.plugin.policy.clone());
        let call = || Call::Load(policy.map(|policy| Load::new(&policy, settings)).unwrap_or_default());
        let returned = |loaded: &Result<(), Rejected>| Returned::Loaded(loaded.clone().map_err(|reason| reason.0));
        self.record(call, |instance| instance.load(settings), |loaded| Some(returned(loaded)))
    }

    /// Like [`Instance::restore`].
    ///
    /// # Errors
    /// As [`Instance::restore`].
    pub fn restore(&mut self, state: &str, age: u64) -> Result<Result<(), Rejected>, Error> {
        let call = || Call::Restore { state: state.into(), age };
        let returned =
            |restored: &Result<(), Rejected>| Returned::Restored(restored.clone().map_err(|reason| reason.0));
        self.record(call, |instance| instance.restore(state, age), |restored| Some(returned(restored)))
    }

    /// Like [`Instance::dispatch`].
    ///
    /// # Errors
    /// As [`Instance::dispatch`].
    pub fn dispatch(&mut self, name: &str, payload: &str) -> Result<Option<Outcome>, Error> {
        let recording = self.recording.as_ref();
        let entered = recording.map(|recording| recording.plugin.policy.enter(name, payload, &recording.salt));
        // Where nothing enters, nothing crosses the boundary.
        let Some(Ok(Some(entered))) = entered else { return self.instance.dispatch(name, payload) };
        let call = || Call::Event { name: name.into(), payload: entered.clone() };
        self.record(call, |instance| instance.show(name, &entered), |outcome| Some(done(outcome))).map(Some)
    }

    /// Like [`Instance::dispatch_tick`].
    ///
    /// # Errors
    /// As [`Instance::dispatch_tick`].
    pub fn dispatch_tick(&mut self) -> Result<Outcome, Error> {
        self.record(|| Call::Tick, Instance::dispatch_tick, |outcome| Some(done(outcome)))
    }

    /// Like [`Instance::save`].
    ///
    /// # Errors
    /// As [`Instance::save`].
    pub fn save(&mut self) -> Result<String, Error> {
        self.record(|| Call::Save, Instance::save, |state| Some(Returned::Saved(state.clone())))
    }

    /// Like [`Instance::release`].
    pub fn release(&mut self, outcome: &Outcome) {
        self.instance.release(outcome);
    }

    /// Make a call, and record it; not if nothing crossed the boundary.
    fn record<T>(
        &mut self,
        call: impl FnOnce() -> Call,
        make: impl FnOnce(&mut Instance) -> Result<T, Error>,
        returned: impl FnOnce(&T) -> Option<Returned>,
    ) -> Result<T, Error> {
        let Some(recording) = &mut self.recording else { return make(&mut self.instance) };
        let moment = recording.moment();
        let made = make(&mut self.instance);
        if let Some(returned) = made.as_ref().map_or_else(|error| Some(failed(error)), returned) {
            recording.keep(moment, call(), returned, self.instance.fuel());
        }
        made
    }
}

impl Recording {
    fn moment(&self) -> Moment {
        Moment { t: self.recorder.elapsed(), clock: self.tape.clock(), made_up: false }
    }

    fn keep(&mut self, moment: Moment, call: Call, returned: Returned, fuel: Option<u64>) {
        let trapped = matches!(returned, Returned::Failed(_));
        let recorded =
            RecordedCall { instance_id: self.instance_id, moment, call, asked: self.tape.take(), returned, fuel };
        self.recorder.keep(&self.plugin, &recorded);
        self.ring.push(recorded);
        if trapped {
            self.recorder.trapped(&self.ring);
        }
    }
}

/// What a failure looks like in a recording.
pub(super) fn failed(error: &Error) -> Returned {
    Returned::Failed(error.reasons.join("; "))
}

/// What an outcome looks like in a recording.
pub(super) fn done(outcome: &Outcome) -> Returned {
    Returned::Done { next_tick: outcome.next_tick, message: outcome.message.clone() }
}
