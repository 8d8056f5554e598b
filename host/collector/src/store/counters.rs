//! What has happened since the start, for `/metrics` and `status`. What is counted in the store itself is in `look.rs`.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::sync::atomic::AtomicUsize;

/// One label with its value.
pub type Label = [(&'static str, String); 1];

/// Seconds between a report's arrival and its being on the disk. The usual is 0.2; whoever waits for `forget` in a large
/// store waits for seconds.
const DELAYS: [f64; 10] = [0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What has happened since the start.
#[derive(Debug)]
pub struct Counters {
    /// Reports on the disk, by the `kind` that the manifest knows, or `unknown`.
    pub reports: Family<Label, Counter>,
    /// Requests that are no reports, and reports that were turned away, by `reason`.
    pub refused: Family<Label, Counter>,
    /// Reports that could not be written.
    pub lost: Counter,
    /// From a report's arrival to its being on the disk, in seconds.
    pub commit_delay: Histogram,
    /// Reports that wait: what a crash would lose now.
    pub waiting: Gauge,
    /// And how much memory they take.
    pub(super) waiting_bytes: AtomicUsize,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            reports: Family::default(),
            refused: Family::default(),
            lost: Counter::default(),
            commit_delay: Histogram::new(DELAYS),
            waiting: Gauge::default(),
            waiting_bytes: AtomicUsize::new(0),
        }
    }
}

impl Counters {
    pub(super) fn refused(&self, reason: &str) -> u64 {
        self.refused.get_or_create(&[("reason", reason.into())]).get()
    }

    pub(super) fn refuse(&self, reason: &str) {
        self.refused.get_or_create(&[("reason", reason.into())]).inc();
    }
}
