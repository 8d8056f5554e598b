//! How many requests an instance may send in how much time: a token bucket.

use crate::limits::{BURST, REFILL};

/// A token bucket of [`BURST`] tokens that gains one every [`REFILL`] nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    left: u32,
    since: u64,
}

impl RateLimit {
    /// A full bucket. `now`: nanoseconds of a monotonic clock.
    pub fn new(now: u64) -> Self {
        Self { left: BURST, since: now }
    }

    /// Take a token; false if there is none left. `now`: nanoseconds of the same clock.
    pub fn take(&mut self, now: u64) -> bool {
        let new = now.saturating_sub(self.since) / REFILL;
        self.left = self.left.saturating_add(u32::try_from(new).unwrap_or(u32::MAX)).min(BURST);
        // A full bucket gains nothing, so the next refill starts to count now.
        self.since = if self.left == BURST { now } else { self.since + new * REFILL };
        let any = self.left > 0;
        self.left -= u32::from(any);
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_for_each_pause() {
        let mut rate = RateLimit::new(5);
        assert!((0..BURST).all(|_| rate.take(5)));
        assert!(!rate.take(5 + REFILL - 1));
        assert!(rate.take(5 + REFILL));
        assert!(!rate.take(5 + 2 * REFILL - 1));
        assert!(rate.take(5 + 2 * REFILL));
    }

    #[test]
    fn no_clock_can_break_it() {
        let mut rate = RateLimit::new(u64::MAX - 1);
        assert!((0..BURST).all(|_| rate.take(0)));
        assert!(!rate.take(0), "a clock that goes back gives nothing");
        let mut rate = RateLimit::new(0);
        assert!((0..BURST).all(|_| rate.take(u64::MAX)));
        assert!(!rate.take(u64::MAX));
        assert!(!rate.take(0));
    }
}
