//! An instance whose calls are recorded, if there is a recorder. It is used like an [`Instance`].

use super::crossing::{Call, Load, Moment, RecordedCall, Restore, Returned, Start};
use super::recorder::Recorder;
use super::ring::Ring;
use super::tape::Tape;
use crate::system::ProcessorTime;
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::manifest::Says;
use glassbox_sandbox::{
    Consent, Error, Handover, Instance, Memory, Outcome, Plugin, Policy, RateLimit, Rejected, Settings,
};
use std::sync::Arc;
use std::time::Duration;

/// An instance, with its recorder if it has one.
pub struct RecordedInstance {
    instance: Instance,
    /// What calls took of the processor, since [`Self::take_processor_time`].
    processor_time: ProcessorTime,
    recording: Option<Recording>,
}

/// What is needed to record its calls.
struct Recording {
    plugin: Arc<Plugin>,
    recorder: Recorder,
    tape: Tape,
    instance_id: u64,
    ring: Ring,
}

impl RecordedInstance {
    /// Start a component, like [`Instance::new`]. `before` is [`rate`](Self::rate) of the instance before this one, so that
    /// a restart does not let it send more; `memory` is that instance's.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub fn start(
        plugin: &Arc<Plugin>,
        capabilities: Capabilities,
        veto: Option<&'static str>,
        before: Option<(RateLimit, Option<u64>)>,
        recorder: Option<&Recorder>,
        memory: Memory,
    ) -> Result<Self, Error> {
        let (rate, after) = before.unzip();
        let Some(recorder) = recorder else {
            let mut instance = Instance::new(plugin, capabilities, veto, memory)?;
            rate.into_iter().for_each(|rate| instance.resume_rate_limit(rate));
            return Ok(Self { instance, processor_time: ProcessorTime::default(), recording: None });
        };
        let (tape, capabilities) = Tape::tap(capabilities);
        let mut recording = Recording {
            plugin: plugin.clone(),
            recorder: recorder.clone(),
            tape,
            instance_id: recorder.next_instance_id(),
            ring: Ring::new(&plugin.policy),
        };
        let t = recorder.elapsed();
        let start = Start {
            plugin: plugin.name.clone(),
            octoprint: recorder.octoprint(),
            digest: plugin.digest.clone(),
            veto: veto.map(Into::into),
            after: after.flatten(),
        };
        let made = Instance::new(plugin, capabilities, veto, memory);
        let returned = made.as_ref().map_or_else(failed, |_| Returned::Started);
        recording.keep(t, Call::Start(start), returned, None);
        let mut instance = made?;
        rate.into_iter().for_each(|rate| instance.resume_rate_limit(rate));
        Ok(Self { instance, processor_time: ProcessorTime::default(), recording: Some(recording) })
    }

    /// How much it has sent, and its number in a recording, for the instance that follows.
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
        self.record(call, |instance| instance.load(settings), returned)
    }

    /// Like [`Instance::restore`], with what it is to be shown [again](Instance::heard_again).
    ///
    /// # Errors
    /// As [`Instance::restore`].
    pub fn restore(&mut self, state: &str, age_ms: u64) -> Result<Result<(), Rejected>, Error> {
        let heard = self.instance.heard_again();
        let known = self.recording.as_ref().map(|recording| {
            let state = recording.plugin.policy.kept(serde_json::from_str(state).unwrap_or_default()).state;
            Restore { heard: heard.clone(), state, age_ms, due: Some(self.instance.due_times().to_string()) }
        });
        let call = || Call::Restore(known.unwrap_or_default());
        let returned =
            |restored: &Result<(), Rejected>| Returned::Restored(restored.clone().map_err(|reason| reason.0));
        self.record(call, |instance| instance.restore(&heard, state, age_ms), returned)
    }

    /// Like [`glassbox_contract::Deliver::on_event`], of an event that came so many milliseconds ago; what was sent waits for
    /// [`Self::release`].
    ///
    /// # Errors
    /// As [`Instance::show`].
    pub fn dispatch(&mut self, name: &str, payload: &str, waited_ms: u64) -> Result<Option<Outcome>, Error> {
        let shown = match self.instance.hear(name, payload, waited_ms) {
            Ok(Some(shown)) => shown,
            Ok(None) => {
                self.recording.iter().for_each(|recording| recording.heard(name));
                return Ok(None);
            }
            Err(reason) => return Ok(Some(Outcome { undelivered: Some(reason), ..Outcome::default() })),
        };
        let call = || Call::Event { name: name.into(), payload: shown.clone() };
        self.record(call, |instance| instance.show(name, &shown), done).map(Some)
    }

    /// Like [`glassbox_contract::Deliver::on_tick`], but what was sent waits for [`Self::release`].
    ///
    /// # Errors
    /// As [`Instance::tick`].
    pub fn dispatch_tick(&mut self) -> Result<Outcome, Error> {
        let due = self.instance.due();
        self.record(|| Call::Tick { due: due.clone() }, |instance| instance.tick(&due), done)
    }

    /// Like [`Instance::save`].
    ///
    /// # Errors
    /// As [`Instance::save`].
    pub fn save(&mut self) -> Result<Handover, Error> {
        self.record(|| Call::Save, Instance::save, |handover| Returned::Saved(handover.clone()))
    }

    /// How much of the processor's time all calls since the last one of these took.
    pub fn take_processor_time(&mut self) -> Duration {
        self.processor_time.take()
    }

    /// Like [`Instance::memory`].
    pub fn memory(&self) -> &Memory {
        self.instance.memory()
    }

    /// Like [`Instance::next_due`].
    pub fn next_due(&self) -> Option<u64> {
        self.instance.next_due()
    }

    /// Like [`Instance::consent`].
    pub fn consent(&self) -> Consent {
        self.instance.consent()
    }

    /// Like [`Instance::is_late`].
    pub fn is_late(&self) -> bool {
        self.instance.is_late()
    }

    /// Like [`Instance::release`].
    pub fn release(&mut self, outcome: &Outcome) {
        self.instance.release(outcome);
    }

    /// Make a call, take its time, and record it.
    fn record<T>(
        &mut self,
        call: impl FnOnce() -> Call,
        make: impl FnOnce(&mut Instance) -> Result<T, Error>,
        returned: impl FnOnce(&T) -> Returned,
    ) -> Result<T, Error> {
        let t = self.recording.as_ref().map(|recording| recording.recorder.elapsed());
        let began = self.processor_time.begin();
        let made = make(&mut self.instance);
        self.processor_time.end(began);
        let (Some(recording), Some(t)) = (&mut self.recording, t) else { return made };
        let returned = made.as_ref().map_or_else(failed, returned);
        recording.keep(t, call(), returned, self.instance.fuel());
        made
    }
}

impl Recording {
    /// Keep the name of an event that was heard and not shown, if it matters: nothing of it crossed the boundary.
    fn heard(&self, name: &str) {
        if goes_by(&self.plugin.policy, name) {
            let moment = Moment { t: self.recorder.elapsed(), clock: self.tape.clock(), made_up: false };
            let call = Call::Heard { name: name.into() };
            let (instance_id, returned) = (self.instance_id, Returned::Heard);
            let recorded = RecordedCall { instance_id, moment, call, asked: Vec::new(), returned, fuel: None };
            self.recorder.keep(&self.plugin, &recorded);
        }
    }

    /// Keep a call that began `t` microseconds after the recording did.
    fn keep(&mut self, t: u64, call: Call, returned: Returned, fuel: Option<u64>) {
        let moment = Moment { t, clock: self.tape.clock(), made_up: false };
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

/// Whether the times at which reports are due depend on this event, also where it is not shown.
fn goes_by(policy: &Policy, event: &str) -> bool {
    let named = |says: &Says| [&says.once, &says.until].into_iter().flatten().any(|named| named == event);
    let is_run = ["octoprint_started", "octoprint_stopping"].contains(&event);
    policy.sees(event) && (is_run || policy.manifest().says.iter().any(named))
}

/// What a failure looks like in a recording.
pub(super) fn failed(error: &Error) -> Returned {
    Returned::Failed(error.reasons.join("; "))
}

/// What an outcome looks like in a recording.
pub(super) fn done(outcome: &Outcome) -> Returned {
    Returned::Done { next_tick: outcome.next_tick, message: outcome.message.clone() }
}
