//! Monotonic time, for trackers. They are given no wall clock; the host's own is in `wall_clock.rs`.

use glassbox_sandbox::capabilities::Clock;
use std::time::Instant;

/// The system's monotonic clock, in nanoseconds since this was made. Copies have the same zero, so that their times can
/// be compared.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock {
    start: Instant,
}

impl MonotonicClock {
    /// A clock that starts at 0 now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> u64 {
        // 64 bits of nanoseconds are 584 years.
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn monotonic_time_passes_in_nanoseconds_and_copies_agree() {
        let clock = MonotonicClock::new();
        let copy = clock;
        let before = clock.now();
        std::thread::sleep(Duration::from_millis(5));
        let after = copy.now();
        assert!(after - before >= 5_000_000, "{before} {after}");
        assert!(clock.now() >= after);
    }
}
