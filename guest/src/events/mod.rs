//! One file for each family of events: what is sent, when, and with which fields.

pub mod achievements;
pub mod commerror;
pub mod connection;
pub mod lifecycle;
pub mod plugins;
pub mod prints;
pub mod safety;
pub mod slicing;
pub mod throttle;
pub mod updates;
pub mod webui;
