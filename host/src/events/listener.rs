//! The receiver of events, as the router sees it.

use super::Event;
use std::sync::Arc;
use std::time::Duration;

/// A receiver of events: a plugin's [`EventQueue`](super::event_queue::EventQueue), whatever its type of orders is.
pub trait Listener: Send + Sync {
    /// Queue an event, if the plugin sees it. Waits for room while the plugin keeps up; with `alone`, when no other
    /// plugin waits for the same source, also for one that is slow.
    fn event(&self, event: &Arc<Event>, alone: bool);

    /// The names of the events that the plugin sees.
    fn sees(&self) -> Vec<String>;

    /// No more events will come; those that wait are dropped if they take longer than this.
    fn end(&self, longest: Duration);
}
