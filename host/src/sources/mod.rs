//! Where events come from: a stream of lines, running OctoPrints, and brokers. Each source is given a
//! [`Feed`](crate::events::Feed) and knows nothing of plugins or delivery.

pub mod jsonl;
pub mod mqtt;
pub mod octoprint;
mod server_run;
