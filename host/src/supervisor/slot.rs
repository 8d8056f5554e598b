//! What the supervisor knows of one plugin file.

use crate::home::Home;
use crate::worker::Worker;
use glassbox_sandbox::Plugin;
use std::sync::Arc;
use std::time::Instant;

/// One plugin file.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) worker: Option<Worker>,
    /// The version that runs.
    pub(super) running: Option<Arc<Plugin>>,
    /// The version that was handed to the worker.
    pub(super) handed: Option<Arc<Plugin>>,
    /// Whether its worker has not said yet that it runs.
    pub(super) starting: bool,
    /// Digests that failed: not to be tried again before settings or grants change.
    pub(super) failed: Vec<String>,
    /// What the file looked like when it was looked at.
    pub(super) seen: Option<Seen>,
    /// Whether the loader is busy with it, and whether to look again after that.
    pub(super) loading: bool,
    pub(super) again: bool,
    /// A failure that may be a file half written, and when to look again.
    pub(super) suspect: Option<(String, Option<Instant>)>,
    /// What was last said, so that it is said once.
    pub(super) said: Option<String>,
}

/// A file from outside: as long as this is the same, its content is.
pub(super) type Seen = (u64, Option<std::time::SystemTime>, u64, i64);

impl Slot {
    /// Say it, unless that was the last thing that was said.
    pub(super) fn say(&mut self, name: &str, what: String, is_error: bool) -> bool {
        if self.said.as_ref() == Some(&what) {
            return false;
        }
        if is_error {
            tracing::error!(about = name, "{what}");
        } else {
            tracing::warn!(plugin = name, "{what}");
        }
        self.said = Some(what);
        true
    }
}

/// What the file looks like now; none if there is none.
pub(super) fn seen(home: &Home, name: &str) -> Option<Seen> {
    let metadata = std::fs::metadata(home.plugin_file(name)).ok()?;
    #[cfg(unix)]
    let (inode, changed) = {
        use std::os::unix::fs::MetadataExt;
        // Also what `chmod` and `cp -p` do.
        (metadata.ino(), metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec()))
    };
    #[cfg(not(unix))]
    let (inode, changed) = (0, 0);
    Some((metadata.len(), metadata.modified().ok(), inode, changed))
}
