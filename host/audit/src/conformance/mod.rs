//! Conformance: what a tracker sends, compared with what a real OctoPrint was recorded to send.
//!
//! A corpus is a file of short cases, one a line; a session is two files, what went into OctoPrint over minutes and
//! what its tracker sent. The formats are described in `tests/corpora/README.md`.

pub mod case;
pub mod compare;
pub mod corpus;
pub mod corpus_result;
pub mod reason;
pub mod receiver;
pub mod recorded_request;
pub mod replay;
pub mod sent;
pub mod session;

pub use case::Case;
pub use compare::{CaseVerdict, compare};
pub use corpus::Corpus;
pub use reason::Reason;
pub use recorded_request::RecordedRequest;
