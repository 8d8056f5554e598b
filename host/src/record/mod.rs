//! Recordings: everything that crosses the boundary of a plugin's instances, in both directions, written
//! down ([`sink`], [`format`]), made again with all live services denied ([`replayer`]), and compared with
//! what another version would have said ([`compare`]).
//!
//! The taps are on the capabilities that the host hands out ([`tape`]) and around the calls that it makes
//! ([`watched`]): the trusted core knows nothing of recordings. Fuel is counted only where a run is recorded
//! into a file: the last calls before a failure, which every host keeps, are without.

pub mod compare;
mod components;
mod crossing;
mod format;
mod reader;
mod recorder;
mod redact;
mod replayer;
mod report;
mod ring;
mod scenario;
mod script;
mod sink;
mod tape;
mod watched;

pub use components::{Components, sandbox};
pub use crossing::{Asked, Back, Call, Moment, Passage, Sent, Start};
pub use format::{Header, RecordLine, end, header, lines, parse};
pub use reader::{Ending, Recording};
pub use recorder::Recorder;
pub use redact::Redactor;
pub use replayer::{Divergence, Replay, replay};
pub use report::Comparison;
pub use sink::{LIMIT, Sink, write_privately};
pub use watched::Watched;
