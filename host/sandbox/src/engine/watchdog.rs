//! Ends calls that take too long.

use crate::limits;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use wasmtime::Engine;

/// Ends calls that take too long: it advances the engine's epoch while a call is running, and sleeps while none is, so
/// that an idle host does not wake up.
pub(crate) struct Watchdog {
    watched: Arc<Watched>,
    thread: Thread,
}

/// What its thread looks at.
#[derive(Default)]
struct Watched {
    running: AtomicUsize,
    parked: AtomicBool,
    ended: AtomicBool,
}

/// Ticks without a call before the watchdog goes to sleep, one second: waking it for each event costs a system call.
const LINGER: u32 = 50;

impl Watchdog {
    /// Start its thread, which ends when this is dropped: with the sandbox and the last plugin.
    ///
    /// # Errors
    /// When there is no thread: without it no call would ever be ended.
    pub(crate) fn start(engine: Engine) -> io::Result<Self> {
        let watched = Arc::new(Watched::default());
        let thread = std::thread::Builder::new()
            .name("watchdog".into())
            // It calls nothing that needs more, and a small machine has little memory.
            .stack_size(64 << 10)
            .spawn({
                let watched = watched.clone();
                move || watch(&watched, &engine)
            })?;
        Ok(Self { watched, thread: thread.thread().clone() })
    }

    /// Count a call as running until the guard is dropped.
    pub(crate) fn guard(&self) -> Guard<'_> {
        self.watched.running.fetch_add(1, Ordering::SeqCst);
        if self.watched.parked.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Guard(&self.watched)
    }
}

pub(crate) struct Guard<'a>(&'a Watched);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.watched.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn watch(watched: &Watched, engine: &Engine) {
    let is_running = || watched.running.load(Ordering::SeqCst) > 0;
    let mut idle = 0;
    while !watched.ended.load(Ordering::SeqCst) {
        idle = if is_running() { 0 } else { idle + 1 };
        if idle <= LINGER {
            std::thread::sleep(limits::WATCHDOG_TICK);
            engine.increment_epoch();
            continue;
        }
        idle = 0;
        watched.parked.store(true, Ordering::SeqCst);
        // A call that begins just now is counted, or sees `parked` and wakes us.
        if !is_running() {
            std::thread::park();
        }
        watched.parked.store(false, Ordering::SeqCst);
    }
}
