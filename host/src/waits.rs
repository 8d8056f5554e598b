//! How long events waited until they were handled: a histogram that stays small for ever.

use std::fmt;
use std::time::Duration;

/// Counts of waits in microseconds, in buckets a quarter of their size wide.
#[derive(Clone, Debug)]
pub struct Waits {
    buckets: [u64; 256],
    longest: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { buckets: [0; 256], longest: Duration::ZERO }
    }
}

impl Waits {
    /// Count one.
    pub fn add(&mut self, wait: Duration) {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)] += 1;
        self.longest = self.longest.max(wait);
    }

    /// A time that at least so many in a thousand were below, at most a quarter too long.
    #[must_use]
    pub fn below(&self, per_mille: u64) -> Duration {
        let all: u64 = self.buckets.iter().sum();
        let mut seen = 0;
        for (i, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen * 1000 >= all * per_mille {
                return Duration::from_micros(end(i));
            }
        }
        self.longest
    }
}

/// Up to 4 each number has its own bucket; then each power of two has four.
fn bucket(micros: u64) -> usize {
    if micros < 4 {
        return usize::try_from(micros).unwrap_or_default();
    }
    let power = micros.ilog2();
    4 * (power as usize - 1) + usize::try_from((micros >> (power - 2)) & 3).unwrap_or_default()
}

/// The first number that is beyond a bucket.
fn end(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64 + 1;
    }
    let (power, quarter) = (bucket / 4 + 1, bucket % 4);
    (5 + quarter as u64).checked_shl(power as u32 - 2).unwrap_or(u64::MAX)
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.buckets.iter().sum();
        let (most, nearly) = (self.below(990), self.below(999));
        write!(
            f,
            "{all} events, 99 % handled within {most:?}, 99.9 % within {nearly:?}, the slowest took {:?}",
            self.longest
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_lies_in_its_bucket() {
        for micros in (0..5000).chain([u64::MAX / 2, u64::MAX]) {
            let bucket = bucket(micros);
            assert!(micros < end(bucket) || micros > u64::MAX / 2, "{micros}");
            assert!(bucket == 0 || micros >= end(bucket - 1), "{micros}");
            assert!(micros < 4 || end(bucket) <= micros.saturating_add(micros / 4 + 1), "{micros}");
        }
    }

    #[test]
    fn what_most_were_below() {
        let mut waits = Waits::default();
        (0..998).for_each(|_| waits.add(Duration::from_micros(3)));
        waits.add(Duration::from_millis(5));
        waits.add(Duration::from_secs(1_000_000_000));
        assert_eq!(waits.below(990), Duration::from_micros(4));
        assert_eq!(waits.below(999), Duration::from_micros(5120));
        assert!(waits.to_string().starts_with("1000 events, 99 % handled within 4µs, 99.9 % within 5.12ms"), "{waits}");
        assert_eq!(Waits::default().below(999), Duration::from_micros(1));
    }
}
