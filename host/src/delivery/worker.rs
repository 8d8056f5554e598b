//! Sends the requests of one queue, in order, and decides when to try again: only if the server cannot have received the
//! request, a few times within a minute. How one attempt is made is in `http_client.rs`.

use super::NO_CONNECTION;
use super::http_client::{Attempt, HttpClient, IDLE};
use super::outage::Outage;
use super::send_queue::{QueueShared, QueuedRequest, State};
use glassbox_journal::What;
use glassbox_util::random_part;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request that has waited for longer than this is dropped: the server stamps it with the time when it arrives, so
/// it would say something false.
const TOO_LATE: Duration = Duration::from_secs(60);

/// The pauses before the second, third and last attempt; each is made up to a quarter longer at random.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];

/// The worker of one send queue.
pub(super) struct Worker {
    client: HttpClient,
    queue: Arc<QueueShared>,
    outage: Outage,
}

impl Worker {
    pub(super) fn new(queue: Arc<QueueShared>) -> Self {
        let mut state = queue.lock();
        state.trust_changed = false;
        let (client, outage) = (HttpClient::new(&state.trust, queue.only), state.outage.take());
        drop(state);
        let outage = outage.unwrap_or_else(|| Outage::none(&queue.name));
        Self { client, queue, outage }
    }

    /// Send what waits, until nothing came for a while.
    pub(super) fn run(mut self) {
        while let Some(waiting) = self.next() {
            let QueuedRequest { request, cause, .. } = &waiting;
            let mut state = self.queue.lock();
            if std::mem::take(&mut state.trust_changed) {
                self.client = HttpClient::new(&state.trust, self.queue.only);
            }
            drop(state);
            let attempt = self.deliver(&waiting);
            match &attempt {
                Attempt::Sent(_) => self.outage.over(),
                Attempt::Failed(_, reason) => self.outage.failed(&request.name, reason),
                Attempt::NotSent(reason) => self.outage.dropped(&request.name, reason),
                // That is no fault of the server, and no outage.
                Attempt::Refused(_) => {}
            }
            let mut state = self.queue.lock();
            if state.in_flight.is_none() {
                // The host ends, and the request was already counted as dropped.
                break;
            }
            // In the journal before the host can end, which waits until nothing is in flight.
            let journal = &self.queue.journal;
            match attempt {
                Attempt::Sent(status) => {
                    state.tally.sent += 1;
                    journal.request(What::Sent, request, cause, Some(status.as_u16()), None);
                }
                Attempt::Failed(status, reason) => {
                    state.tally.failed += 1;
                    let status = status.map(|status| status.as_u16());
                    journal.request(What::Failed, request, cause, status, Some(&reason));
                }
                Attempt::NotSent(reason) => {
                    state.tally.dropped += 1;
                    self.queue.dropped(&waiting, &format!("{NO_CONNECTION}{reason}"));
                }
                Attempt::Refused(reason) => {
                    state.tally.dropped += 1;
                    self.queue.dropped(&waiting, &reason);
                }
            }
            state.in_flight = None;
            self.queue.changed.notify_all();
        }
    }

    /// The next request; none when there was none for a while, and the worker ends.
    fn next(&mut self) -> Option<QueuedRequest> {
        let end = Instant::now() + IDLE;
        let mut state = self.queue.lock();
        loop {
            if state.ended {
                return None;
            }
            let wait = state.queue.front().map(|next| next.since.saturating_duration_since(Instant::now()));
            if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
                state = self.queue.wait(state, wait);
                continue;
            }
            if let Some(next) = state.queue.pop_front() {
                state.in_flight = Some(next.clone());
                state.withdrawn = None;
                return Some(next);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.working = false;
                state.outage = Some(std::mem::replace(&mut self.outage, Outage::none(&self.queue.name)));
                return None;
            }
            state = self.queue.wait(state, left);
        }
    }

    /// Try until the request is sent, or it is too late, or it may not leave any more.
    fn deliver(&mut self, waiting: &QueuedRequest) -> Attempt {
        // While the server is unreachable one attempt for each request is enough.
        let mut pauses = if self.outage.is_unreachable() { [].iter() } else { PAUSES.iter() };
        let mut last = "it waited too long".to_string();
        while waiting.since.elapsed() <= TOO_LATE {
            if let Some(reason) = self.queue.lock().withdrawn.clone() {
                return Attempt::Refused(reason);
            }
            match self.client.send(&waiting.request, &waiting.may_leave) {
                Attempt::NotSent(reason) => last = reason,
                attempt => return attempt,
            }
            self.outage.not_sent(&last);
            if !pauses.next().is_some_and(|pause| self.pause(*pause + random_part(*pause / 4))) {
                break;
            }
        }
        match self.queue.lock().withdrawn.clone() {
            Some(reason) => Attempt::Refused(reason),
            None => Attempt::NotSent(last),
        }
    }

    /// Wait between attempts; false if the queue ends or consent is withdrawn meanwhile.
    fn pause(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        let ends = |state: &State| state.ended || state.withdrawn.is_some();
        let mut state = self.queue.lock();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if ends(&state) || left.is_zero() {
                return !ends(&state);
            }
            state = self.queue.wait(state, left);
        }
    }
}
