//! Where events come from: a stream of JSON lines, running OctoPrints, and MQTT brokers. A source is given a
//! [`Feed`](crate::events::Feed) and knows nothing of plugins or delivery.

pub mod jsonl;
pub mod mqtt;
pub mod octoprint;
mod outage;
mod server_run;
