//! How much of what a broker sends is read in a second: whoever publishes there must not decide how busy this machine is.
//! What is not read yet waits at the broker.

use std::time::{Duration, Instant};

/// Bytes a second, and how many may come at once. The OctoPrints of a farm of 200 publish less than a tenth of that.
const RATE: u32 = 4 << 20;

/// What a packet costs besides its bytes, however small it is.
const PACKET: usize = 1 << 10;

/// The longest rest at a time: meanwhile nothing else is done.
const REST: Duration = Duration::from_millis(100);

/// An account of what was read. It is debited for what has come, and credited for the time that has passed.
pub(super) struct Pace {
    left: i64,
    counted: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: RATE.into(), counted: now }
    }

    /// So many bytes were read.
    pub(super) fn bytes(&mut self, count: usize) {
        self.left = self.left.saturating_sub_unsigned(count as u64);
    }

    /// One packet was looked at.
    pub(super) fn packet(&mut self) {
        self.bytes(PACKET);
    }

    /// How long to read nothing; none while there is something left.
    pub(super) fn rest(&mut self, now: Instant) -> Option<Duration> {
        if self.left > 0 {
            return None;
        }
        let credit = now.saturating_duration_since(self.counted).as_secs_f64() * f64::from(RATE);
        self.counted = now;
        self.left = (self.left + credit as i64).min(RATE.into());
        let missing = 1 - self.left;
        (missing > 0)
            .then(|| Duration::from_secs_f64(missing as f64 / f64::from(RATE)).clamp(Duration::from_millis(1), REST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_at_once_and_then_so_much_a_second() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut now = start;
        // Packets without content, as fast as they come.
        let (mut packets, second) = (0_u32, Duration::from_secs(1));
        while now < start + 10 * second {
            match pace.rest(now) {
                Some(rest) => now += rest,
                None => {
                    pace.packet();
                    packets += 1;
                }
            }
        }
        assert!((11 * 4096 - 50..=11 * 4096 + 500).contains(&packets), "{packets}");
        // After a while of silence no more may come at once than at first.
        now += 100 * second;
        pace.bytes(1 << 20);
        let mut at_once = 0;
        while pace.rest(now).is_none() {
            pace.bytes(1 << 16);
            at_once += 1;
        }
        assert!((60..=66).contains(&at_once), "{at_once}");
    }
}
