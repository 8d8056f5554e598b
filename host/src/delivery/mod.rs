//! Delivery: reports that passed the gate, on their way to a tracking server. They wait in order, are sent
//! once, and tried again only where the server cannot have heard them. What may be sent is not decided here.

mod http_client;
mod outage;
pub mod send_queue;

pub use send_queue::{SendQueue, Tally};
