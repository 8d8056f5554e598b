//! Recordings of everything that crosses the boundary of a plugin's instances, in both directions. They are written to
//! a file ([`sink`], [`format`]), replayed without touching anything real ([`replayer`]), and compared with what another
//! version would have sent ([`compare`]).
//!
//! The capabilities that the host gives to a component are tapped ([`tape`]), and so are the calls that it makes
//! ([`recorded_instance`]): the trusted core knows nothing of recordings. Fuel is counted only if a run is recorded to a
//! file, and not for the last calls before a failure, which every host keeps ([`ring`]). Running a plugin and choosing
//! when to record is up to the room `plugins`.

pub mod compare;
mod components;
mod crossing;
mod format;
mod reader;
mod recorded_instance;
mod recorder;
mod redact;
mod replayer;
mod report;
mod ring;
mod scenario;
mod script;
mod sink;
mod tape;

pub use components::{Components, sandbox};
pub use crossing::{Call, HostCall, Load, Moment, RecordedCall, Restore, Returned, SentRequest, Start};
pub use format::{Header, RecordLine, end, header, lines, parse};
pub use reader::{Ending, Recording};
pub use recorded_instance::RecordedInstance;
pub use recorder::Recorder;
pub use redact::Redactor;
pub use replayer::{Divergence, Replay, replay};
pub use report::Comparison;
pub use sink::{LIMIT, Sink};
