//! What the commands do, for whoever asks: the command line today, a page tomorrow. Nothing here prints, or
//! knows how it was asked: each operation returns what it found or did, as a type. The words on a terminal are
//! in `cli`; what runs all the time is in `daemon` and `plugins`.

pub mod connections;
pub mod consent;
pub mod doctor;
pub mod grants;
pub mod import;
pub mod octoprints;
pub mod plugins;
pub mod policy;
pub mod settings;
pub mod similar;
pub mod status;
pub mod trust;
