//! What a plugin may use up by going on and on: the processor, and what the host writes to a disk because of it. What a
//! single call may do is limited in the sandbox, and how much of it a log and a journal take where they are written. Beyond
//! this budget the plugin is quarantined: nobody would notice otherwise, and a Raspberry Pi has a print to look after.

use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// The processor's time within a minute. Handling an event takes about ten microseconds on a PC and a millisecond on the
/// slowest Pi; a busy OctoPrint has a few events a second that a tracker is shown.
const PROCESSOR_TIME: Duration = Duration::from_secs(10);

/// What is written because of it within a minute, and within an hour: its messages, requests that were blocked, and states
/// that it changed though nothing had happened. Of a usual tracker there is nothing of the kind for days.
const WRITES: [(u32, &str, u64); 2] = [(200, "a minute", 60 * SECOND), (1000, "an hour", 3600 * SECOND)];

/// What a plugin has used up.
#[derive(Debug, Default)]
pub(super) struct Budget {
    processor_time: Window<Duration>,
    writes: [Window<u32>; WRITES.len()],
}

/// What was used since a moment, in nanoseconds.
#[derive(Debug, Default)]
struct Window<T> {
    since: u64,
    used: T,
}

impl<T: Default> Window<T> {
    /// The window of this length in which `now` is: this one, or another one that begins.
    fn at(&mut self, now: u64, length: u64) -> &mut T {
        if now.saturating_sub(self.since) >= length {
            *self = Self { since: now, used: T::default() };
        }
        &mut self.used
    }
}

impl Budget {
    /// Count what a call took. Gives a reason, if that is more than the plugin may use.
    pub(super) fn spend(&mut self, now: u64, processor_time: Duration, writes: usize) -> Option<String> {
        let used = self.processor_time.at(now, 60 * SECOND);
        *used += processor_time;
        if *used > PROCESSOR_TIME {
            let seconds = PROCESSOR_TIME.as_secs();
            return Some(format!("it took more than {seconds} s of the processor's time within a minute"));
        }
        let mut exceeded = None;
        for (window, (most, name, length)) in self.writes.iter_mut().zip(WRITES) {
            let used = window.at(now, length);
            *used = used.saturating_add(u32::try_from(writes).unwrap_or(u32::MAX));
            if *used > most {
                exceeded.get_or_insert_with(|| {
                    format!(
                        "it gave more than {most} messages, blocked requests and changes of its state within {name}"
                    )
                });
            }
        }
        exceeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_no_reason_and_going_on_is_one() {
        let mut budget = Budget::default();
        for minute in 0..1000 {
            assert_eq!(budget.spend(minute * 60 * SECOND, PROCESSOR_TIME, 10), None, "{minute}");
        }
        // 94 % of a core.
        let ended = (0..100).find_map(|second| {
            let now = 100_000 * SECOND + second * SECOND;
            Some((second, budget.spend(now, Duration::from_millis(940), 0)?))
        });
        assert_eq!(ended, Some((10, "it took more than 10 s of the processor's time within a minute".into())));
    }

    #[test]
    fn what_is_written_has_a_budget_for_a_minute_and_one_for_an_hour() {
        let ended = |each: u64| {
            let mut budget = Budget::default();
            (0..100_000)
                .find_map(|tenth| Some((tenth / 10, budget.spend(tenth * SECOND / 10 * each, Duration::ZERO, 1)?)))
        };
        let gave = |most, within| {
            format!("it gave more than {most} messages, blocked requests and changes of its state within {within}")
        };
        // As fast as ticks come, once a second, and once in four seconds.
        assert_eq!(ended(1), Some((20, gave(200, "a minute"))));
        assert_eq!(ended(10), Some((100, gave(1000, "an hour"))));
        assert_eq!(ended(40), None);
    }
}
