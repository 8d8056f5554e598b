//! When reports leave: at the next multiple of [`DEPARTURE`] after that which they report came, or was due, so that how long
//! a call takes shows in nothing. Not after the call began: a component could delay that by the calls before it, and have
//! ticks of its own at any millisecond.

use crate::limits::DEPARTURE;
use std::time::{Duration, Instant};

/// The moments at which what calls have sent may leave.
pub(super) struct Departure {
    /// Multiples are counted from here: when that came which the current call is about.
    from: Instant,
    /// When the current call began.
    began: Instant,
    /// When the last call ended, or one that belongs to it.
    pub(super) ended: Instant,
}

impl Departure {
    pub(super) fn new(now: Instant) -> Self {
        Self { from: now, began: now, ended: now }
    }

    /// A call begins, about what has waited so many milliseconds.
    pub(super) fn begin(&mut self, now: Instant, waited: u64) {
        *self = Self { from: now.checked_sub(Duration::from_millis(waited)).unwrap_or(now), ..Self::new(now) };
    }

    /// When what was sent may leave.
    pub(super) fn at(&self) -> Instant {
        self.from + DEPARTURE * marks(self.ended - self.from)
    }

    /// Whether the call took so long that what it sent leaves later.
    pub(super) fn is_late(&self) -> bool {
        marks(self.ended - self.from) > marks(self.began - self.from)
    }
}

/// Which multiple is the next one after this time.
fn marks(took: Duration) -> u32 {
    let marks = took.as_nanos() / DEPARTURE.as_nanos() + 1;
    u32::try_from(marks).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_call_takes_shows_only_in_quarters_of_a_second() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        // Calls as (came, begin, end), each with when what it sent leaves, and whether that is late.
        let story = [
            ((0, 0, 1), 250, false),
            // It came while that one's reports wait, or had to wait for the one before it.
            ((1, 1, 200), 251, false),
            ((100, 200, 201), 350, false),
            ((2, 201, 260), 502, true),
            ((9, 260, 270), 509, false),
            ((500, 500, 749), 750, false),
            ((1000, 1000, 1900), 2000, true),
            ((1003, 1900, 1901), 2003, false),
        ];
        let mut departure = Departure::new(start);
        for ((came, begin, end), leaves, late) in story {
            departure.begin(start + ms(begin), begin - came);
            departure.ended = start + ms(end);
            assert_eq!((departure.at() - start, departure.is_late()), (ms(leaves), late), "{begin} to {end}");
        }
    }
}
