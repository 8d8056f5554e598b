//! What a component's bytes say, without running or compiling them: whether it fits the world in `wit/`,
//! what compiling it would cost, and errors that name everything that is wrong with it.
//!
//! This crate enforces nothing. What a plugin may see or say does not depend on it: the engine links only
//! what the world has, with the world's types, whatever is overlooked here, and the manifest found here is
//! the very text that is shown, granted and enforced. It is a crate of its own so that the trusted core
//! stays small, and so that it can be fuzzed without an engine.
//!
//! ```
//! use glassbox_contract::{NotAComponent, inspect};
//!
//! // The smallest component there is: a component for sure, but not a tracker.
//! let found = inspect(b"\0asm\x0d\0\x01\0")?;
//! assert!(found.differences.contains(&"it does not export on-event".into()));
//!
//! assert!(matches!(inspect(b"hello"), Err(NotAComponent::NotWasm)));
//! # Ok::<(), NotAComponent>(())
//! ```

mod cost;
mod error;
mod text;
mod types;
mod world;

pub use cost::{CompileCost, compile_cost};
pub use error::{Error, Stage};
pub use text::{component_words, hex, is_hidden, printable, without_credentials};
pub use world::{Inspection, NotAComponent, inspect};
