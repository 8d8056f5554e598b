//! Delivery: one worker for each instance sends its requests over HTTP, in order, off the event
//! path. What is sent was decided before; here it is only carried. A worker is there while there is
//! something to send, and a little longer: an instance is idle nearly always, and a host may have hundreds.

use super::http_client::{Attempt, HttpClient, IDLE};
use super::outage::Outage;
use crate::home::instance_journal::{Cause, InstanceJournal};
use crate::net::tls_trust::TlsTrust;
use glassbox_journal::What;
use glassbox_sandbox::capabilities::Http;
use glassbox_sandbox::{Outgoing, limits};
use glassbox_util::random_part;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The server stamps the time of arrival, so a request that is older says something false.
const TOO_LATE: Duration = Duration::from_secs(60);

/// Pauses before the second, third and last attempt, before jitter of a quarter.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];

/// A worker's thread. As it is not so large that the system makes it of huge pages, only what is used of
/// it is memory.
const STACK: usize = 1 << 20;

/// Why what waited was not sent.
const TAKEN_BACK: &str = "consent or grant was taken back before it was sent";

/// What became of the requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answered with 2xx.
    pub sent: u64,
    /// Answered otherwise, or not at all though a connection was there.
    pub failed: u64,
    /// Given up: no connection came about in time, or consent was taken back.
    pub dropped: u64,
}

/// The queue of one instance, and the handle to its worker. Clones share the queue; the worker
/// ends when the last one is gone.
#[derive(Clone)]
pub struct SendQueue(Arc<Owner>);

struct Owner(Arc<QueueShared>);

struct QueueShared {
    /// For the log.
    name: String,
    ledger: InstanceJournal,
    state: Mutex<State>,
    changed: Condvar,
}

/// A request on its way.
#[derive(Clone)]
struct Waiting {
    request: Outgoing,
    since: Instant,
    cause: Cause,
}

struct State {
    queue: VecDeque<Waiting>,
    /// Whether there is a worker.
    working: bool,
    /// The worker's, while there is none.
    outage: Option<Outage>,
    /// What the worker is busy with; it is no longer in the queue.
    carrying: Option<Waiting>,
    /// Consent was taken back: what is carried is not tried again.
    recalled: bool,
    ended: bool,
    /// Consent or grant was taken back: nothing is taken.
    closed: bool,
    /// Whom to trust, and whether that is new.
    roots: TlsTrust,
    renewed: bool,
    tally: Tally,
}

impl SendQueue {
    /// An empty outbox with a worker; `name` is for the log, what becomes of requests for the ledger.
    #[must_use]
    pub fn new(name: &str, ledger: &InstanceJournal, roots: TlsTrust) -> Self {
        let state = State {
            queue: VecDeque::new(),
            working: false,
            outage: Some(Outage::none(name)),
            carrying: None,
            recalled: false,
            ended: false,
            closed: false,
            roots,
            renewed: false,
            tally: Tally::default(),
        };
        let (name, ledger) = (name.into(), ledger.clone());
        Self(Arc::new(Owner(Arc::new(QueueShared { name, ledger, state: Mutex::new(state), changed: Condvar::new() }))))
    }

    /// Forget all that waits: consent was taken back. What is just being carried is not tried again.
    /// Returns how many requests waited.
    pub fn clear(&self) -> usize {
        let mut state = self.0.0.lock();
        let waiting = std::mem::take(&mut state.queue);
        state.recalled = true;
        state.tally.dropped += waiting.len() as u64;
        self.0.0.changed.notify_all();
        drop(state);
        waiting.iter().for_each(|waiting| self.0.0.dropped(waiting, TAKEN_BACK));
        waiting.len()
    }

    /// Take nothing more, and forget what waits, until it is opened again: consent or grant was taken
    /// back, and the plugin itself may not know yet. Returns how many requests waited.
    pub fn close(&self) -> usize {
        self.0.0.lock().closed = true;
        self.clear()
    }

    /// Take requests again.
    pub fn open(&self) {
        self.0.0.lock().closed = false;
    }

    /// Wait until all is delivered, but not longer than this. Returns what became of everything.
    #[must_use]
    pub fn drain(&self, longest: Duration) -> Tally {
        let end = Instant::now() + longest;
        let mut state = self.0.0.lock();
        while (!state.queue.is_empty() || state.carrying.is_some()) && !state.ended {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.0.0.wait(state, left);
        }
        let mut tally = state.tally;
        // Nobody waits for them any more.
        let left: Vec<_> = state.carrying.take().into_iter().chain(std::mem::take(&mut state.queue)).collect();
        drop(state);
        left.iter().for_each(|waiting| self.0.0.dropped(waiting, "the host ended before it was sent"));
        tally.dropped += left.len() as u64;
        tally
    }

    /// From the next request on, servers that these vouch for are delivered to.
    pub fn trust(&self, roots: TlsTrust) {
        let mut state = self.0.0.lock();
        (state.roots, state.renewed) = (roots, true);
    }

    /// Requests that are waiting or on their way.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = self.0.0.lock();
        state.queue.len() + usize::from(state.carrying.is_some())
    }
}

impl Http for SendQueue {
    fn room(&self) -> usize {
        let state = self.0.0.lock();
        if state.ended || state.closed { 0 } else { limits::QUEUE.saturating_sub(state.queue.len()) }
    }

    fn queue(&mut self, requests: Vec<Outgoing>) {
        let since = Instant::now();
        // Written down before the worker can have sent them.
        let waiting = requests.into_iter().map(|request| {
            let cause = self.0.0.ledger.queued(&request);
            Waiting { request, since, cause }
        });
        let waiting: Vec<_> = waiting.collect();
        let mut state = self.0.0.lock();
        if state.closed {
            state.tally.dropped += waiting.len() as u64;
            drop(state);
            return waiting.iter().for_each(|waiting| self.0.0.dropped(waiting, TAKEN_BACK));
        }
        state.queue.extend(waiting);
        self.0.0.changed.notify_all();
        let work = !state.queue.is_empty() && !std::mem::replace(&mut state.working, true);
        drop(state);
        if work {
            self.0.0.work();
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl QueueShared {
    /// Start a worker.
    fn work(self: &Arc<Self>) {
        let shared = self.clone();
        let thread = std::thread::Builder::new().name(format!("outbox {}", self.name)).stack_size(STACK);
        if let Err(error) = thread.spawn(move || Worker::new(shared).run()) {
            tracing::error!(plugin = self.name, "nothing can be sent: no thread for the outbox: {error}");
            let mut state = self.lock();
            state.working = false;
            let waiting = std::mem::take(&mut state.queue);
            state.tally.dropped += waiting.len() as u64;
            drop(state);
            waiting.iter().for_each(|waiting| self.dropped(waiting, "there was no thread to be had"));
        }
    }

    fn dropped(&self, waiting: &Waiting, reason: &str) {
        self.ledger.request(What::Dropped, &waiting.request, &waiting.cause, None, Some(reason));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, longest: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner).0
    }
}

struct Worker {
    client: HttpClient,
    shared: Arc<QueueShared>,
    outage: Outage,
}

impl Worker {
    fn new(shared: Arc<QueueShared>) -> Self {
        let mut state = shared.lock();
        state.renewed = false;
        let (client, outage) = (HttpClient::new(&state.roots), state.outage.take());
        drop(state);
        let outage = outage.unwrap_or_else(|| Outage::none(&shared.name));
        Self { client, shared, outage }
    }

    fn run(mut self) {
        while let Some(waiting) = self.next() {
            let Waiting { request, since, cause } = &waiting;
            let mut state = self.shared.lock();
            if std::mem::take(&mut state.renewed) {
                self.client = HttpClient::new(&state.roots);
            }
            drop(state);
            let attempt = self.deliver(request, *since);
            match &attempt {
                Attempt::Sent(_) => self.outage.over(),
                Attempt::Failed(_, reason) => self.outage.failed(&request.name, reason),
                Attempt::NotHeard(reason) => self.outage.dropped(&request.name, reason),
            }
            let mut state = self.shared.lock();
            if state.carrying.is_none() {
                // The host ends, and this was counted as dropped.
                break;
            }
            // Written down before the end can come, which waits until nothing is carried.
            let ledger = &self.shared.ledger;
            match attempt {
                Attempt::Sent(status) => {
                    state.tally.sent += 1;
                    ledger.request(What::Sent, request, cause, Some(status.as_u16()), None);
                }
                Attempt::Failed(status, reason) => {
                    state.tally.failed += 1;
                    let status = status.map(|status| status.as_u16());
                    ledger.request(What::Failed, request, cause, status, Some(&reason));
                }
                Attempt::NotHeard(reason) => {
                    state.tally.dropped += 1;
                    self.shared.dropped(&waiting, &reason);
                }
            }
            state.carrying = None;
            self.shared.changed.notify_all();
        }
    }

    /// The next request; none when there was none for a while, and this worker ends.
    fn next(&mut self) -> Option<Waiting> {
        let end = Instant::now() + IDLE;
        let mut state = self.shared.lock();
        loop {
            if state.ended {
                return None;
            }
            if let Some(next) = state.queue.pop_front() {
                state.carrying = Some(next.clone());
                state.recalled = false;
                return Some(next);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.working = false;
                state.outage = Some(std::mem::replace(&mut self.outage, Outage::none(&self.shared.name)));
                return None;
            }
            state = self.shared.wait(state, left);
        }
    }

    /// Try until it is heard, or too late, or there is nobody left to send it for.
    fn deliver(&mut self, request: &Outgoing, queued: Instant) -> Attempt {
        // While the server is away one attempt for each request is enough.
        let mut pauses = if self.outage.away() { [].iter() } else { PAUSES.iter() };
        let mut last = "it waited too long".to_string();
        while queued.elapsed() <= TOO_LATE {
            // Before the first attempt, too.
            if self.shared.lock().recalled {
                return Attempt::NotHeard(TAKEN_BACK.into());
            }
            match self.client.send(request) {
                Attempt::NotHeard(reason) => last = reason,
                heard => return heard,
            }
            self.outage.not_heard(&last);
            if !pauses.next().is_some_and(|pause| self.pause(*pause + random_part(*pause / 4))) {
                break;
            }
        }
        Attempt::NotHeard(last)
    }

    /// Wait between attempts; false if the outbox ends or consent is taken back meanwhile.
    fn pause(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        let mut state = self.shared.lock();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if state.ended || state.recalled || left.is_zero() {
                return !state.ended && !state.recalled;
            }
            state = self.shared.wait(state, left);
        }
    }
}
