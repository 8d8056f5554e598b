//! How long a connection that is listened to may take, or be silent.

use std::time::Duration;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until a connection is set up.
    pub setup: Duration,
    /// Without a word, before we ask whether anybody is there: OctoPrint has no heartbeat of its own here.
    pub quiet: Duration,
    /// For the answer to that.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { setup: seconds(10), quiet: seconds(30), answer: seconds(20) }
    }
}
