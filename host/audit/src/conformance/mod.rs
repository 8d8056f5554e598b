//! Conformance: what a tracker sends, compared with what the real OctoPrint was recorded to send.
//!
//! A corpus is a file of cases, one a line; a session is two files, what went in and what came out.
//! The formats are described in `tests/corpora/README.md`.

pub mod case;
pub mod compare;
pub mod reason;
pub mod receiver;
pub mod replay;
pub mod sent;
pub mod session;

pub use case::{Case, Cases, Request};
pub use compare::{Verdict, compare};
pub use reason::Reason;
