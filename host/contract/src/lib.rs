//! What a component's bytes say, without an engine: whether it fits the world in `wit/`, what
//! compiling it would cost, and the words for whatever is wrong with it.
//!
//! Nothing that a plugin may see or say depends on what is here: the engine links only what the
//! world has, with the world's types, whatever this crate overlooks; and the manifest that it finds
//! is the one that is shown, granted and enforced. It is apart so that the trusted core stays small,
//! and so that it can be tried quickly with any bytes.

mod effort;
mod error;
mod text;
mod types;
mod world;

pub use effort::{Effort, effort};
pub use error::{Error, Stage};
pub use text::{hex, is_hidden, printable};
pub use world::{Inspection, inspect};
