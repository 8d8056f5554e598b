//! OctoPrint's anonymous usage tracking: what is reported, and when.
//!
//! The core, [`Tracker`], is plain Rust: it takes events and ticks, and asks a [`Capabilities`] for
//! everything that it needs from outside. It knows nothing of WebAssembly, so it is tested
//! natively. `glue`, which exists only in the component, connects it to the contract in `wit/`.
//!
//! Each family of events has a file of its own under `events/`. A file uses only what is further
//! down in this list (`tests/layers.rs` checks it):
//!
//! 1. `glue`
//! 2. `tracker`: which file handles which event
//! 3. `events/*`: what is reported, when, and with which fields
//! 4. `context`: what those work with
//! 5. `state`: what is remembered
//! 6. `environment`, `throttling`, `settings`
//! 7. `fields`, `allocator`
//! 8. `capabilities`, `python`
//!
//! ```
//! use glassbox_tracker::{Capabilities, Machine, Report, Tracker};
//! use std::cell::RefCell;
//!
//! /// A host that keeps the names of the reports.
//! #[derive(Default)]
//! struct Host(RefCell<Vec<String>>);
//!
//! impl Capabilities for Host {
//!     fn now(&self) -> u64 {
//!         0
//!     }
//!     fn machine(&self) -> Machine {
//!         Machine::default()
//!     }
//!     fn throttled(&self) -> Option<u32> {
//!         None
//!     }
//!     fn send(&self, report: Report) {
//!         self.0.borrow_mut().push(report.name.into());
//!     }
//! }
//!
//! let (mut tracker, host) = (Tracker::default(), Host::default());
//! tracker.load("{}")?;
//! tracker.on_event("PrintStarted", r#"{"path": "7d0a7a7a1b0b5e5e6e6f0c0e8a0d7b8a4b5c6d7e", "origin": "local"}"#, &host)?;
//! assert_eq!(*host.0.borrow(), ["print_started"]);
//! # Ok::<(), String>(())
//! ```

#[cfg(target_family = "wasm")]
mod allocator;
mod capabilities;
mod context;
mod environment;
mod events;
mod fields;
#[cfg(target_family = "wasm")]
mod glue;
// The host's own code, so that both print a value in the same way: the host blocks a report that is not the same as the
// one it makes itself.
#[path = "../../host/sandbox/src/python.rs"]
pub mod python;
mod settings;
mod state;
mod throttling;
mod tracker;

pub use capabilities::{Capabilities, Machine, Method, Report};
pub use settings::SCHEMA as SETTINGS_SCHEMA;
pub use tracker::{Heard, Tracker};
