//! Events on their way from a source to the plugins: what an event is, who receives it, and where it waits. Where
//! events come from, and what a plugin does with them, is in other rooms.

pub mod event;
pub mod event_queue;
pub mod feed;
mod listener;
pub mod router;

pub use event::Event;
pub use event_queue::EventQueue;
pub use feed::Feed;
pub use listener::Listener;
pub use router::Router;
