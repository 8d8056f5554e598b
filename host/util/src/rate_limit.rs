//! A limit per minute that counts what it turned away, for log messages. Requests have another, in the sandbox.

use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Lets up to a given number of things pass per minute, and counts those that it turned away.
///
/// ```
/// let mut limit = glassbox_util::PerMinute::new(2);
/// assert!(limit.allows() && limit.allows());
/// assert!(!limit.allows() && !limit.allows());
/// assert_eq!(limit.take_left_out(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct PerMinute {
    most: u32,
    passed: u32,
    left_out: u64,
    since: Instant,
}

impl PerMinute {
    /// At most `most` in a minute, of which the first begins now.
    pub fn new(most: u32) -> Self {
        Self { most, passed: 0, left_out: 0, since: Instant::now() }
    }

    /// Whether one more may pass now. If not, it is counted as turned away.
    pub fn allows(&mut self) -> bool {
        if self.since.elapsed() >= MINUTE {
            (self.passed, self.since) = (0, Instant::now());
        }
        let allows = self.passed < self.most;
        if allows {
            self.passed += 1;
        } else {
            self.left_out += 1;
        }
        allows
    }

    /// Whether no more may pass in this minute.
    pub fn is_used_up(&self) -> bool {
        self.passed >= self.most && self.since.elapsed() < MINUTE
    }

    /// How many were turned away since the last call.
    pub fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}
