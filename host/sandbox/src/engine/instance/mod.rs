//! One running component: its store, and the calls into it. What it can call itself is in `imports.rs`; restarts, saved
//! state and the order of calls are `host/src/plugins/`'s job.

mod call;
mod departure;

use crate::capabilities::Capabilities;
use crate::due::Due;
use crate::engine::bindings::Tracker;
/// An event as a fresh instance is shown it again: its name, what is shown of it now, as JSON text, and milliseconds since
/// it was heard.
pub use crate::engine::bindings::exports::glassbox::tracker::handover::Heard as HeardAgain;
use crate::engine::imports::State;
use crate::engine::rate_limit::RateLimit;
use crate::gate::{Blocked, Outgoing};
use crate::handover::Handover;
use crate::memory::Memory;
use crate::pins::Cause;
use crate::ties::Doors;
use crate::{Consent, Entered, Error, Plugin, Settings, Stage, limits};
use call::{arm, failed};
use departure::Departure;
use serde_json::Value;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::{Store, StoreLimitsBuilder};

/// A running component. After an error of stage [`Stage::Call`] it is dead, and every further call fails: start a new
/// one from the same [`Plugin`].
///
/// Every call has limits of time, stack and memory (see [`limits`]), and blocks until it returns. An instance starts
/// without settings, and so sends nothing before [`Self::load`].
pub struct Instance {
    plugin: Arc<Plugin>,
    store: Store<State>,
    world: Tracker,
    dead: bool,
    /// At which moments what calls have sent may leave.
    departure: Departure,
}

/// What a call to `on-event` or `on-tick` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// When the component wants its next tick, in nanoseconds of the clock that it was given; none for no tick.
    pub next_tick: Option<u64>,
    /// What it sent, in the manifest's order. It leaves with [`Instance::release`].
    pub sent: Vec<Outgoing>,
    /// What did not pass the gate, at most [`limits::REQUESTS_PER_CALL`] of them.
    pub blocked: Vec<Blocked>,
    /// Reports that were due and that it did not send.
    pub unsent: Vec<String>,
    /// The component's own words for the log, escaped. It chooses them, so they are for who asks to see them.
    pub message: Option<String>,
    /// Why the event was not delivered to it.
    pub undelivered: Option<String>,
    /// Whether it took so long that what it sent leaves later than it would have, see [`limits::DEPARTURE`].
    pub slow: bool,
}

/// The component does not accept a settings document or a saved state: its own words, escaped, at most
/// [`limits::MESSAGE_CHARS`] characters of them. For people to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Rejected(pub String);

impl Instance {
    /// Start a component. `veto` is the environment variable that forbids tracking, if there is one
    /// ([`crate::consent::process_veto`]); `memory` is that of the instance before it, of the same clock.
    ///
    /// # Errors
    /// Of [`Stage::Instantiate`], when it does not start within the limits.
    pub fn new(
        plugin: &Arc<Plugin>,
        capabilities: Capabilities,
        veto: Option<&'static str>,
        memory: Memory,
    ) -> Result<Self, Error> {
        let state = State {
            rate_limit: RateLimit::new(capabilities.clock.now()),
            capabilities,
            policy: plugin.policy.clone(),
            settings: Settings::default(),
            doors: Doors::default(),
            memory,
            now_ms: 0,
            machine: OnceCell::new(),
            mask: OnceCell::new(),
            cause: None,
            veto,
            limits: StoreLimitsBuilder::new()
                .memory_size(limits::MEMORY)
                .table_elements(limits::TABLE_ELEMENTS)
                .instances(limits::CORE_INSTANCES)
                .memories(limits::MEMORIES)
                .tables(limits::CORE_INSTANCES)
                .trap_on_grow_failure(true)
                .build(),
            sent: Vec::new(),
            blocked: Vec::new(),
        };
        let mut store = Store::new(plugin.pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(limits::HOST_CALL);
        arm(&mut store);
        let guard = plugin.watchdog.guard();
        let world =
            plugin.pre.instantiate(&mut store).map_err(|error| failed(plugin, Stage::Instantiate, "", &error))?;
        drop(guard);
        Ok(Self { plugin: plugin.clone(), store, world, dead: false, departure: Departure::new(Instant::now()) })
    }

    /// The JSON Schema of the settings, as the component gives it; not checked.
    ///
    /// # Errors
    /// When the call fails, or the text has more than [`limits::SETTINGS`] bytes.
    pub fn schema(&mut self) -> Result<String, Error> {
        let schema =
            self.call("settings.schema", None, |world, store| world.glassbox_tracker_settings().call_schema(store))?;
        self.bounded("settings.schema", schema, limits::SETTINGS)
    }

    /// Load a settings document: the component checks and applies what it is shown of it, and from now on the gate applies
    /// all of it. To be called once, before anything else.
    ///
    /// # Errors
    /// When the call fails. `Ok(Err(..))`: the component does not accept the document; nothing enters, and nothing leaves.
    pub fn load(&mut self, settings: &Settings) -> Result<Result<(), Rejected>, Error> {
        let shown = self.plugin.policy.show(settings);
        self.store.data_mut().read_clock();
        let answer = self
            .call("settings.load", None, |world, store| world.glassbox_tracker_settings().call_load(store, &shown))?;
        if let Err(message) = answer {
            return Ok(Err(Rejected(self.said(&message))));
        }
        let policy = &self.plugin.policy;
        let state = self.store.data_mut();
        state.settings = settings.clone();
        if Consent::decide(settings, state.veto).given() {
            state.doors = policy.doors(settings);
        }
        state.memory.settings_in_force(policy, settings, state.now_ms, false);
        Ok(Ok(()))
    }

    /// What a fresh instance is to be shown again, for [`Self::restore`].
    pub fn heard_again(&mut self) -> Vec<HeardAgain> {
        let state = self.store.data_mut();
        state.read_clock();
        let again = self.plugin.policy.shown_again(&state.memory, &state.doors);
        let age = |at: i64| u64::try_from(state.now_ms.saturating_sub(at)).unwrap_or_default();
        again.into_iter().map(|(name, payload, at)| HeardAgain { name, payload, age_ms: age(at) }).collect()
    }

    /// Show a fresh instance what was heard, and what the one before it handed over `age_ms` milliseconds ago. To be
    /// called once, after [`Self::load`]; nothing may be sent.
    ///
    /// # Errors
    /// When the call fails. `Ok(Err(..))`: the component does not accept it, and starts without.
    pub fn restore(&mut self, heard: &[HeardAgain], state: &str, age_ms: u64) -> Result<Result<(), Rejected>, Error> {
        let state = self.plugin.policy.kept(serde_json::from_str(state).unwrap_or_default()).state;
        let answer = self.call("handover.restore", None, |world, store| {
            world.glassbox_tracker_handover().call_restore(store, heard, &state, age_ms)
        })?;
        Ok(answer.map_err(|message| Rejected(self.said(&message))))
    }

    /// Hear an event that has waited so many milliseconds: let in what may enter, and remember it. What the component is to be
    /// [shown](Self::show) of it, as JSON text; none if nothing.
    ///
    /// # Errors
    /// Why it was not heard, in words for the log.
    pub fn hear(&mut self, name: &str, payload: &str, waited_ms: u64) -> Result<Option<String>, String> {
        let entered = self.plugin.policy.enter(name, payload, &self.store.data().capabilities.salt);
        let entered = entered.map_err(|reason| format!("{name} was not delivered: {reason}"))?;
        entered.map_or(Ok(None), |entered| self.hear_entered(name, entered, 0, waited_ms))
    }

    /// The same of what entered, by its age, and has waited, both in milliseconds. By itself only for a recording that is
    /// replayed, with what was [shown before](crate::Policy::entered_before).
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn hear_entered(&mut self, name: &str, what: Entered, age: u64, waited: u64) -> Result<Option<String>, String> {
        self.departure.begin(Instant::now(), waited);
        let (state, policy) = (self.store.data_mut(), &self.plugin.policy);
        state.read_clock();
        let shown = policy.shown(name, &what, &state.doors);
        // What is due after it is due from when it came; all else is of now, as the component's own clock shows it.
        let at = state.now_ms.saturating_sub_unsigned(age);
        if !state.memory.hear(policy, name, what, at, at.saturating_sub_unsigned(waited)) {
            return Err(format!("{name} was not delivered: more is remembered than {} bytes", limits::HEARD));
        }
        if shown.is_none() {
            state.memory.handled(name);
        }
        Ok(shown)
    }

    /// Show the component an event that was [heard](Self::hear). What it sends waits for [`Self::release`], so that its new
    /// state can be saved before anything leaves. If the call fails, the event is not handled yet: see
    /// [`Memory::handled`].
    ///
    /// # Errors
    /// When the call fails; nothing that it sent leaves.
    pub fn show(&mut self, name: &str, shown: &str) -> Result<Outcome, Error> {
        let cause = Cause::Event(name.into());
        let answer = self.call("on-event", Some(cause), |world, store| world.call_on_event(store, name, shown))?;
        let outcome = self.outcome(answer, &[]);
        self.store.data_mut().memory.handled(name);
        Ok(outcome)
    }

    /// The reports that are due, for [`Self::tick`].
    pub fn due(&mut self) -> Vec<String> {
        let (state, policy) = (self.store.data_mut(), &self.plugin.policy);
        state.read_clock();
        let late_ms = state.memory.due.next().map_or(0, |at| state.now_ms.saturating_sub(at));
        self.departure.begin(Instant::now(), u64::try_from(late_ms).unwrap_or_default());
        if !Consent::decide(&state.settings, state.veto).given() {
            return Vec::new();
        }
        let release = state.memory.release(policy);
        state.memory.due.now(policy, &state.settings, release, state.now_ms)
    }

    /// Tell the component that these reports are due. What it sends waits for [`Self::release`].
    ///
    /// # Errors
    /// As [`Self::show`]. They are due still.
    pub fn tick(&mut self, due: &[String]) -> Result<Outcome, Error> {
        let cause = Cause::Tick(due.to_vec());
        let answer = self.call("on-tick", Some(cause), |world, store| world.call_on_tick(store, due))?;
        let outcome = self.outcome(answer, due);
        if self.consent().given() {
            let (state, policy) = (self.store.data_mut(), &self.plugin.policy);
            let release = state.memory.release(policy);
            state.memory.due.ticked(policy, &state.settings, release, state.now_ms);
        }
        Ok(outcome)
    }

    /// When [`Self::tick`] is to be called for a report that is due, in nanoseconds of the clock; none for never. The
    /// component may want a tick before that, see [`Outcome::next_tick`].
    pub fn next_due(&self) -> Option<u64> {
        let at = self.memory().due.next().filter(|_| self.consent().given())?;
        Some(u64::try_from(at).unwrap_or_default().saturating_mul(limits::CLOCK_STEP))
    }

    /// What the component hands over, for [`Self::restore`] of the next instance.
    ///
    /// # Errors
    /// When the call fails, the text has more than [`limits::HANDOVER`] bytes, or it is not JSON.
    pub fn save(&mut self) -> Result<Handover, Error> {
        self.store.data_mut().read_clock();
        let state =
            self.call("handover.save", None, |world, store| world.glassbox_tracker_handover().call_save(store))?;
        let state = self.bounded("handover.save", state, limits::HANDOVER)?;
        self.departure.ended = Instant::now();
        let read = serde_json::from_str(&state);
        let read = read.map_err(|error| self.fail(format!("handover.save returned text that is not JSON: {error}")))?;
        Ok(self.plugin.policy.kept(read))
    }

    /// What was heard and is due, for the next instance.
    pub fn memory(&self) -> &Memory {
        &self.store.data().memory
    }

    /// When what is due, as JSON without anything that was heard: for a recording.
    pub fn due_times(&self) -> Value {
        let state = self.store.data();
        serde_json::to_value(state.memory.due.save(state.now_ms)).unwrap_or_default()
    }

    /// Know what is due as another instance knew it, from its [`due_times`](Self::due_times): for a recording that is
    /// replayed.
    pub fn remember_due(&mut self, due: &Value) {
        let state = self.store.data_mut();
        state.read_clock();
        state.memory.due = Due::restore(due, state.now_ms);
    }

    /// Whether this instance may send, and which rule decides that.
    pub fn consent(&self) -> Consent {
        Consent::decide(&self.store.data().settings, self.store.data().veto)
    }

    /// How much fuel the last call used; none if the engine does not count fuel. The unit is about an instruction.
    pub fn fuel(&self) -> Option<u64> {
        self.store.get_fuel().ok().map(|left| limits::FUEL.saturating_sub(left))
    }

    /// Whether the calls that handle an event or a tick, of which [`Self::save`] is the last, took so long that what they
    /// sent leaves later than it would have.
    pub fn is_late(&self) -> bool {
        self.departure.is_late()
    }

    /// Pass on what a call has sent. To be called once for each outcome of [`Self::show`] and [`Self::tick`].
    pub fn release(&mut self, outcome: &Outcome) {
        if !outcome.sent.is_empty() {
            let not_before = self.departure.at();
            self.store.data_mut().capabilities.http.queue(outcome.sent.clone(), not_before);
        }
    }

    /// How much more it may send now, for the next instance of the same plugin: a restart must not refill it.
    pub fn rate_limit(&self) -> RateLimit {
        self.store.data().rate_limit
    }

    /// Carry on with the rate of the previous instance.
    pub fn resume_rate_limit(&mut self, rate_limit: RateLimit) {
        self.store.data_mut().rate_limit = rate_limit;
    }
}
