//! Delivery: sends reports that passed the gate to a tracking server, off the event path. They are sent in order and
//! once; again only if the server cannot have received them. What may leave is not decided here,
//! but asked for right before it leaves.

mod http_client;
mod only_to;
mod outage;
pub mod send_queue;
mod worker;

pub use send_queue::{InstanceQueue, SendQueue, Tally};

use glassbox_sandbox::Outgoing;
use std::sync::Arc;

/// What becomes of a report that does not get through: the one sentence for it, wherever it is said.
pub const RULE: &str = "a report is tried up to four times within a minute, and then dropped";

/// How the journal's reason begins for a report that was dropped as its server was away, and not because it might not leave.
pub const NO_CONNECTION: &str = "no connection: ";

/// Decides whether a request may still leave, or why not. It is asked twice for each attempt: before the server's name is
/// looked up, and when the connection stands, before the first byte of the request.
pub type MayLeave = Arc<dyn Fn(&Outgoing) -> Result<(), String> + Send + Sync>;
