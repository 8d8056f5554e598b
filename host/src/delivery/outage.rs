//! What the log says while reports do not get through: one warning when that begins and one line when it is over,
//! however many reports were lost. What happened to each report is counted in `send_queue.rs`.

use super::RULE;

/// The outage of one send queue, if there is one now.
pub struct Outage {
    /// The plugin, for the log.
    name: String,
    lost: Option<LostReports>,
}

/// The reports that were lost in an outage.
#[derive(Default)]
struct LostReports {
    /// Not accepted, or not answered.
    failed: u64,
    /// Given up, as there was no connection in time.
    dropped: u64,
    /// Whether the last attempt failed to connect.
    unreachable: bool,
}

impl Outage {
    /// There is no outage.
    pub fn none(name: &str) -> Self {
        Self { name: name.into(), lost: None }
    }

    /// Whether the server is known to be unreachable: then one attempt for each request is enough.
    pub fn is_unreachable(&self) -> bool {
        self.lost.as_ref().is_some_and(|lost| lost.unreachable)
    }

    /// An attempt failed to connect.
    pub fn not_sent(&mut self, reason: &str) {
        let what = format!("the tracking server cannot be reached; {RULE}: {reason}");
        self.note(&what).unreachable = true;
    }

    /// A request was given up, as it could not be sent.
    pub fn dropped(&mut self, request: &str, reason: &str) {
        self.note(&format!("{request} is dropped: {reason}")).dropped += 1;
    }

    /// There was a connection, but the request failed.
    pub fn failed(&mut self, request: &str, reason: &str) {
        let lost = self.note(&format!("{request} was not accepted: {reason}"));
        lost.failed += 1;
        lost.unreachable = false;
    }

    /// A request was accepted.
    pub fn over(&mut self) {
        if let Some(LostReports { failed, dropped, .. }) = self.lost.take() {
            let plugin = &self.name;
            tracing::info!(plugin, "reports get through again; not accepted: {failed}, dropped: {dropped}");
        }
    }

    fn note(&mut self, what: &str) -> &mut LostReports {
        let plugin = &self.name;
        if self.lost.is_none() {
            tracing::warn!(plugin, "{what}");
        } else {
            tracing::debug!(plugin, "{what}");
        }
        self.lost.get_or_insert_default()
    }
}
