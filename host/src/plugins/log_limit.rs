//! A plugin's share of the log: its own messages, and what was blocked. However much it complains, only so many
//! messages a minute are logged.

use glassbox_util::PerMinute;
use glassbox_util::text::shown;

/// Messages of a plugin in a minute. Nobody reads more, and more would soon fill a disk.
const MESSAGES: u32 = 60;

/// Logs what a plugin says, within its limit.
pub struct LogLimit {
    label: String,
    limit: PerMinute,
}

impl LogLimit {
    /// For the plugin with this label.
    pub fn new(label: &str) -> Self {
        Self { label: label.into(), limit: PerMinute::new(MESSAGES) }
    }

    /// Log a message, with everything hidden in it escaped; not if this minute's share is used up. Whether it was logged.
    pub fn say(&mut self, message: &str) -> bool {
        if !self.limit.allows() {
            return false;
        }
        let left_out = self.limit.take_left_out();
        if left_out > 0 {
            tracing::warn!(plugin = self.label, "{left_out} messages were left out");
        }
        tracing::warn!(plugin = self.label, "{}", shown(message));
        if self.limit.is_used_up() {
            tracing::warn!(plugin = self.label, "more than {MESSAGES} messages in a minute; the rest is left out");
        }
        true
    }
}
