//! The receiving end of OctoPrint's usage tracking: takes reports, looks up where they come from, keeps them, and publishes
//! what they add up to. One program for one machine, in place of a web server's log, a pipeline, a search engine and
//! scripts.
//!
//! A request goes through [`server`] (limits), [`address`] and [`geo`] (a rough place, and then the address is gone),
//! [`door`] (what of it is kept: a manifest in the tracker's format, read by the same code) and [`store`] (one file a day).
//! [`import`] takes another server's logs the same way. [`exports`] reads the store and knows nothing of the rest;
//! [`page`] draws what they say;
//! [`fleet`] fills it with installations that are made up.

// It panics where nobody reads any more: see `log`.
#![deny(clippy::print_stderr)]

pub mod address;
pub mod client;
pub mod config;
pub mod door;
pub mod exports;
pub mod fleet;
pub mod geo;
pub mod id;
pub mod import;
pub mod installation;
mod log;
pub mod page;
pub mod server;
pub mod store;
mod thread;

pub use log::log;
