//! What `--since` accepts: dates, times and spans. All in UTC, as in the table.

use glassbox::system::wall_time;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Read a date, a time, or how long ago.
///
/// # Errors
/// What can be given instead, for people.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    parse_at(text, wall_time())
}

fn parse_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    let utc = now.to_zoned(TimeZone::UTC);
    let at = |date_time: DateTime| date_time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let ago = |span: Span| utc.checked_sub(span.abs()).map(|zoned| zoned.timestamp());
    let advice = "give a date (2026-07-27), a time (10:30, '2026-07-27 10:30'; UTC), or how long ago (2h, '3 days')";
    let found = if text.contains('[') {
        // The name of a time zone, which would be ignored.
        return Err(advice.into());
    } else if text == "now" {
        Ok(now)
    } else if let Ok(timestamp) = text.parse() {
        Ok(timestamp)
    } else if let Ok(date_time) = text.parse() {
        at(date_time)
    } else if let Ok(time) = text.parse::<Time>() {
        at(utc.date().to_datetime(time))
    } else if let Ok(span) = text.parse::<Span>() {
        ago(span)
    } else {
        return Err(advice.into());
    };
    found.map_err(|_| "that is too long ago".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_times_and_spans() {
        let now: Timestamp = "2026-07-27T10:00:00.5Z".parse().unwrap();
        for (text, expected) in [
            ("now", "2026-07-27T10:00:00.5Z"),
            ("2026-07-20", "2026-07-20T00:00:00Z"),
            ("2026-07-20 09:30", "2026-07-20T09:30:00Z"),
            ("2026-07-20T09:30:15.25", "2026-07-20T09:30:15.25Z"),
            ("2026-07-20T09:30Z", "2026-07-20T09:30:00Z"),
            ("2026-07-20T09:30:00+02:00", "2026-07-20T07:30:00Z"),
            ("09:30", "2026-07-27T09:30:00Z"),
            ("23:00:01", "2026-07-27T23:00:01Z"),
            ("2h", "2026-07-27T08:00:00.5Z"),
            ("90 min", "2026-07-27T08:30:00.5Z"),
            (" 3 days ", "2026-07-24T10:00:00.5Z"),
            ("1 week ago", "2026-07-20T10:00:00.5Z"),
            ("1 month 2 days", "2026-06-25T10:00:00.5Z"),
            ("-5m", "2026-07-27T09:55:00.5Z"),
        ] {
            assert_eq!(parse_at(text, now), Ok(expected.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "5",
            "2026-02-30",
            "2026-02-30 10:00",
            "25:00",
            "2026-07-20T09:30[Europe/Berlin]",
            "2 parsecs",
        ] {
            assert!(parse_at(text, now).is_err_and(|error| error.starts_with("give a date")), "{text}");
        }
        assert!(parse_at("19000 years", now).is_err_and(|error| error.starts_with("that is too long ago")));
    }
}
