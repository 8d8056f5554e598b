//! Progress on a terminal, on standard error: for work that takes longer than two seconds, and only then. Nothing is shown
//! where standard error is not a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Who waits for less sees nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it moves.
const PERIOD: Duration = Duration::from_millis(120);

/// Do work that may take long; `what` says what is being done, as `compiling the plugin`.
pub fn during<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let shown = stderr().is_terminal().then(|| Shown::new(what));
    let done = work();
    drop(shown);
    done
}

/// What is shown, once it takes long, until this is dropped.
struct Shown {
    done: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Shown {
    fn new(what: &str) -> Self {
        let (done, waits) = mpsc::channel();
        let what = what.to_string();
        let show = move || {
            if waits.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_elapsed(PATIENCE);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.set_message(what);
            bar.enable_steady_tick(PERIOD);
            // Until the other end is dropped.
            let _ = waits.recv();
            bar.finish_and_clear();
        };
        // Without a thread there is no progress, and the work is done all the same.
        let thread = std::thread::Builder::new().name("progress".into()).spawn(show).ok();
        Self { done: Some(done), thread }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.done = None;
        if let Some(thread) = self.thread.take() {
            // It cleans up the line before anything else is printed.
            let _ = thread.join();
        }
    }
}

/// Do work that says how far it is, from 0 to 1000.
#[cfg(feature = "audit")]
pub fn with_bar<T>(what: &str, work: impl FnOnce(&(dyn Fn(usize) + Sync)) -> T) -> T {
    let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg}  [{bar:40}] {percent:>3} %") {
        bar.set_style(style.progress_chars("## "));
    }
    bar.set_message(what.to_string());
    let done = work(&|done| bar.set_position(done as u64));
    bar.finish_and_clear();
    done
}
