//! One file for each family of OctoPrint's events: what is reported, when, and with which fields.
//! These files do not use each other; what they share is in `context` and below.

pub mod achievements;
pub mod commerror;
pub mod lifecycle;
pub mod ping;
pub mod plugins;
pub mod printer;
pub mod prints;
pub mod safety;
pub mod slicing;
pub mod throttle;
pub mod updates;
pub mod webui;
