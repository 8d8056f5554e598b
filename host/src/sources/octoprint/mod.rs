//! Hears a running OctoPrint: logs in, subscribes to what the plugins see, and makes up for what
//! its push API does not bring. What becomes of the events is not decided here.

pub mod connection;
pub mod facts;
pub mod follow;
pub mod own_tracker;
pub mod permissions;
pub mod push;
pub mod rest;
pub mod visit;

use crate::net::{Address, ConnectError};
use glassbox_util::text::printable;

/// The oldest OctoPrint of which one can hear just the events that one wants.
pub const OLDEST: (u64, u64) = (1, 8);

/// As much of what says it is a version is shown, in characters.
const VERSION: usize = 80;

/// Whether this version of OctoPrint can be heard.
///
/// # Errors
/// When it is too old.
pub fn must_be_new_enough(address: &Address, version: &str) -> Result<(), ConnectError> {
    if facts::release(version) >= OLDEST {
        return Ok(());
    }
    let (major, minor) = OLDEST;
    let version = printable(version, VERSION);
    Err(ConnectError::Wrong(format!(
        "{address} is OctoPrint {version}, which is too old; update it to {major}.{minor} or later"
    )))
}
