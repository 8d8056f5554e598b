//! Hears OctoPrints that publish their events with the plugin OctoPrint-MQTT: one connection to a broker
//! for any number of them, told apart by their base topics. What becomes of the events is not decided
//! here.
//!
//! Only as much of MQTT 3.1.1 is spoken as it takes to listen: the codecs that there are bring a runtime
//! of their own, a dozen crates, or nobody who looks after them.

pub mod client;
pub mod follow;
pub mod packet;
mod published_octoprint;
pub mod topics;
