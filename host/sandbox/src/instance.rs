//! One running component: its store, and the calls into it. What it can call itself is in `imports.rs`; restarts, saved
//! state and the order of calls are `host/src/plugins/`'s job.

use crate::bindings::Tracker;
use crate::capabilities::Capabilities;
use crate::gate::{Blocked, Outgoing};
use crate::imports::State;
use crate::rate_limit::RateLimit;
use crate::{Consent, Error, Plugin, Settings, Stage, component_words, limits};
use std::sync::Arc;
use wasmtime::{Store, StoreLimitsBuilder, Trap};

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
}

/// What a call to `on-event` or `on-tick` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// When the component wants its next tick, in nanoseconds of the clock that it was given; none for no tick.
    pub next_tick: Option<u64>,
    /// What it sent, in order. It leaves with [`Instance::release`].
    pub sent: Vec<Outgoing>,
    /// What did not pass the gate, at most [`limits::REQUESTS_PER_CALL`] of them.
    pub blocked: Vec<Blocked>,
    /// The component's message for the log, or why the event was not delivered to it; escaped.
    pub message: Option<String>,
}

/// The component does not accept a settings document or a saved state: its own words, escaped, at most
/// [`limits::MESSAGE_CHARS`] characters of them. For people to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Rejected(pub String);

impl Instance {
    /// Start a component. `veto` is the environment variable that forbids tracking, if there is one
    /// ([`crate::consent::process_veto`]).
    ///
    /// # Errors
    /// Of [`Stage::Instantiate`], when it does not start within the limits.
    pub fn new(plugin: &Arc<Plugin>, capabilities: Capabilities, veto: Option<&'static str>) -> Result<Self, Error> {
        let state = State {
            rate_limit: RateLimit::new(capabilities.clock.now()),
            capabilities,
            policy: plugin.policy.clone(),
            settings: Settings::default(),
            veto,
            limits: StoreLimitsBuilder::new()
                .memory_size(limits::MEMORY)
                .table_elements(limits::TABLE_ELEMENTS)
                .instances(limits::CORE_INSTANCES)
                .memories(limits::MEMORIES)
                .tables(limits::CORE_INSTANCES)
                .trap_on_grow_failure(true)
                .build(),
            now: None,
            may_send: false,
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
        Ok(Self { plugin: plugin.clone(), store, world, dead: false })
    }

    /// The JSON Schema of the settings, as the component gives it; not checked.
    ///
    /// # Errors
    /// When the call fails, or the text has more than [`limits::SETTINGS`] bytes.
    pub fn schema(&mut self) -> Result<String, Error> {
        let schema =
            self.call("settings.schema", false, |world, store| world.glassbox_tracker_settings().call_schema(store))?;
        self.bounded("settings.schema", schema, limits::SETTINGS)
    }

    /// Load a settings document: the component checks and applies what it is shown of it, and from now on the gate applies
    /// all of it.
    ///
    /// # Errors
    /// When the call fails. `Ok(Err(..))`: the component does not accept the document; the gate keeps the last one.
    pub fn load(&mut self, settings: &Settings) -> Result<Result<(), Rejected>, Error> {
        let shown = self.plugin.policy.show(settings);
        let answer = self
            .call("settings.load", false, |world, store| world.glassbox_tracker_settings().call_load(store, &shown))?;
        if let Err(message) = answer {
            return Ok(Err(Rejected(self.said(&message))));
        }
        self.store.data_mut().settings = settings.clone();
        Ok(Ok(()))
    }

    /// Deliver an event with its payload (JSON text), as it may enter, and [release](Self::release) what it
    /// sends. The outcome is none if the component does not see such events.
    ///
    /// # Errors
    /// When the call fails; nothing that it sent leaves.
    pub fn on_event(&mut self, name: &str, payload: &str) -> Result<Option<Outcome>, Error> {
        let outcome = self.dispatch(name, payload)?;
        outcome.iter().for_each(|outcome| self.release(outcome));
        Ok(outcome)
    }

    /// Like [`Self::on_event`], but what was sent waits for [`Self::release`], so that the component's new state can be
    /// saved before anything leaves.
    ///
    /// # Errors
    /// As [`Self::on_event`].
    pub fn dispatch(&mut self, name: &str, payload: &str) -> Result<Option<Outcome>, Error> {
        match self.plugin.policy.enter(name, payload, &self.store.data().capabilities.salt) {
            Ok(None) => Ok(None),
            Ok(Some(entered)) => self.show(name, &entered).map(Some),
            Err(reason) => {
                let message = Some(format!("{name} was not delivered: {reason}"));
                Ok(Some(Outcome { message, ..Outcome::default() }))
            }
        }
    }

    /// Like [`Self::dispatch`], with a payload that has entered before: the recording of a call holds no other.
    ///
    /// # Errors
    /// As [`Self::on_event`].
    pub fn show(&mut self, name: &str, entered: &str) -> Result<Outcome, Error> {
        let answer = self.call("on-event", true, |world, store| world.call_on_event(store, name, entered))?;
        Ok(self.outcome(answer))
    }

    /// Tell the component that the time it asked for has come, and [release](Self::release) what it sends.
    ///
    /// # Errors
    /// As [`Self::on_event`].
    pub fn on_tick(&mut self) -> Result<Outcome, Error> {
        let outcome = self.dispatch_tick()?;
        self.release(&outcome);
        Ok(outcome)
    }

    /// Like [`Self::on_tick`], but what was sent waits for [`Self::release`].
    ///
    /// # Errors
    /// As [`Self::on_event`].
    pub fn dispatch_tick(&mut self) -> Result<Outcome, Error> {
        let answer = self.call("on-tick", true, |world, store| world.call_on_tick(store))?;
        Ok(self.outcome(answer))
    }

    /// The component's state as JSON text, for [`Self::restore`] of the next instance.
    ///
    /// # Errors
    /// When the call fails, the text has more than [`limits::HANDOVER`] bytes, or it is not JSON.
    pub fn save(&mut self) -> Result<String, Error> {
        let state =
            self.call("handover.save", false, |world, store| world.glassbox_tracker_handover().call_save(store))?;
        let state = self.bounded("handover.save", state, limits::HANDOVER)?;
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&state) {
            self.dead = true;
            let reason = format!("handover.save returned text that is not JSON: {error}");
            return Err(Error::new(&self.plugin.name, Stage::Call, reason));
        }
        Ok(state)
    }

    /// Carry on from a state that was saved `age_ns` nanoseconds ago.
    ///
    /// # Errors
    /// When the call fails. `Ok(Err(..))`: the component does not accept the state, and starts without it.
    pub fn restore(&mut self, state: &str, age_ns: u64) -> Result<Result<(), Rejected>, Error> {
        let answer = self.call("handover.restore", false, |world, store| {
            world.glassbox_tracker_handover().call_restore(store, state, age_ns)
        })?;
        Ok(answer.map_err(|message| Rejected(self.said(&message))))
    }

    /// Whether this instance may send, and which rule decides that.
    #[must_use]
    pub fn consent(&self) -> Consent {
        Consent::decide(&self.store.data().settings, self.store.data().veto)
    }

    /// How much fuel the last call used; none if the engine does not count fuel. The unit is about an instruction.
    #[must_use]
    pub fn fuel(&self) -> Option<u64> {
        self.store.get_fuel().ok().map(|left| limits::FUEL.saturating_sub(left))
    }

    fn call<T>(
        &mut self,
        export: &'static str,
        may_send: bool,
        call: impl FnOnce(&Tracker, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Error> {
        if self.dead {
            return Err(Error::new(&self.plugin.name, Stage::Call, "it has already failed"));
        }
        let state = self.store.data_mut();
        state.may_send = may_send;
        state.sent.clear();
        state.now = None;
        arm(&mut self.store);
        let guard = self.plugin.watchdog.guard();
        let answer = call(&self.world, &mut self.store);
        drop(guard);
        self.store.data_mut().may_send = false;
        answer.map_err(|error| {
            self.dead = true;
            failed(&self.plugin, Stage::Call, export, &error)
        })
    }

    fn bounded(&mut self, export: &'static str, text: String, limit: usize) -> Result<String, Error> {
        if text.len() <= limit {
            return Ok(text);
        }
        self.dead = true;
        let reason = format!("{export} returned {} bytes; the limit is {limit}", text.len());
        Err(Error::new(&self.plugin.name, Stage::Call, reason))
    }

    /// Pass on what a call has sent. To be called once for each outcome of a `dispatch`.
    pub fn release(&mut self, outcome: &Outcome) {
        if !outcome.sent.is_empty() {
            self.store.data_mut().capabilities.http.queue(outcome.sent.clone());
        }
    }

    /// How much more it may send now, for the next instance of the same plugin: a restart must not refill it.
    #[must_use]
    pub fn rate_limit(&self) -> RateLimit {
        self.store.data().rate_limit
    }

    /// Carry on with the rate of the previous instance.
    pub fn resume_rate_limit(&mut self, rate_limit: RateLimit) {
        self.store.data_mut().rate_limit = rate_limit;
    }

    /// What it says, without the installation's id, which it knows.
    fn said(&self, message: &str) -> String {
        let state = self.store.data();
        let key = state.policy.manifest().capabilities.http.as_ref().map(|http| http.id_setting.as_str());
        let id = key.and_then(|key| state.settings.get(key)?.as_str()).unwrap_or_default();
        component_words(message, id, limits::MESSAGE_CHARS)
    }

    fn outcome(&mut self, answer: Result<Option<u64>, String>) -> Outcome {
        let answer = answer.map_err(|message| self.said(&message));
        let state = self.store.data_mut();
        let sent = std::mem::take(&mut state.sent);
        let (next_tick, message) = match answer {
            Ok(next_tick) => (next_tick, None),
            Err(message) => (None, Some(message)),
        };
        Outcome { next_tick, sent, blocked: std::mem::take(&mut state.blocked), message }
    }
}

/// Set the limits of one call.
fn arm(store: &mut Store<State>) {
    let ticks = limits::CALL_TIME.as_millis() / limits::WATCHDOG_TICK.as_millis();
    store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX));
    // An error, and not needed, where the engine does not count fuel.
    let _ = store.set_fuel(limits::FUEL);
}

/// A failed call in words for the plugin's author.
fn failed(plugin: &Plugin, stage: Stage, export: &str, error: &wasmtime::Error) -> Error {
    use limits::{MEMORY, TABLE_ELEMENTS};
    let what = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => format!("it took longer than {} s", limits::CALL_TIME.as_secs()),
        Some(Trap::StackOverflow) => "it ran out of stack".into(),
        Some(Trap::UnreachableCodeReached) => "it panicked".into(),
        Some(trap) => trap.to_string(),
        None => match error.root_cause().to_string() {
            memory if memory.contains("when growing memory") => {
                format!("it asked for more than {} MiB of memory", MEMORY >> 20)
            }
            table if table.contains("when growing table") => {
                format!("it asked for more than {TABLE_ELEMENTS} table entries")
            }
            count if count.contains("limit exceeded") => format!("it has too many parts: {count}"),
            ours if ours.starts_with("it ") => ours,
            other => format!("it passed a value that does not match the contract: {other}"),
        },
    };
    let reason = if export.is_empty() { what } else { format!("{export}: {what}") };
    Error::new(&plugin.name, stage, reason)
}
