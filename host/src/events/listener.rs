//! Who hears events, as the router sees it.

use super::Event;
use std::sync::Arc;
use std::time::Duration;

/// Who hears events: a plugin's [`EventQueue`](super::event_queue::EventQueue), whatever else may be in that.
pub trait Listener: Send + Sync {
    /// Hand over an event, if the plugin sees it. Waits for room as long as the plugin goes on; with `alone`,
    /// however slowly: nobody else waits.
    fn event(&self, event: &Arc<Event>, alone: bool);

    /// The events that the plugin sees.
    fn sees(&self) -> Vec<String>;

    /// No more events will come; those that wait are dropped if they take longer than this.
    fn end(&self, longest: Duration);
}
