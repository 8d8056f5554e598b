//! Events from OctoPrints that publish them with the plugin OctoPrint-MQTT: one connection to each broker, for any
//! number of OctoPrints, which are told apart by their base topics. What is done with the events is not decided here.

pub mod client;
pub mod follow;
pub mod packet;
mod published_octoprint;
pub mod topics;
