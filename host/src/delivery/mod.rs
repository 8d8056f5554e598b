//! Delivery: sends reports that passed the gate to a tracking server, off the event path. They are sent in order and
//! once; again only if the server cannot have received them. What may be sent is not decided here.

mod http_client;
mod only_to;
mod outage;
pub mod send_queue;
mod worker;

pub use send_queue::{SendQueue, Tally};

/// Why a request that waited was dropped, for the journal.
const WITHDRAWN: &str = "consent or grant was taken back before it was sent";
