//! How much of the processor's time calls into a plugin take.

use std::time::{Duration, Instant};

/// Of a call that takes less, all the time that passes is counted: asking the system for a thread's share of the processor
/// can take longer than handling an event does.
const SHORT: Duration = Duration::from_millis(1);

/// A reading of that share counts as the beginning of a call for so long.
const FRESH: Duration = Duration::from_millis(100);

/// The processor's time that calls took: never less than it was, and hardly more.
#[derive(Debug, Default)]
pub struct ProcessorTime {
    used: Duration,
    /// When this thread's share was last read, and what it was.
    read: Option<(Instant, Duration)>,
}

impl ProcessorTime {
    /// A call begins.
    pub fn begin(&mut self) -> Instant {
        let now = Instant::now();
        self.read = self.read.filter(|(at, _)| now.duration_since(*at) < FRESH).or_else(|| Some((now, of_thread(now))));
        now
    }

    /// The call that began then has ended.
    pub fn end(&mut self, began: Instant) {
        let now = Instant::now();
        let took = now.duration_since(began);
        if took < SHORT {
            self.used += took;
            return;
        }
        let read = of_thread(now);
        // On another thread than before it may be less.
        let share = self.read.and_then(|(_, before)| read.checked_sub(before)).unwrap_or(took);
        self.used += share.min(took);
        self.read = Some((now, read));
    }

    /// What was used since this was last asked.
    pub fn take(&mut self) -> Duration {
        std::mem::take(&mut self.used)
    }
}

/// What this thread has taken of the processor; where the system does not say, what has passed.
#[cfg(target_os = "linux")]
fn of_thread(_: Instant) -> Duration {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Into::into).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn of_thread(now: Instant) -> Duration {
    use std::sync::LazyLock;
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    now.saturating_duration_since(*BEGAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(time: Duration) {
        let began = of_thread(Instant::now());
        while of_thread(Instant::now()) - began < time {}
    }

    fn measured(call: impl FnOnce()) -> Duration {
        let mut time = ProcessorTime::default();
        let began = time.begin();
        call();
        time.end(began);
        time.take()
    }

    #[test]
    fn what_a_call_takes_is_counted_and_what_it_waits_is_not() {
        assert!(measured(|| spin(Duration::from_millis(30))) >= Duration::from_millis(30));
        assert!(measured(|| std::thread::sleep(Duration::from_millis(30))) < Duration::from_millis(20));
        assert!(measured(|| spin(Duration::from_micros(200))) >= Duration::from_micros(200), "a short one counts");
    }

    #[test]
    fn no_time_is_counted_twice_or_forgotten_between_threads() {
        let mut time = ProcessorTime::default();
        let began = time.begin();
        spin(Duration::from_millis(30));
        time.end(began);
        assert!(time.take() >= Duration::from_millis(30));
        assert_eq!(time.take(), Duration::ZERO);
        // Its share of the processor begins anew there.
        let elsewhere = std::thread::spawn(move || {
            let began = time.begin();
            spin(Duration::from_millis(5));
            time.end(began);
            time.take()
        });
        assert!(elsewhere.join().unwrap() >= Duration::from_millis(5));
    }
}
