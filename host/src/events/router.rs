//! Delivers each event of one OctoPrint to the queue of every plugin that sees it, and remembers what a plugin that is
//! attached later has to be told. Which fields of an event a plugin sees is decided in the sandbox.

use super::Listener;
use super::event::{ENVIRONMENT, Event, PRINTER, STARTED, STOPPING};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long plugins may take for the events that still wait when the source has ended.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// Delivers events. Clones share the listeners.
#[derive(Clone, Default)]
pub struct Router(Arc<Mutex<RouterState>>);

#[derive(Default)]
struct RouterState {
    listeners: BTreeMap<String, Arc<dyn Listener>>,
    /// The last of each event that says how things are, and when it came.
    current: BTreeMap<&'static str, (Arc<Event>, Instant)>,
    ended: bool,
    /// How often it changed which events are seen.
    generation: u64,
    wakers: Vec<Box<dyn Fn() + Send + Sync>>,
    /// When a run of the server last began or ended.
    run_changed: Option<Instant>,
}

impl Router {
    /// Whether a run of the server began or ended within this time.
    pub fn run_changed_within(&self, age: Duration) -> bool {
        self.lock().run_changed.is_some_and(|run_changed| run_changed.elapsed() < age)
    }

    /// Hand an event to every plugin that sees it.
    pub fn deliver(&self, event: Event) {
        let event = Arc::new(event);
        let mut state = self.lock();
        state.remember(&event);
        let listeners: Vec<_> = state.listeners.values().cloned().collect();
        // While we wait for a plugin, others can be attached and detached.
        drop(state);
        let alone = listeners.len() == 1;
        listeners.iter().for_each(|listener| listener.event(&event, alone));
    }

    /// Add a plugin, and tell it first how things are.
    pub fn attach(&self, name: &str, listener: Arc<dyn Listener>) {
        let mut state = self.lock();
        // The start last: a plugin that is told this reports at once, and must know the rest by then.
        for key in [ENVIRONMENT, PRINTER, STARTED] {
            if let Some((event, since)) = state.current.get(key) {
                listener.event(&Arc::new(aged(event, *since)), false);
            }
        }
        if state.ended {
            listener.end(LAST_EVENTS);
        }
        state.listeners.insert(name.into(), listener);
        state.changed();
    }

    /// The printer's state, for a plugin that was switched off until now. What else is so now it has kept.
    pub fn printer_state(&self) -> Option<Event> {
        self.lock().current.get(PRINTER).map(|(event, since)| aged(event, *since))
    }

    /// Remove a plugin.
    pub fn detach(&self, name: &str) {
        let mut state = self.lock();
        state.listeners.remove(name);
        state.changed();
    }

    /// A plugin may see other events from now on.
    pub fn changed(&self) {
        self.lock().changed();
    }

    /// The names of all events that any plugin sees.
    pub fn sees(&self) -> BTreeSet<String> {
        let listeners: Vec<_> = self.lock().listeners.values().cloned().collect();
        listeners.iter().flat_map(|listener| listener.sees()).collect()
    }

    /// A number that grows each time that the events which plugins see may have changed.
    pub fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Have this called each time that those may have changed. It must not block, nor call the router.
    pub fn watch(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.lock().wakers.push(wake);
    }

    /// The source has ended: there are no more events.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.listeners.values().for_each(|listener| listener.end(LAST_EVENTS));
    }

    fn lock(&self) -> MutexGuard<'_, RouterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RouterState {
    fn changed(&mut self) {
        self.generation += 1;
        self.wakers.iter().for_each(|wake| wake());
    }

    fn remember(&mut self, event: &Arc<Event>) {
        if !event.made_up && [STARTED, STOPPING].contains(&event.name.as_str()) {
            self.run_changed = Some(Instant::now());
        }
        match event.name.as_str() {
            STOPPING => self.current.clear(),
            name => {
                if let Some(key) = [ENVIRONMENT, STARTED, PRINTER].into_iter().find(|key| *key == name) {
                    let before = self.current.get(key).filter(|_| key == ENVIRONMENT).map(|(before, _)| before);
                    let event = before.map_or_else(|| event.clone(), |before| Arc::new(merged(before, event)));
                    self.current.insert(key, (event, Instant::now()));
                }
            }
        }
    }
}

/// The parts of an environment that a later event has, and the others as they were.
fn merged(before: &Event, event: &Event) -> Event {
    let parts = |event: &Event| serde_json::from_str::<Map<String, Value>>(&event.payload).ok();
    let payload = parts(before).zip(parts(event)).map(|(mut all, new)| {
        all.extend(new);
        Value::Object(all).to_string()
    });
    Event { payload: payload.unwrap_or_else(|| event.payload.clone()), ..event.clone() }
}

/// The event as it would be now: an uptime has grown since it came.
fn aged(event: &Event, since: Instant) -> Event {
    let mut payload = event.payload.clone();
    if let Ok(Value::Object(mut fields)) = serde_json::from_str(&event.payload)
        && let Some(uptime) = fields.get("uptime").and_then(Value::as_f64)
    {
        fields.insert("uptime".into(), (uptime + since.elapsed().as_secs_f64()).into());
        payload = Value::Object(fields).to_string();
    }
    Event { name: event.name.clone(), payload, made_up: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::event_queue::{EventQueue, QueueItem};
    use glassbox_sandbox::{Manifest, Policy};

    #[test]
    fn a_plugin_that_comes_late_is_told_how_things_are_and_nothing_older() {
        let router = Router::default();
        let event = |name: &str, payload: &str| Event { name: name.into(), payload: payload.into(), made_up: false };
        router.deliver(event(STARTED, "{\"uptime\":1}"));
        router.deliver(event(STOPPING, "null"));
        router.deliver(event(ENVIRONMENT, "{\"a\":1,\"b\":1}"));
        router.deliver(event(ENVIRONMENT, "{\"b\":2}"));
        router.deliver(event("A", "null"));
        router.deliver(event(STARTED, "{\"uptime\":5}"));
        let sees = [ENVIRONMENT, STARTED, PRINTER, "A"].map(|name| format!("[[sees]]\nevent=\"{name}\"\nfields=[]"));
        let manifest = Manifest::parse(&format!("[plugin]\nname=\"p\"\n{}", sees.join("\n"))).unwrap();
        let queue = Arc::new(EventQueue::<()>::new(Arc::new(Policy::new(manifest).unwrap())));
        router.attach("p", queue.clone());
        router.deliver(event("A", "2"));
        router.end();
        let mut heard = Vec::new();
        while let QueueItem::Event(event, _) = queue.next(None) {
            heard.push((event.name.clone(), event.payload.clone(), event.made_up));
        }
        assert_eq!(heard.len(), 3, "{heard:?}");
        assert_eq!(heard[0], (ENVIRONMENT.into(), "{\"a\":1,\"b\":2}".into(), true));
        assert!(heard[1].0 == STARTED && heard[1].1.starts_with("{\"uptime\":5.") && heard[1].2, "{heard:?}");
        assert_eq!(heard[2], ("A".into(), "2".into(), false));
    }
}
