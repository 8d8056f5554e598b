//! Time as the tracker counts it: nanoseconds of the host's monotonic clock.

/// A moment, in nanoseconds of the host's clock; negative if it lies before the clock's zero, as
/// the start of a server does that ran before the host.
pub type Instant = i64;

/// Nanoseconds in a second.
pub const SECOND: Instant = 1_000_000_000;

/// The host's answer as an [`Instant`]; clamped to the largest one, 292 years.
pub fn instant(ns: u64) -> Instant {
    Instant::try_from(ns).unwrap_or(Instant::MAX)
}
