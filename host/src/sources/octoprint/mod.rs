//! Events from a running OctoPrint: logs in over its REST API, subscribes at its push API to what the plugins see, and
//! reads over REST what the push API does not bring. What is done with the events is not decided here.

mod announce;
pub mod connection_status;
pub mod follow;
pub mod own_tracker;
pub mod permissions;
pub mod probe;
pub mod push;
mod refusal;
pub mod rest;
pub mod server_info;
mod session;
mod subscription;
pub mod version;

use crate::net::{Address, ConnectError};
use glassbox_util::text::printable;

/// The oldest OctoPrint whose push API lets clients subscribe to single events (`subscribe`, new in 1.8.0).
pub const OLDEST: (u64, u64) = (1, 8);

/// How much of what somebody sends is shown, in characters: whoever answers may send anything.
const SHOWN: usize = 80;

/// Check that this version of OctoPrint can be listened to. One that nobody knows may be new enough, and is listened to.
///
/// # Errors
/// When it is known to be too old.
pub fn must_be_new_enough(address: &Address, version: &str) -> Result<(), ConnectError> {
    if version::release(version).is_none_or(|release| release >= OLDEST) {
        return Ok(());
    }
    let (major, minor) = OLDEST;
    let version = printable(version, SHOWN);
    let what = format!("{address} is OctoPrint {version}, which is too old");
    Err(ConnectError::wrong(what, format!("update it to {major}.{minor} or later")))
}
