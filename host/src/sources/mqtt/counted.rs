//! Counts events of a kind that is not as usual, so that the log can say it once.

use std::time::{Duration, Instant};

/// How long to count before it is said: a broker passes on all that it kept at once.
const COUNT: Duration = Duration::from_secs(2);

/// Events of a kind that is not as usual: counted, and said once.
#[derive(Default)]
pub(super) struct Counted {
    count: u64,
    /// The first one, and when to say it; none before, and afterwards.
    first: Option<(String, Instant)>,
}

impl Counted {
    /// One more, with this name.
    pub(super) fn add(&mut self, name: &str) {
        if self.count == 0 {
            self.first = Some((name.into(), Instant::now() + COUNT));
        }
        self.count += 1;
    }

    /// When [`Self::say`] has to be called.
    pub(super) fn due(&self) -> Option<Instant> {
        self.first.as_ref().map(|(_, due)| *due)
    }

    /// How many they are, and the first, if it is time to say that.
    pub(super) fn say(&mut self, now: Instant) -> Option<(u64, String)> {
        self.first.take_if(|(_, due)| *due <= now).map(|(name, _)| (self.count, name))
    }
}
