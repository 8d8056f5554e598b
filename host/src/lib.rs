//! The host around the sandbox: home folder, sources of events, delivery, audit, command line.
//! What must be trusted is in the crate `glassbox-sandbox`.

pub mod attest;
pub mod audit;
pub mod carrier;
pub mod config;
pub mod conformance;
pub mod describe;
pub mod grants;
pub mod handshake;
pub mod home;
pub mod imported;
pub mod inbox;
pub mod journal;
pub mod ledger;
pub mod loader;
pub mod mqtt;
pub mod octoprint;
pub mod outage;
pub mod outbox;
pub mod player;
pub mod rebuild;
pub mod receiver;
pub mod record;
pub mod roots;
pub mod router;
pub mod run;
pub mod running;
pub mod schema;
pub mod server;
pub mod settings;
pub mod site;
pub mod source;
pub mod state;
pub mod supervisor;
pub mod system;
pub mod versions;
pub mod voice;
pub mod waits;
pub mod watch;
pub mod worker;

/// The version, with that of wasmtime: an auditor wants both.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (wasmtime ", env!("WASMTIME_VERSION"), ")");
