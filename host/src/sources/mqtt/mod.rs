//! Events from OctoPrints that publish them with the plugin OctoPrint-MQTT: one connection to each broker, for any
//! number of OctoPrints, which are told apart by their base topics. What is done with the events is not decided here.

pub mod client;
mod counted;
pub mod follow;
mod freshness;
mod pace;
pub mod packet;
mod payload;
mod published_octoprint;
pub mod topics;
