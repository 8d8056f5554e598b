//! The host around the sandbox: home folder, sources of events, plugins, delivery, and what commands do.
//! `host/ARCHITECTURE.md` has the map of all rooms and which may use which. What must be trusted is in the
//! crate `glassbox-sandbox`.

pub mod attest;
pub mod daemon;
pub mod delivery;
pub mod events;
pub mod home;
pub mod net;
pub mod operations;
pub mod plugins;
pub mod record;
pub mod sending;
pub mod sources;
pub mod system;

/// The version, with that of wasmtime: an auditor wants both.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (wasmtime ", env!("WASMTIME_VERSION"), ")");
