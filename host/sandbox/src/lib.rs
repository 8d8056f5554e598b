//! The trusted core of Glassbox: everything that stands between a tracker and the world.
//!
//! What someone must read to believe the box is in this crate, and nothing else is: the engine and
//! its limits, the check of a component against the contract, the policy that its manifest asks
//! for, the gate that every request passes, and consent. Sources of events, delivery, the command
//! line and the audit depend on it; it depends on none of them.

mod bindings;
mod cache;
pub mod capabilities;
mod check;
pub mod consent;
mod encode;
mod engine;
mod gate;
mod grant;
mod instance;
pub mod limits;
pub mod manifest;
mod policy;
mod rate;
mod settings;

pub use check::inspect;
pub use consent::Consent;
pub use encode::percent_encode;
pub use engine::{Plugin, Sandbox, config, digest, examine};
pub use gate::{Blocked, Method, Outgoing};
pub use glassbox_contract::{Error, Inspection, Stage, printable};
pub use instance::{Instance, Outcome};
pub use manifest::Manifest;
pub use policy::Policy;
pub use settings::Settings;
