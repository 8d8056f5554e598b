//! Whether the system's clock can be believed, judged by one that only goes on. A clock that jumps far ahead would end today
//! for good, and have every old day removed: so it is believed when it has been there for an hour.

use std::time::{Duration, Instant};

/// A jump that is believed at once: less than a day, as for a zone that was wrong.
const JUMP: i64 = 86_400;

/// How long a clock must have been ahead to be believed.
pub(crate) const BELIEVED_AFTER: Duration = Duration::from_secs(3600);

/// The system's clock, in seconds since 1970.
pub(crate) struct Clock {
    /// When it was believed last, and what it said.
    believed: (Instant, i64),
    ahead_since: Option<Instant>,
}

impl Clock {
    /// One that says this now, and is believed: there is nothing else to go by.
    pub(crate) fn new(now: Instant, says: i64) -> Self {
        Self { believed: (now, says), ahead_since: None }
    }

    /// The time, of what the clock says now; and whether it says something else.
    pub(crate) fn time(&mut self, now: Instant, says: i64) -> (i64, bool) {
        let (then, said) = self.believed;
        let passed = i64::try_from(now.saturating_duration_since(then).as_secs()).unwrap_or(i64::MAX);
        let expected = said.saturating_add(passed);
        if says > expected.saturating_add(JUMP) {
            let since = *self.ahead_since.get_or_insert(now);
            if now.saturating_duration_since(since) < BELIEVED_AFTER {
                return (expected, true);
            }
        }
        self.ahead_since = None;
        // One that has gone back may be mended in a moment: that is no jump ahead.
        if says >= expected {
            self.believed = (now, says);
        }
        (says, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_far_ahead_is_believed_when_it_stays_there() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut clock = Clock::new(start, 1000);
        assert_eq!(clock.time(after(10), 1010), (1010, false));
        assert_eq!(clock.time(after(20), 1020 + JUMP), (1020 + JUMP, false), "a day is believed");
        let base = 1020 + JUMP;
        let far = base + 400 * JUMP;
        assert_eq!(clock.time(after(30), far), (base + 10, true));
        assert_eq!(clock.time(after(3600), far), (base + 3580, true));
        assert_eq!(clock.time(after(3630), far + 3600), (far + 3600, false), "it stayed");
        assert_eq!(clock.time(after(3640), far + 3610), (far + 3610, false));
        // One that is mended again, and one that jumps back, which is the day's business.
        assert!(clock.time(after(3650), far * 2).1);
        assert_eq!(clock.time(after(3660), far + 3630), (far + 3630, false));
        assert!(clock.time(after(7300), far * 2).1, "an hour begins anew");
        assert_eq!(clock.time(after(7310), 5), (5, false));
        assert_eq!(clock.time(after(7320), far + 7290), (far + 7290, false), "and forth again at once");
    }
}
