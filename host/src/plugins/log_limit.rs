//! What a plugin says in the log: its own messages, and what was blocked. One that complains all the
//! time is heard so often, and no more.

use glassbox_util::text::printable;
use std::time::{Duration, Instant};

/// Messages of a plugin in a minute: nobody reads more, and a disk is soon full of them.
const MESSAGES: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// A plugin's share of the log.
pub struct LogLimit {
    name: String,
    said: u32,
    left_out: u64,
    since: Instant,
}

impl LogLimit {
    /// Of this plugin.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), said: 0, left_out: 0, since: Instant::now() }
    }

    /// Say it, with what a terminal would take for a command spelled out; unless too much was said.
    pub fn say(&mut self, what: &str) {
        if self.since.elapsed() >= MINUTE {
            if self.left_out > 0 {
                tracing::warn!(plugin = self.name, "{} messages were left out", self.left_out);
            }
            (self.said, self.left_out, self.since) = (0, 0, Instant::now());
        }
        if self.said >= MESSAGES {
            self.left_out += 1;
            return;
        }
        self.said += 1;
        tracing::warn!(plugin = self.name, "{}", printable(what, usize::MAX));
        if self.said == MESSAGES {
            tracing::warn!(
                plugin = self.name,
                "more than {MESSAGES} messages in a minute; the rest of them is left out"
            );
        }
    }
}
