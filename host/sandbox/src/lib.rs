//! The trusted core of Glassbox: everything that stands between a tracker and the world.
//!
//! What someone must read to believe the box is in this crate, and nothing else is: the engine and
//! its limits, the check of a component against the contract, the policy that its manifest asks
//! for, the gate that every request passes, and consent. Sources of events, delivery, the command
//! line and the audit depend on it; it depends on none of them.
//!
//! The feature `engine`, on by default, is what runs components. Without it the rest is built without
//! wasmtime, for the fuzz targets (`tests/fuzz/`).

// What only the engine uses.
#![cfg_attr(not(feature = "engine"), allow(dead_code))]

#[cfg(feature = "engine")]
mod bindings;
#[cfg(feature = "engine")]
mod cache;
pub mod capabilities;
mod check;
pub mod consent;
pub mod describe;
mod digest;
mod encode;
#[cfg(feature = "engine")]
mod engine;
pub mod fake;
mod gate;
mod grant;
#[cfg(feature = "engine")]
mod instance;
pub mod limits;
pub mod manifest;
mod policy;
#[cfg(feature = "engine")]
mod rate;
mod settings;

pub use check::inspect;
pub use consent::Consent;
pub use digest::digest;
pub use encode::percent_encode;
#[cfg(feature = "engine")]
pub use engine::{Plugin, Sandbox, config, examine};
pub use gate::{Blocked, Method, Outgoing, Request, pass};
pub use glassbox_contract::{Error, Inspection, Stage, hex, is_hidden, printable};
#[cfg(feature = "engine")]
pub use instance::{Instance, Outcome};
pub use manifest::Manifest;
pub use policy::Policy;
#[cfg(feature = "engine")]
pub use rate::Rate;
pub use settings::Settings;
