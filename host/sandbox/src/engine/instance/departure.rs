//! When reports leave: at the next multiple of [`DEPARTURE`] after the call began, so that how long a call takes shows in
//! nothing. A call that had to wait for another one counts from when that one began: a component could delay it otherwise,
//! and say something by the time between two reports.

use crate::limits::DEPARTURE;
use std::time::{Duration, Instant};

/// The moments at which what calls have sent may leave.
pub(super) struct Departure {
    /// Multiples are counted from here.
    from: Instant,
    /// When the current call began.
    began: Instant,
    /// When the last call ended, or one that belongs to it.
    pub(super) ended: Instant,
}

impl Departure {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { from: now, began: now, ended: now }
    }

    /// A call begins.
    pub(super) fn begin(&mut self) {
        self.begin_at(Instant::now());
    }

    fn begin_at(&mut self, now: Instant) {
        if now >= self.at() {
            self.from = now;
        }
        (self.began, self.ended) = (now, now);
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
        // Calls as (begin, end), each with when what it sent leaves, and whether that is late.
        let story = [
            ((0, 1), 250, false),
            // It had to wait for the one before it, or came while that one's reports wait.
            ((1, 200), 250, false),
            ((200, 201), 250, false),
            ((201, 260), 500, true),
            ((260, 270), 500, false),
            // A new beginning.
            ((500, 749), 750, false),
            ((1000, 1900), 2000, true),
            ((1900, 1901), 2000, false),
        ];
        let mut departure = Departure { from: start, began: start, ended: start };
        for ((begin, end), leaves, late) in story {
            departure.begin_at(start + ms(begin));
            departure.ended = start + ms(end);
            assert_eq!((departure.at() - start, departure.is_late()), (ms(leaves), late), "{begin} to {end}");
        }
    }
}
