//! How long to wait between attempts, and how to spread many of them so that they do not come at once.

use std::time::Duration;

/// Waits that double from the first to the longest, each shortened by a random part of up to one half.
///
/// ```
/// use glassbox_util::Backoff;
/// use std::time::Duration;
///
/// let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// let first = backoff.next_wait();
/// assert!(first >= Duration::from_millis(500) && first <= Duration::from_secs(1));
/// assert!(!backoff.is_fresh());
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// The first wait is about `first`; none is longer than `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// How long to wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (2 * wait).min(self.longest);
        wait - random_part(wait / 2)
    }

    /// Begin again with the first wait.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Whether the next wait is the first one.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.next == self.first
    }
}

/// A random part of a duration, from nothing to all of it; nothing where the system has no random bytes.
#[must_use]
pub fn random_part(most: Duration) -> Duration {
    most.mul_f64(f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_spread_over_their_upper_half() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 60 * second);
        for longest in [1, 2, 4, 8, 16, 32, 60, 60] {
            let wait = backoff.next_wait();
            assert!((second * longest / 2..=second * longest).contains(&wait), "{wait:?} of {longest} s");
        }
        backoff.reset();
        assert!(backoff.is_fresh() && backoff.next_wait() <= second);
        let early = (0..1000).filter(|_| random_part(second) < second / 2).count();
        assert!((300..700).contains(&early), "{early}");
    }
}
