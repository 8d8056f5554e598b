//! How long a connection that is listened to may take to set up, and how long it may be silent.

use std::time::Duration;

/// The time limits of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the start until the connection is set up; where the line may be slow, how long it may be silent until then.
    pub setup: Duration,
    /// From the start until a connection over a slow line is set up, on which something always comes.
    pub patience: Duration,
    /// Without a message, before we send a ping: neither the push API nor a broker sends anything while nothing happens.
    pub quiet: Duration,
    /// Until the answer to that ping.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { setup: seconds(10), patience: seconds(60), quiet: seconds(30), answer: seconds(20) }
    }
}
