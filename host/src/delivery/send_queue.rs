//! The queue of requests that one plugin of one OctoPrint wants to send. A worker thread sends them; it runs while there
//! is something to send and for a moment longer, as a host may have hundreds of queues, nearly always empty. What may
//! be queued is decided in the sandbox, when to try again in `worker.rs`; whether a request may still leave is asked of
//! whoever gave the instance its part of the queue.

use super::MayLeave;
use super::outage::Outage;
use super::worker::Worker;
use crate::home::instance_journal::{Cause, InstanceJournal};
use crate::net::tls_trust::TlsTrust;
use glassbox_journal::What;
use glassbox_sandbox::capabilities::Http;
use glassbox_sandbox::{Outgoing, limits};
use glassbox_util::no_thread;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The stack of a worker's thread, in bytes. It is too small for the system to use huge pages for it, so that only what
/// is used of it takes memory.
const STACK: usize = 1 << 20;

/// What happened to the requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many were answered with 2xx.
    pub sent: u64,
    /// How many were answered otherwise, or not at all although there was a connection.
    pub failed: u64,
    /// How many were given up: there was no connection in time, or consent was withdrawn.
    pub dropped: u64,
}

/// The queue, and the handle to its worker. Clones share the queue; the worker ends when the last clone is dropped.
#[derive(Clone)]
pub struct SendQueue(Arc<Handle>);

/// A send queue as an instance of the plugin sees it: with what decides about its requests.
#[derive(Clone)]
pub struct InstanceQueue {
    queue: SendQueue,
    may_leave: MayLeave,
}

/// Ends the worker when it is dropped.
struct Handle(Arc<QueueShared>);

/// What the queue and its worker share.
pub(super) struct QueueShared {
    /// The plugin, for the log.
    pub(super) name: String,
    pub(super) journal: InstanceJournal,
    /// The one address that requests may go to; any if there is none.
    pub(super) only: Option<SocketAddr>,
    state: Mutex<State>,
    pub(super) changed: Condvar,
}

/// A request that waits or is being sent.
#[derive(Clone)]
pub(super) struct QueuedRequest {
    pub(super) request: Arc<Outgoing>,
    /// Decides whether it may still leave.
    pub(super) may_leave: MayLeave,
    /// When it may leave: not before, so that a component says nothing by how long it takes.
    pub(super) since: Instant,
    /// What caused it, for the journal.
    pub(super) cause: Cause,
}

pub(super) struct State {
    pub(super) queue: VecDeque<QueuedRequest>,
    /// Whether there is a worker.
    pub(super) working: bool,
    /// The worker's outage, while there is no worker.
    pub(super) outage: Option<Outage>,
    /// The request that the worker is sending; it is no longer in the queue.
    pub(super) in_flight: Option<QueuedRequest>,
    /// Consent was withdrawn, and why: the request in flight is not tried again.
    pub(super) withdrawn: Option<String>,
    /// There are no more handles to the queue.
    pub(super) ended: bool,
    /// Consent or grant was withdrawn, and why: nothing is queued.
    closed: Option<String>,
    /// Which CAs to trust, and whether that has changed since the worker last looked.
    pub(super) trust: TlsTrust,
    pub(super) trust_changed: bool,
    pub(super) tally: Tally,
}

impl SendQueue {
    /// An empty queue. `name` is for the log; what happens to each request is written to `journal`.
    pub fn new(name: &str, journal: &InstanceJournal, trust: TlsTrust) -> Self {
        Self::make(name, journal, trust, None)
    }

    /// An empty queue whose requests can go to this address and nowhere else, whatever their URLs say: there is no proxy
    /// and no name service. For who sends without consent.
    pub fn only_to(receiver: SocketAddr, name: &str, journal: &InstanceJournal) -> Self {
        Self::make(name, journal, TlsTrust::default(), Some(receiver))
    }

    fn make(name: &str, journal: &InstanceJournal, trust: TlsTrust, only: Option<SocketAddr>) -> Self {
        let state = State {
            queue: VecDeque::new(),
            working: false,
            outage: Some(Outage::none(name)),
            in_flight: None,
            withdrawn: None,
            ended: false,
            closed: None,
            trust,
            trust_changed: false,
            tally: Tally::default(),
        };
        let (name, journal) = (name.into(), journal.clone());
        Self(Arc::new(Handle(Arc::new(QueueShared {
            name,
            journal,
            only,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }))))
    }

    /// The queue for an instance, whose requests may leave as long as this says so.
    pub fn of_instance(&self, may_leave: MayLeave) -> InstanceQueue {
        InstanceQueue { queue: self.clone(), may_leave }
    }

    /// Drop all requests that wait and queue nothing more until [`Self::open`] is called, as nothing may leave any more,
    /// for this reason, and the plugin may not know that yet. The one in flight is not tried again. Returns how many were
    /// dropped.
    pub fn close(&self, reason: &str) -> usize {
        let mut state = self.0.0.lock();
        state.closed = Some(reason.into());
        let waiting = std::mem::take(&mut state.queue);
        state.withdrawn = Some(reason.into());
        state.tally.dropped += waiting.len() as u64;
        self.0.0.changed.notify_all();
        drop(state);
        waiting.iter().for_each(|waiting| self.0.0.dropped(waiting, reason));
        waiting.len()
    }

    /// Queue requests again.
    pub fn open(&self) {
        self.0.0.lock().closed = None;
    }

    /// Wait until everything is sent, but not longer than this; what is left then is dropped. Returns what happened to
    /// all requests.
    pub fn drain(&self, longest: Duration) -> Tally {
        let end = Instant::now() + longest;
        let mut state = self.0.0.lock();
        while (!state.queue.is_empty() || state.in_flight.is_some()) && !state.ended {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.0.0.wait(state, left);
        }
        let mut tally = state.tally;
        // There was no time left for these.
        let left: Vec<_> = state.in_flight.take().into_iter().chain(std::mem::take(&mut state.queue)).collect();
        drop(state);
        left.iter().for_each(|waiting| self.0.0.dropped(waiting, "the host ended before it was sent"));
        tally.dropped += left.len() as u64;
        tally
    }

    /// Which CAs to trust from the next request on.
    pub fn trust(&self, trust: TlsTrust) {
        let mut state = self.0.0.lock();
        (state.trust, state.trust_changed) = (trust, true);
    }

    /// How many requests wait or are in flight.
    pub fn waiting(&self) -> usize {
        let state = self.0.0.lock();
        state.queue.len() + usize::from(state.in_flight.is_some())
    }
}

impl Http for InstanceQueue {
    fn room(&self) -> usize {
        let state = self.queue.0.0.lock();
        if state.ended || state.closed.is_some() { 0 } else { limits::QUEUE.saturating_sub(state.queue.len()) }
    }

    fn queue(&mut self, requests: Vec<Outgoing>, not_before: Instant) {
        let (shared, since) = (&self.queue.0.0, not_before);
        // In the journal before the worker can have sent them.
        let waiting = requests.into_iter().map(|request| {
            let cause = shared.journal.queued(&request);
            QueuedRequest { request: Arc::new(request), may_leave: self.may_leave.clone(), since, cause }
        });
        let waiting: Vec<_> = waiting.collect();
        let mut state = shared.lock();
        if let Some(reason) = state.closed.clone() {
            state.tally.dropped += waiting.len() as u64;
            drop(state);
            return waiting.iter().for_each(|waiting| shared.dropped(waiting, &reason));
        }
        state.queue.extend(waiting);
        shared.changed.notify_all();
        let work = !state.queue.is_empty() && !std::mem::replace(&mut state.working, true);
        drop(state);
        if work {
            shared.work();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl QueueShared {
    /// Start a worker.
    fn work(self: &Arc<Self>) {
        let shared = self.clone();
        let thread = std::thread::Builder::new().name(format!("send queue {}", self.name)).stack_size(STACK);
        if let Err(error) = thread.spawn(move || Worker::new(shared).run()) {
            tracing::error!(plugin = self.name, "nothing can be sent: {}", no_thread(&error));
            let mut state = self.lock();
            state.working = false;
            let waiting = std::mem::take(&mut state.queue);
            state.tally.dropped += waiting.len() as u64;
            drop(state);
            waiting.iter().for_each(|waiting| self.dropped(waiting, "the system had no thread for it"));
        }
    }

    pub(super) fn dropped(&self, waiting: &QueuedRequest, reason: &str) {
        self.journal.request(What::Dropped, &waiting.request, &waiting.cause, None, Some(reason));
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wait until the state changes, but not longer than this.
    pub(super) fn wait<'a>(&'a self, state: MutexGuard<'a, State>, longest: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner).0
    }
}
