//! Files that somebody else may use at the same time, or may have put there: reading without being held up
//! ([`open_regular`], [`read_bounded`]), writing so that a reader sees the old content or the new and a crash loses
//! neither, files that only we are to use ([`open_own`]), locks where there are none ([`StandIn`]), and where a path leads through ([`steps`]). Which files there
//! are, and what is in them, is not known here.

mod own;
mod private;
mod read;
mod stand_in;
mod way;
mod write;

pub use own::{is_at, make_private_folder, open_own, open_own_with, renew_own};
pub use private::must_be_private;
pub use read::{is_denied, open_regular, read_bounded};
pub use stand_in::{StandIn, cannot_lock};
pub use way::{links, steps};
pub use write::{move_aside, write_atomically, write_own, write_own_with_sync, write_privately, write_privately_over};

use anyhow::{Context, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The most symbolic links that are followed along a path, as in Linux itself.
const LINKS: usize = 40;

/// Create a folder, and those above it, unless they exist. Those that are made are for their owner only.
///
/// # Errors
/// When it cannot be created; the message names it.
pub fn make_folder(folder: &Path) -> Result<()> {
    make_private_folder(folder).with_context(|| format!("making the folder {}", folder.display()))
}

/// Remove a file. Returns false if there was none.
///
/// # Errors
/// When it exists and cannot be removed; the message names it.
pub fn remove(file: &Path) -> Result<bool> {
    match fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("removing {}", file.display())),
    }
}
