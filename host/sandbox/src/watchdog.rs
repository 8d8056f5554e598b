//! Ends calls that take too long.

use crate::limits;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Thread;
use wasmtime::Engine;

/// Ends calls that take too long: it advances the engine's epoch while a call is running, and sleeps while none is, so
/// that an idle host does not wake up.
pub(crate) struct Watchdog {
    running: AtomicUsize,
    parked: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

/// Ticks without a call before the watchdog goes to sleep, one second: waking it for each event costs a system call.
const LINGER: u32 = 50;

impl Watchdog {
    /// Start its thread.
    ///
    /// # Errors
    /// When there is no thread: without it no call would ever be ended.
    pub(crate) fn start(engine: Engine) -> io::Result<Arc<Self>> {
        let watchdog = Arc::new(Self {
            running: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
        });
        let weak = Arc::downgrade(&watchdog);
        let thread = std::thread::Builder::new()
            .name("watchdog".into())
            // It calls nothing that needs more, and a small machine has little memory.
            .stack_size(64 << 10)
            .spawn(move || watch(&weak, &engine))?;
        let _ = watchdog.thread.set(thread.thread().clone());
        Ok(watchdog)
    }

    /// Count a call as running until the guard is dropped.
    pub(crate) fn guard(&self) -> Guard<'_> {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.parked.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
        Guard(self)
    }
}

pub(crate) struct Guard<'a>(&'a Watchdog);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

fn watch(watchdog: &Weak<Watchdog>, engine: &Engine) {
    let mut idle = 0;
    // It ends when the sandbox and the last plugin are dropped.
    while let Some(alive) = watchdog.upgrade() {
        idle = if alive.running.load(Ordering::SeqCst) > 0 { 0 } else { idle + 1 };
        if idle > LINGER {
            alive.parked.store(true, Ordering::SeqCst);
            // A call that begins just now is counted below, or sees `parked` and wakes us.
            if alive.running.load(Ordering::SeqCst) == 0 {
                drop(alive);
                std::thread::park();
            } else {
                alive.parked.store(false, Ordering::SeqCst);
            }
            idle = 0;
        } else {
            drop(alive);
            std::thread::sleep(limits::WATCHDOG_TICK);
            engine.increment_epoch();
        }
    }
}
