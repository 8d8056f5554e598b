//! What the log says while reports do not get through: one warning when that begins, one line when
//! it is over, however many reports it took. What became of each is counted elsewhere.

/// The outage that an outbox is in, if it is in one.
pub struct Outage {
    /// Whose reports they are.
    name: String,
    lost: Option<Lost>,
}

/// What was lost in it.
#[derive(Default)]
struct Lost {
    /// Not accepted, or not answered.
    failed: u64,
    /// Given up, as no connection came about in time.
    dropped: u64,
    /// Whether the last attempt found no connection.
    away: bool,
}

impl Outage {
    /// None yet.
    pub fn none(name: &str) -> Self {
        Self { name: name.into(), lost: None }
    }

    /// Whether the server is known to be away: one attempt for each request is enough then.
    pub fn away(&self) -> bool {
        self.lost.as_ref().is_some_and(|lost| lost.away)
    }

    /// An attempt found no connection.
    pub fn not_heard(&mut self, reason: &str) {
        let what = format!("the tracking server cannot be reached, what does not get through is dropped: {reason}");
        self.note(&what).away = true;
    }

    /// A request was given up, as it was not heard.
    pub fn dropped(&mut self, request: &str, reason: &str) {
        self.note(&format!("{request} is dropped: {reason}")).dropped += 1;
    }

    /// A connection was there, and yet the request failed.
    pub fn failed(&mut self, request: &str, reason: &str) {
        let lost = self.note(&format!("{request} was not accepted: {reason}"));
        lost.failed += 1;
        lost.away = false;
    }

    /// A request was accepted.
    pub fn over(&mut self) {
        if let Some(Lost { failed, dropped, .. }) = self.lost.take() {
            let plugin = &self.name;
            tracing::info!(plugin, "reports get through again; not accepted: {failed}, dropped: {dropped}");
        }
    }

    fn note(&mut self, what: &str) -> &mut Lost {
        let plugin = &self.name;
        if self.lost.is_none() {
            tracing::warn!(plugin, "{what}");
        } else {
            tracing::debug!(plugin, "{what}");
        }
        self.lost.get_or_insert_default()
    }
}
