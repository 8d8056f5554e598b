//! How long to wait between attempts, and how to spread those of many hosts so that they do not all come at once.

use std::time::Duration;

/// Exponential back-off with jitter: waits that double from the first to the longest, each shortened by a random part
/// of up to half.
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
    /// The first wait is half of `first` to all of it; no wait is longer than `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// How long to wait before the next attempt. The wait after it will be twice as long.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (2 * wait).min(self.longest);
        wait - random_part(wait / 2)
    }

    /// After a success: the next wait is the first one again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Whether the next wait is the first one.
    pub fn is_fresh(&self) -> bool {
        self.next == self.first
    }
}

/// A random part of a duration, from nothing to all of it; nothing if the system has no random bytes.
///
/// ```
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// assert!(glassbox_util::random_part(minute) <= minute);
/// ```
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
