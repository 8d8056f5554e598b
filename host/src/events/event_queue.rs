//! The queue in front of each plugin: events, and orders of the host, which go first. A plugin that is stuck does not
//! hold up its source, and so not the other plugins. What is done with an item is not decided here.

use super::{Event, Listener};
use glassbox_sandbox::Policy;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many events may wait. A full queue makes the source wait, so that nothing is lost.
const CAPACITY: usize = 1024;

/// For how many events an empty queue keeps memory.
const ROOM: usize = 16;

/// How many bytes of payload may wait: most events have some hundred, but one may have a million.
const BYTES: usize = 8 << 20;

/// When fewer than `PACE` events are taken from a full queue within `PATIENCE`, its plugin is stuck or slow, and the
/// source no longer waits for it. A normal call takes microseconds.
const PATIENCE: Duration = Duration::from_millis(50);
const PACE: u64 = 10;

/// What a plugin has to do next.
#[derive(Debug, PartialEq)]
pub enum QueueItem<O> {
    /// The host wants something of it.
    Order(O),
    /// An event, and when it came.
    Event(Arc<Event>, Instant),
    /// Nothing came in time, or a tick is due.
    Timeout,
    /// There are no more events.
    End,
}

/// A queue of events, and of orders of type `O`.
pub struct EventQueue<O> {
    queue: Mutex<Queue<O>>,
    changed: Condvar,
    room: Condvar,
}

struct Queue<O> {
    orders: VecDeque<O>,
    events: VecDeque<(Arc<Event>, Instant)>,
    bytes: usize,
    /// Which events the plugin sees.
    policy: Arc<Policy>,
    taken: u64,
    stuck: bool,
    lost: u64,
    ended: bool,
    /// When the events that still wait are dropped.
    late: Option<Instant>,
}

impl<O> EventQueue<O> {
    /// An empty queue for a plugin with this policy.
    pub fn new(policy: Arc<Policy>) -> Self {
        let queue = Queue {
            orders: VecDeque::new(),
            events: VecDeque::new(),
            bytes: 0,
            policy,
            taken: 0,
            stuck: false,
            lost: 0,
            ended: false,
            late: None,
        };
        Self { queue: Mutex::new(queue), changed: Condvar::new(), room: Condvar::new() }
    }

    /// Give an order, which comes before all events.
    pub fn order(&self, order: O) {
        self.lock().orders.push_back(order);
        self.changed.notify_one();
    }

    /// Another version of the plugin runs, which may see other events.
    pub fn now_sees(&self, policy: Arc<Policy>) {
        self.lock().policy = policy;
    }

    /// How many events were dropped since this was last called.
    pub fn lost(&self) -> u64 {
        std::mem::take(&mut self.lock().lost)
    }

    /// The next order or event; waits for one, but not longer than `longest`.
    pub fn next(&self, longest: Option<Duration>) -> QueueItem<O> {
        let end = longest.map(|longest| Instant::now() + longest);
        let mut queue = self.lock();
        loop {
            if let Some(order) = queue.orders.pop_front() {
                return QueueItem::Order(order);
            }
            if queue.late.is_some_and(|late| late <= Instant::now()) {
                queue.lost += queue.events.len() as u64;
                queue.events.clear();
                return QueueItem::End;
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            // A tick that is due comes before the events, of which there may always be more.
            if left == Some(Duration::ZERO) {
                return QueueItem::Timeout;
            }
            if let Some((event, came)) = queue.events.pop_front() {
                queue.taken += 1;
                queue.bytes -= event.payload.len();
                queue.stuck &= queue.events.len() > CAPACITY / 2;
                if queue.events.is_empty() {
                    // Gives back the memory after a flood; there may be hundreds of queues.
                    queue.events.shrink_to(ROOM);
                }
                self.room.notify_all();
                return QueueItem::Event(event, came);
            }
            if queue.ended {
                return QueueItem::End;
            }
            queue = match left {
                Some(left) => self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<O>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Send> Listener for EventQueue<O> {
    fn event(&self, event: &Arc<Event>, alone: bool) {
        let mut queue = self.lock();
        if !queue.policy.sees(&event.name) {
            return;
        }
        let came = Instant::now();
        let (mut taken, mut since) = (queue.taken, came);
        while (queue.events.len() >= CAPACITY || queue.bytes >= BYTES) && !queue.ended {
            let slow = since.elapsed() >= PATIENCE && queue.taken - taken < PACE;
            if !alone && (queue.stuck || slow) {
                queue.stuck = true;
                queue.lost += 1;
                return;
            }
            if since.elapsed() >= PATIENCE {
                (taken, since) = (queue.taken, Instant::now());
            }
            queue = self.room.wait_timeout(queue, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.bytes += event.payload.len();
        queue.events.push_back((event.clone(), came));
        self.changed.notify_one();
    }

    fn sees(&self) -> Vec<String> {
        self.lock().policy.manifest().sees.iter().map(|seen| seen.event.clone()).collect()
    }

    fn end(&self, longest: Duration) {
        let mut queue = self.lock();
        queue.ended = true;
        queue.late = Some(Instant::now() + longest);
        drop(queue);
        self.changed.notify_one();
        self.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_sandbox::Manifest;

    fn queue() -> EventQueue<u8> {
        let manifest = "[plugin]\nname = \"p\"\n[[sees]]\nevent = \"A\"\nfields = []";
        EventQueue::new(Arc::new(Policy::new(Manifest::parse(manifest).unwrap()).unwrap()))
    }

    fn event(name: &str, payload: &str) -> Arc<Event> {
        Arc::new(Event { name: name.into(), payload: payload.into(), made_up: false })
    }

    #[test]
    fn orders_go_first_and_the_end_comes_last() {
        let queue = queue();
        queue.event(&event("A", "1"), false);
        queue.event(&event("unseen", "2"), false);
        queue.order(7);
        queue.end(Duration::from_secs(9));
        assert_eq!(queue.next(Some(Duration::ZERO)), QueueItem::Order(7));
        assert_eq!(queue.next(Some(Duration::ZERO)), QueueItem::Timeout);
        assert!(matches!(queue.next(None), QueueItem::Event(first, _) if first == event("A", "1")));
        assert_eq!(queue.next(None), QueueItem::End);
    }

    #[test]
    fn a_plugin_that_is_stuck_holds_the_source_up_once() {
        let queue = queue();
        let began = Instant::now();
        for _ in 0..CAPACITY + 1000 {
            queue.event(&event("A", "1"), false);
        }
        assert!(began.elapsed() < 20 * PATIENCE, "{:?}", began.elapsed());
        assert_eq!((queue.lost(), queue.lost()), (1000, 0));
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_too() {
        let queue = queue();
        let large = event("A", &"x".repeat(1 << 20));
        (0..100).for_each(|_| queue.event(&large, false));
        assert_eq!(queue.lost(), 92);
        (0..8).for_each(|_| assert!(matches!(queue.next(None), QueueItem::Event(..))));
        queue.event(&large, false);
        assert_eq!(queue.lost(), 0);
    }

    #[test]
    fn a_plugin_that_keeps_up_loses_nothing() {
        let queue = Arc::new(queue());
        let reader = queue.clone();
        let count = 5 * CAPACITY;
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while let QueueItem::Event(event, _) = reader.next(None) {
                if seen.len() % 100 == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                seen.push(event.payload.parse::<usize>().unwrap());
            }
            seen
        });
        (0..count).for_each(|i| queue.event(&event("A", &i.to_string()), false));
        queue.end(Duration::from_secs(9));
        assert!(thread.join().unwrap().into_iter().eq(0..count));
        assert_eq!(queue.lost(), 0);
    }
}
