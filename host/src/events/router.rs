//! From one source to every plugin's event queue; and what a plugin that comes late must hear.

use super::Listener;
use super::event::{ENVIRONMENT, Event, PRINTER, STARTED, STOPPING};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the events that wait may take when the source has ended.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// Delivers events. Clones share the listeners.
#[derive(Clone, Default)]
pub struct Router(Arc<Mutex<RouterState>>);

#[derive(Default)]
struct RouterState {
    listeners: BTreeMap<String, Arc<dyn Listener>>,
    /// The last of each event that tells how things are, and when it came.
    standing: BTreeMap<&'static str, (Arc<Event>, Instant)>,
    ended: bool,
    /// How often it changed what is seen.
    generation: u64,
    watchers: Vec<Box<dyn Fn() + Send + Sync>>,
    /// When the server's run was last told to begin or to end, by the server.
    turned: Option<Instant>,
}

impl Router {
    /// Whether a run of the server began or ended so short a time ago.
    #[must_use]
    pub fn turned_within(&self, age: Duration) -> bool {
        self.lock().turned.is_some_and(|turned| turned.elapsed() < age)
    }

    /// Hand an event to every plugin that sees it.
    pub fn deliver(&self, event: Event) {
        let event = Arc::new(event);
        let mut shared = self.lock();
        shared.remember(&event);
        let listeners: Vec<_> = shared.listeners.values().cloned().collect();
        // A plugin that holds us up must not hold up who comes and goes.
        drop(shared);
        let alone = listeners.len() == 1;
        listeners.iter().for_each(|listener| listener.event(&event, alone));
    }

    /// A plugin comes: it hears first how things are.
    pub fn attach(&self, name: &str, listener: Arc<dyn Listener>) {
        let mut shared = self.lock();
        // The start last: whoever hears it reports at once, and must know by then.
        for key in [ENVIRONMENT, PRINTER, STARTED] {
            if let Some((event, since)) = shared.standing.get(key) {
                listener.event(&Arc::new(aged(event, *since)), false);
            }
        }
        if shared.ended {
            listener.end(LAST_EVENTS);
        }
        shared.listeners.insert(name.into(), listener);
        shared.changed();
    }

    /// A plugin goes.
    pub fn detach(&self, name: &str) {
        let mut shared = self.lock();
        shared.listeners.remove(name);
        shared.changed();
    }

    /// A plugin sees other events now.
    pub fn changed(&self) {
        self.lock().changed();
    }

    /// All events that any plugin sees.
    #[must_use]
    pub fn sees(&self) -> BTreeSet<String> {
        let listeners: Vec<_> = self.lock().listeners.values().cloned().collect();
        listeners.iter().flat_map(|listener| listener.sees()).collect()
    }

    /// Another number each time that the events that are seen may have changed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Have this called when they may have changed; it must not wait, nor call back.
    pub fn watch(&self, ring: Box<dyn Fn() + Send + Sync>) {
        self.lock().watchers.push(ring);
    }

    /// The source has ended.
    pub fn end(&self) {
        let mut shared = self.lock();
        shared.ended = true;
        shared.listeners.values().for_each(|listener| listener.end(LAST_EVENTS));
    }

    fn lock(&self) -> MutexGuard<'_, RouterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RouterState {
    fn changed(&mut self) {
        self.generation += 1;
        self.watchers.iter().for_each(|ring| ring());
    }

    fn remember(&mut self, event: &Arc<Event>) {
        if !event.made_up && [STARTED, STOPPING].contains(&event.name.as_str()) {
            self.turned = Some(Instant::now());
        }
        match event.name.as_str() {
            STOPPING => self.standing.clear(),
            name => {
                if let Some(key) = [ENVIRONMENT, STARTED, PRINTER].into_iter().find(|key| *key == name) {
                    self.standing.insert(key, (event.clone(), Instant::now()));
                }
            }
        }
    }
}

/// The event as it would have to be told now: an uptime has grown.
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
    use crate::events::event_queue::{EventQueue, Item};
    use glassbox_sandbox::{Manifest, Policy};

    #[test]
    fn who_comes_late_hears_how_things_are_and_nothing_older() {
        let router = Router::default();
        let event = |name: &str, payload: &str| Event { name: name.into(), payload: payload.into(), made_up: false };
        router.deliver(event(STARTED, "{\"uptime\":1}"));
        router.deliver(event(STOPPING, "null"));
        router.deliver(event(ENVIRONMENT, "{\"a\":1}"));
        router.deliver(event("A", "null"));
        router.deliver(event(STARTED, "{\"uptime\":5}"));
        let sees = [ENVIRONMENT, STARTED, PRINTER, "A"].map(|name| format!("[[sees]]\nevent=\"{name}\"\nfields=[]"));
        let manifest = Manifest::parse(&format!("[plugin]\nname=\"p\"\n{}", sees.join("\n"))).unwrap();
        let queue = Arc::new(EventQueue::<()>::new(Arc::new(Policy::new(manifest).unwrap())));
        router.attach("p", queue.clone());
        router.deliver(event("A", "2"));
        router.end();
        let mut heard = Vec::new();
        while let Item::Event(event, _) = queue.next(None) {
            heard.push((event.name.clone(), event.payload.clone(), event.made_up));
        }
        assert_eq!(heard.len(), 3, "{heard:?}");
        assert_eq!(heard[0], (ENVIRONMENT.into(), "{\"a\":1}".into(), true));
        assert!(heard[1].0 == STARTED && heard[1].1.starts_with("{\"uptime\":5.") && heard[1].2, "{heard:?}");
        assert_eq!(heard[2], ("A".into(), "2".into(), false));
    }
}
