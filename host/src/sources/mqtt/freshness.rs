//! Whether an event that a broker passes on is news, or from before we listened.
//!
//! A broker marks what it had kept with the retain flag, and OctoPrint-MQTT adds the time to what it publishes. Neither
//! suffices: older versions of the plugin had all events retained (its issue 76), and there are brokers and bridges that
//! leave the flag on what they pass on at once, or that set it on nothing; and the clock of a Raspberry Pi may be years
//! behind. So the time decides where it can be right, and otherwise the flag.

use std::time::{Duration, Instant, SystemTime};

/// How far two clocks in one house may be apart, in seconds, and how long an event may be on its way.
const SLACK: i64 = 10;

/// When a connection is as old as this, the broker has passed on what it had kept.
const SETTLED: Duration = Duration::from_secs(5);

/// Before the first Raspberry Pi, and the first OctoPrint, there was: a clock that shows this was never set.
const UNSET: i64 = 1_330_000_000;

/// How old an event is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Age {
    /// It was published after we began to listen.
    News,
    /// The same, though the broker says that it had kept it.
    NewsWithFlag,
    /// It was published before.
    Old,
}

/// What is known of one OctoPrint's clock, and of its broker's use of the flag.
#[derive(Default)]
pub(super) struct Freshness {
    /// When the connection to the broker began, by the clock on the wall and by ours.
    since: Option<(i64, Instant)>,
    /// Whether the broker has set the flag on anything since then.
    knows_flag: bool,
    /// Whether OctoPrint's clock agrees with ours, as an event has shown.
    clocks_agree: bool,
}

impl Freshness {
    /// There is a connection to the broker.
    pub(super) fn connected(&mut self) {
        (self.since, self.knows_flag) = (Some((unix_seconds(), Instant::now())), false);
    }

    /// OctoPrint has left: when it comes back, its clock may be another.
    pub(super) fn left(&mut self) {
        self.clocks_agree = false;
    }

    /// A message came with the flag.
    pub(super) fn flag(&mut self) {
        self.knows_flag = true;
    }

    /// The age of an event that comes now, with or without the flag, and with the time at which OctoPrint says that it
    /// published it.
    pub(super) fn age(&mut self, flag: bool, time: Option<i64>) -> Age {
        self.age_at(flag, time, unix_seconds(), Instant::now())
    }

    fn age_at(&mut self, flag: bool, time: Option<i64>, wall: i64, now: Instant) -> Age {
        self.knows_flag |= flag;
        let (since, began) = self.since.unwrap_or((wall, now));
        let by_flag = if flag { Age::Old } else { Age::News };
        match time {
            // Without a time; or OctoPrint's clock is ahead of ours, so that they cannot be compared.
            None => by_flag,
            Some(time) if time > wall + SLACK => by_flag,
            Some(time) if time >= since - SLACK => {
                self.clocks_agree |= time >= wall - SLACK;
                if flag { Age::NewsWithFlag } else { Age::News }
            }
            Some(_) if flag || self.clocks_agree => Age::Old,
            // Either it was kept, or OctoPrint's clock is behind.
            Some(time) if time < UNSET => Age::News,
            Some(_) if !self.knows_flag && now < began + SETTLED => Age::Old,
            Some(_) => Age::News,
        }
    }
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time at which the connection began, and a minute.
    const BEGAN: i64 = 1_790_000_000;
    const MINUTE: i64 = 60;
    /// A year before.
    const LONG_AGO: i64 = BEGAN - 365 * 86_400;

    struct Scenario(Freshness, Instant);

    impl Scenario {
        fn new() -> Self {
            let began = Instant::now();
            Self(Freshness { since: Some((BEGAN, began)), ..Freshness::default() }, began)
        }

        /// An event that comes so many seconds after the connection began.
        fn age(&mut self, after: i64, flag: bool, time: impl Into<Option<i64>>) -> Age {
            let passed = Duration::from_secs(u64::try_from(after).unwrap());
            self.0.age_at(flag, time.into(), BEGAN + after, self.1 + passed)
        }
    }

    #[test]
    fn the_time_tells_old_from_new_where_the_flag_does_not() {
        let mut plain = Scenario::new();
        assert_eq!(plain.age(1, true, LONG_AGO), Age::Old);
        assert_eq!(plain.age(1, true, BEGAN - MINUTE), Age::Old);
        assert_eq!(plain.age(2, true, BEGAN + 1), Age::NewsWithFlag);
        assert_eq!(plain.age(600, true, BEGAN + 590), Age::NewsWithFlag);
        assert_eq!(plain.age(600, false, BEGAN + 600), Age::News);
        // It was held up on its way, but came to be while we listened.
        assert_eq!(plain.age(6000, false, BEGAN + MINUTE), Age::News);
        // And now that the clocks are known to agree, what is old is old, with the flag or without.
        assert_eq!(plain.age(6000, false, BEGAN - MINUTE), Age::Old);
        // Only as long as it is the same run of OctoPrint, whose clock may be wrong until it asks somebody.
        plain.0.left();
        assert_eq!(plain.age(6000, false, LONG_AGO), Age::News);
    }

    #[test]
    fn without_a_time_the_flag_decides() {
        let mut plain = Scenario::new();
        assert_eq!((plain.age(1, true, None), plain.age(1, false, None)), (Age::Old, Age::News));
        assert_eq!((plain.age(600, true, None), plain.age(600, false, None)), (Age::Old, Age::News));
        // A time that cannot be right, by our clock, is none.
        assert_eq!((plain.age(1, true, BEGAN + MINUTE), plain.age(1, false, BEGAN + MINUTE)), (Age::Old, Age::News));
    }

    #[test]
    fn an_octoprint_whose_clock_is_behind_is_heard() {
        // The broker is known to set the flag: it did with the plugin's presence.
        let mut flagged = Scenario::new();
        flagged.0.flag();
        assert_eq!(flagged.age(1, false, LONG_AGO), Age::News);
        assert_eq!(flagged.age(600, false, LONG_AGO + 599), Age::News);
        // One that never sets it passes on what it kept at once.
        let mut plain = Scenario::new();
        assert_eq!(plain.age(1, false, LONG_AGO), Age::Old);
        assert_eq!(plain.age(5, false, LONG_AGO + 4), Age::News);
        // But not from 1970.
        assert_eq!((plain.age(1, false, 3), plain.age(1, true, 3)), (Age::News, Age::Old));
    }

    #[test]
    fn each_connection_begins_anew() {
        let mut freshness = Freshness::default();
        freshness.connected();
        let now = unix_seconds();
        assert_eq!(freshness.age(true, Some(now)), Age::NewsWithFlag);
        assert_eq!(freshness.age(true, Some(now - MINUTE)), Age::Old);
        assert!(freshness.knows_flag && freshness.clocks_agree);
        freshness.connected();
        assert!(!freshness.knows_flag && freshness.clocks_agree);
    }
}
