//! OctoPrint's anonymous usage tracking: what is reported when.
//!
//! The core, [`Tracker`], is plain Rust: it takes events and ticks, asks a [`Capabilities`] for
//! everything it needs of the world, and knows nothing of WebAssembly, so it is tested natively.
//! `glue` (only there in the component) maps the contract in `wit/` to the core and back.
//! Each family of events has a file of its own under `events/`.

#[cfg(target_family = "wasm")]
mod allocator;
pub mod capabilities;
mod environment;
mod events;
mod fields;
#[cfg(target_family = "wasm")]
mod glue;
mod python;
mod settings;
mod state;
mod tracker;
mod uuid;

pub use capabilities::{Capabilities, Machine, Method, Request};
pub use python::text;
pub use settings::SCHEMA;
pub use tracker::Tracker;
