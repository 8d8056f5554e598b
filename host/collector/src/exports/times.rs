//! The two windows, and how their times are printed: buckets are those of UTC, shown in the configured zone.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Seconds of an hour, and of a day.
pub(super) const HOUR: i64 = 3600;
pub(super) const DAY: i64 = 86_400;

/// A window, in seconds since 1970. Both ends belong to it.
pub(super) struct Window {
    pub(super) days: i64,
    pub(super) since: i64,
    pub(super) now: i64,
    /// Histograms begin with the full hour before, as clocks in the zone show it.
    pub(super) full_hour: i64,
}

impl Window {
    pub(super) fn new(days: i64, now: i64, zone: &TimeZone) -> Self {
        let since = now - days * DAY;
        let local = zoned(since, zone);
        let full_hour = since - i64::from(local.minute()) * 60 - i64::from(local.second());
        Self { days, since, now, full_hour }
    }

    pub(super) fn has(&self, at: i64) -> bool {
        (self.since..=self.now).contains(&at)
    }

    pub(super) fn histogram_has(&self, at: i64) -> bool {
        (self.full_hour..=self.now).contains(&at)
    }
}

/// What is before 9999 can be shown; a clock that is beyond shows 1970.
fn zoned(at: i64, zone: &TimeZone) -> Zoned {
    Timestamp::from_second(at).unwrap_or_default().to_zoned(zone.clone())
}

/// `2020-10-08T15:41:19+02:00`.
pub(super) fn show(at: i64, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The end of a bucket, as the original shows it: its start, with 59 minutes and seconds.
pub(super) fn show_end(start: i64, zone: &TimeZone) -> String {
    zoned(start, zone).strftime("%Y-%m-%dT%H:59:59%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn times_are_those_of_the_zone_with_its_offset_at_that_time() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(show(at("2026-03-29T00:59:59Z"), &zone), "2026-03-29T01:59:59+01:00");
        assert_eq!(show(at("2026-03-29T01:00:00Z"), &zone), "2026-03-29T03:00:00+02:00");
        assert_eq!(show_end(at("2026-03-29T01:00:00Z"), &zone), "2026-03-29T03:59:59+02:00");
        assert_eq!(show(0, &TimeZone::UTC), "1970-01-01T00:00:00+00:00");
        let zone = TimeZone::get("Asia/Kolkata").unwrap();
        assert_eq!(show_end(at("2026-03-29T13:00:00Z"), &zone), "2026-03-29T18:59:59+05:30");
        // The full hour there is half past here.
        assert_eq!(Window::new(7, at("2026-03-29T13:45:10Z"), &zone).full_hour, at("2026-03-22T13:30:00Z"));
    }
}
