//! A call into a component: its limits, what came of it, and what its failure is called.

use super::{Instance, Outcome};
use crate::engine::bindings::Tracker;
use crate::engine::imports::State;
use crate::pins::Cause;
use crate::{Error, Plugin, Stage, component_words, limits};
use std::time::Instant;
use wasmtime::{Store, Trap};

impl Instance {
    pub(super) fn call<T>(
        &mut self,
        export: &'static str,
        cause: Option<Cause>,
        call: impl FnOnce(&Tracker, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Error> {
        if self.dead {
            return Err(self.fail("it has already failed"));
        }
        let state = self.store.data_mut();
        state.cause = cause;
        state.sent.clear();
        arm(&mut self.store);
        let guard = self.plugin.watchdog.guard();
        let answer = call(&self.world, &mut self.store);
        drop(guard);
        self.store.data_mut().cause = None;
        answer.map_err(|error| {
            self.dead = true;
            failed(&self.plugin, Stage::Call, export, &error)
        })
    }

    pub(super) fn bounded(&mut self, export: &'static str, text: String, limit: usize) -> Result<String, Error> {
        if text.len() <= limit {
            return Ok(text);
        }
        Err(self.fail(format!("{export} returned {} bytes; the limit is {limit}", text.len())))
    }

    /// It has failed, and is dead.
    pub(super) fn fail(&mut self, reason: impl Into<String>) -> Error {
        self.dead = true;
        Error::new(&self.plugin.name, Stage::Call, reason)
    }

    /// What it says, without the installation's id, which it knows.
    pub(super) fn said(&self, message: &str) -> String {
        let state = self.store.data();
        let key = state.policy.manifest().capabilities.http.as_ref().map(|http| http.id_setting.as_str());
        let id = key.and_then(|key| state.settings.get(key)?.as_str()).unwrap_or_default();
        component_words(message, id, limits::MESSAGE_CHARS)
    }

    pub(super) fn outcome(&mut self, answer: Result<Option<u64>, String>, due: &[String]) -> Outcome {
        let answer = answer.map_err(|message| self.said(&message));
        self.departure.ended = Instant::now();
        let slow = self.departure.is_late();
        let state = self.store.data_mut();
        let mut sent = std::mem::take(&mut state.sent);
        // The order is not the component's: it could carry a message.
        sent.sort_by_key(|(number, _)| *number);
        for (number, _) in &sent {
            let request = &state.policy.manifest().says[*number];
            if request.once.is_some() {
                state.memory.due.reported(&request.request);
            }
        }
        let sent: Vec<_> = sent.into_iter().map(|(_, outgoing)| outgoing).collect();
        // What was blocked has an entry of its own.
        let blocked = &state.blocked;
        let is_unsent = |name: &&String| {
            !sent.iter().any(|sent| sent.name == **name) && !blocked.iter().any(|blocked| blocked.request == **name)
        };
        let unsent = due.iter().filter(is_unsent).cloned().collect();
        let (next_tick, message) = match answer {
            Ok(next_tick) => (next_tick, None),
            Err(message) => (None, Some(message)),
        };
        let blocked = std::mem::take(&mut state.blocked);
        Outcome { next_tick, sent, blocked, unsent, message, undelivered: None, slow }
    }
}

/// Set the limits of one call.
pub(super) fn arm(store: &mut Store<State>) {
    let ticks = limits::CALL_TIME.as_millis() / limits::WATCHDOG_TICK.as_millis();
    store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX));
    // An error, and not needed, where the engine does not count fuel.
    let _ = store.set_fuel(limits::FUEL);
}

/// A failed call in words for the plugin's author.
pub(super) fn failed(plugin: &Plugin, stage: Stage, export: &str, error: &wasmtime::Error) -> Error {
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
            memory if memory.contains("Cannot allocate memory") || memory.contains("os error 12") => {
                format!("the system refused it memory: {memory}; free some, or raise its limit ('ulimit -v')")
            }
            other => format!("it passed a value that does not match the contract: {other}"),
        },
    };
    let reason = if export.is_empty() { what } else { format!("{export}: {what}") };
    Error::new(&plugin.name, stage, reason)
}
