//! What the commands do, for whoever asks: the command line today, a page tomorrow. Nothing here prints, or
//! knows how it was asked: each operation returns what it found or did.

pub mod connections;
pub mod doctor;
pub mod octoprints;
pub mod plugins;
pub mod status;
