//! What happens while a server cannot be listened to: what the log says of it, and how long to wait before the next
//! attempt. How to connect is not known here.

use crate::net::ConnectError;
use glassbox_util::Backoff;
use glassbox_util::text::shown;
use std::time::{Duration, Instant};

/// The outages of one server, as the log shows them: one warning for each, and one more in the same outage when it
/// turns out that somebody has to change something.
pub(super) struct Outages {
    /// The OctoPrint whose log lines these are; none where a server has several.
    octoprint: Option<String>,
    /// The server, as a part of a sentence.
    server: String,
    current: Option<Outage>,
    /// Whether there was ever a connection.
    connected_before: bool,
}

struct Outage {
    since: Instant,
    /// Whether the log says already that somebody has to change something.
    wrong: bool,
}

impl Outages {
    pub(super) fn new(octoprint: Option<&str>, server: String) -> Self {
        Self { octoprint: octoprint.map(Into::into), server, current: None, connected_before: false }
    }

    /// An attempt failed, or the connection was lost. Returns whether that is news: then it was logged as a warning.
    pub(super) fn failed(&mut self, error: &ConnectError) -> bool {
        let octoprint = self.octoprint.as_deref();
        let reason = shown(&error.to_string());
        let is_news = self.current.as_ref().is_none_or(|outage| error.is_wrong() && !outage.wrong);
        if !is_news {
            tracing::debug!(octoprint, "{}: {reason}", self.server);
        } else if error.is_wrong() {
            tracing::warn!(octoprint, "{reason}; trying again");
        } else {
            tracing::warn!(octoprint, "cannot listen to {}, trying again: {reason}", self.server);
        }
        let outage = self.current.get_or_insert(Outage { since: Instant::now(), wrong: false });
        outage.wrong |= error.is_wrong();
        is_news
    }

    /// There is a connection. Returns how long the outage took; none for the first connection of all.
    pub(super) fn over(&mut self) -> Option<Duration> {
        let outage = self.current.take();
        let connected_before = std::mem::replace(&mut self.connected_before, true);
        outage.filter(|_| connected_before).map(|outage| outage.since.elapsed())
    }

    /// Whether there was ever a connection.
    pub(super) fn connected_before(&self) -> bool {
        self.connected_before
    }

    /// How long the current outage has lasted; none while there is a connection.
    pub(super) fn lasts(&self) -> Option<Duration> {
        self.current.as_ref().map(|outage| outage.since.elapsed())
    }
}

/// The first wait after a connection was lost, and the longest; each is twice the one before, less
/// up to half of it, so that many clients do not come back at once.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// After a connection that lasted as long as this, the waits start at the first one again.
const STABLE: Duration = Duration::from_secs(30);

/// When to try again.
pub(super) struct Retry {
    backoff: Backoff,
    last: Option<ConnectError>,
}

impl Retry {
    pub(super) fn new() -> Self {
        Self { backoff: Backoff::new(FIRST, LONGEST), last: None }
    }

    /// How long to wait after this error, which ended an attempt, or a connection, that lasted as long as `lasted`.
    /// `spread` is added to the first wait of an outage.
    pub(super) fn wait(
        &mut self,
        error: &ConnectError,
        lasted: Duration,
        spread: impl FnOnce() -> Duration,
    ) -> Duration {
        // Another error than before means that something is changing: it may be starting.
        if lasted >= STABLE || self.last.as_ref() != Some(error) {
            self.backoff.reset();
        }
        self.last = Some(error.clone());
        let spread = if self.backoff.is_fresh() { spread() } else { Duration::ZERO };
        self.backoff.next_wait() + spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_news_once_and_once_more_where_somebody_has_to_do_something() {
        let mut outages = Outages::new(None, "the server".into());
        let (away, wrong) = (ConnectError::away("gone"), ConnectError::wrong("no key", "make one"));
        assert_eq!((outages.failed(&away), outages.failed(&away)), (true, false));
        assert_eq!((outages.failed(&wrong), outages.failed(&wrong), outages.failed(&away)), (true, false, false));
        assert!(outages.lasts().is_some() && !outages.connected_before());
        assert_eq!(outages.over(), None, "it is the first connection");
        assert!(outages.lasts().is_none() && outages.connected_before());
        assert!(outages.failed(&wrong) && !outages.failed(&away));
        assert!(outages.over().is_some());
    }

    #[test]
    fn waits_grow_until_something_changes() {
        let (one, other) = (ConnectError::away("one"), ConnectError::away("other"));
        let (mut retry, spread) = (Retry::new(), || 100 * FIRST);
        assert!(retry.wait(&one, Duration::ZERO, spread) > 100 * FIRST);
        (0..9).for_each(|_| assert!(retry.wait(&one, Duration::ZERO, spread) <= LONGEST));
        assert!(retry.wait(&one, Duration::ZERO, spread) >= LONGEST / 2);
        assert!(retry.wait(&other, Duration::ZERO, spread) > 100 * FIRST);
        assert!(retry.wait(&other, Duration::ZERO, spread) <= 2 * FIRST);
        assert!(retry.wait(&other, STABLE, spread) > 100 * FIRST);
    }
}
