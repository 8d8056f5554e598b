//! Compares a component with the world in `wit/`, without running or compiling it, and names everything that is wrong
//! with it, for its author.
//!
//! This crate enforces nothing, and the trusted core does not use it. What a plugin may see or say does not depend on it:
//! the engine links only what the world has, with the world's types, whatever is overlooked here, and finds the manifest
//! itself. But an engine stops at the first thing that is wrong, and does not say what it should be. So the host, the audit
//! and the tests prepare components by [`Prepare`], which asks here first. To start one only for what it says of itself,
//! there is [`deny`]; to hand it events where nothing need be saved before a report leaves, [`Deliver`].
//!
//! ```
//! use glassbox_contract::inspect;
//!
//! // The smallest component there is: a component for sure, but not a tracker.
//! let found = inspect("smallest", b"\0asm\x0d\0\x01\0")?;
//! assert!(found.differences.contains(&"it does not export on-event".into()));
//!
//! let refused = inspect("text", b"hello").unwrap_err();
//! assert_eq!(refused.reasons, ["the file is not WebAssembly"]);
//! # Ok::<(), glassbox_sandbox::Error>(())
//! ```

mod cost;
#[cfg(feature = "engine")]
mod deliver;
mod deny;
mod examine;
mod types;
mod world;

#[cfg(feature = "engine")]
pub use deliver::Deliver;
pub use deny::{Deny, deny};
#[cfg(feature = "engine")]
pub use examine::Prepare;
pub use examine::{examine, inspect};
pub use world::{Inspection, NotAComponent, compare};
