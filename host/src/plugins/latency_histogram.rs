//! How long it took until events were handled: one line of the log at `-v`, which a benchmark reads.

use hdrhistogram::Histogram;
use std::fmt;
use std::time::Duration;

/// The longest time that is told apart from longer ones, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// The distribution of latencies. It takes a few kilobytes, however many are counted.
pub struct LatencyHistogram(Histogram<u32>);

impl Default for LatencyHistogram {
    fn default() -> Self {
        // One significant digit: the line is for people, and a farm has hundreds of these.
        Self(Histogram::new_with_bounds(1, LONGEST, 1).expect("good bounds"))
    }
}

impl LatencyHistogram {
    /// Count one event that was handled this long after it came.
    pub fn add(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST));
    }
}

impl fmt::Display for LatencyHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = |quantile| Duration::from_micros(self.0.value_at_quantile(quantile));
        let (most, nearly, slowest) = (within(0.99), within(0.999), Duration::from_micros(self.0.max()));
        let all = self.0.len();
        write!(f, "{all} events, 99 % handled within {most:?}, 99.9 % within {nearly:?}, the slowest took {slowest:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_within_which_time_most_were_handled() {
        let mut histogram = LatencyHistogram::default();
        (0..998).for_each(|_| histogram.add(Duration::from_micros(3)));
        histogram.add(Duration::from_millis(5));
        histogram.add(Duration::from_secs(1_000_000_000));
        let said = histogram.to_string();
        assert!(said.starts_with("1000 events, 99 % handled within 3µs, 99.9 % within 5."), "{said}");
        assert!(LatencyHistogram::default().to_string().starts_with("0 events"));
    }
}
