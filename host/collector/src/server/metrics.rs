//! `/metrics`, for Prometheus: on an address of its own, as it is nobody's business but the operator's. It says how many,
//! how long and how old, never who. The table of names is in `examples/deploy/collector/README.md`.

use crate::exports;
use crate::geo::Locator;
use crate::store::counters::Counters;
use crate::store::{Store, look};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// What [`Metrics::text`] is.
pub(super) const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PREFIX: &str = "glassbox_collector";

/// Seconds in which a report is answered: some 20 us, and up to 10 s if its body is slow.
const ANSWERED: [f64; 10] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0, 10.0];

pub(super) struct Metrics {
    /// What is counted all the time.
    counted: Registry,
    /// From a report's head to its answer, in seconds.
    pub(super) answered: Histogram,
    store: Store,
    locator: Arc<Locator>,
}

impl Metrics {
    pub(super) fn new(counters: &Counters, store: &Store, locator: &Arc<Locator>) -> Self {
        let mut counted = Registry::with_prefix(PREFIX);
        let answered = Histogram::new(ANSWERED);
        counted.register("reports", "Reports that are on the disk, since the start", counters.reports.clone());
        counted.register("refused", "Requests below /track/ of which nothing is kept", counters.refused.clone());
        counted.register("lost", "Reports that could not be written", counters.lost.clone());
        counted.register("request_seconds", "From a report's head to its answer", answered.clone());
        counted.register(
            "commit_delay_seconds",
            "From a report's arrival to its being on the disk",
            counters.commit_delay.clone(),
        );
        counted.register("queue_reports", "Reports that wait: what a crash would lose now", counters.waiting.clone());
        Self { counted, answered, store: store.clone(), locator: Arc::clone(locator) }
    }

    /// All of it. Some of it is read from the store, which takes milliseconds.
    ///
    /// # Errors
    /// Never: what is written to is a text.
    pub(super) fn text(&self, now: Timestamp) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        encode_registry(&mut out, &self.counted)?;
        encode_registry(&mut out, &self.looked_up(now))?;
        encode_eof(&mut out)?;
        Ok(out)
    }

    /// What is looked up when somebody asks. What is not known is left out.
    fn looked_up(&self, now: Timestamp) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut gauge = |name: &str, help: &str, value: Option<i64>| {
            if let Some(value) = value {
                let gauge: Gauge = Gauge::default();
                gauge.set(value);
                registry.register(name, help, gauge);
            }
        };
        let day = now.to_zoned(TimeZone::UTC).date();
        let whole = |bytes: u64| i64::try_from(bytes).ok();
        gauge("day_bytes", "Size of today's file", whole(look::bytes_of(&self.store, day)));
        gauge("store_bytes", "Size of all days and what they share", look::bytes(&self.store).ok().and_then(whole));
        gauge("installations_today", "Installations that reported today", look::installations(&self.store, day).ok());
        gauge("database_age_seconds", "Age of the database of places", self.locator.state().age(now));
        gauge("exports_age_seconds", "Age of the oldest export", exports::age(&self.store.exports(), now));
        gauge("disk_free_bytes", "Free where the store is", look::disk_free(&self.store).and_then(whole));
        registry
    }
}
