//! Plays a recorded session through a plugin. The plugin's clock jumps to the next event, or to the next tick that
//! the plugin asked for, whichever is first; between the two only the person watching has to wait.

use anyhow::Result;
use glassbox::home::Home;
use glassbox::plugins::running_plugin::{RunningPlugin, Step};
use glassbox_audit::conformance::session::{SessionEntry, SessionInput};
use glassbox_audit::fake::{ManualClock, ManualThrottle};
use glassbox_sandbox::Outgoing;
use serde_json::Value;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// What happened at a moment of the session.
pub struct Moment<'a> {
    /// Seconds since the server's start.
    pub t: f64,
    /// What happened, for people.
    pub what: &'a str,
    /// The event and its payload, if it was one.
    pub event: Option<(&'a str, &'a Value)>,
    /// What the plugin sent because of it.
    pub sent: &'a [Outgoing],
    /// Messages that somebody should read: what was blocked, what failed.
    pub notes: &'a [String],
}

/// A player, with everything that it controls.
pub struct Player<'a> {
    /// The plugin's clock.
    pub clock: ManualClock,
    /// The throttle query's answer.
    pub throttle: ManualThrottle,
    /// Where settings are changed, as a user would.
    pub home: &'a Home,
    /// How many seconds of the session are played in a second; infinite for as fast as possible.
    pub speed: f64,
    /// A message here stops it at once.
    pub stop: Receiver<()>,
}

const SECOND: f64 = 1e9;

impl Player<'_> {
    /// Play until `end`, in seconds of the session. `observe` is given every moment and returns whether to go on.
    /// Returns false if it was stopped before the end.
    ///
    /// # Errors
    /// When settings cannot be changed.
    pub fn play(
        &self,
        running: &mut RunningPlugin,
        session: &[SessionEntry],
        end: f64,
        mut observe: impl FnMut(&Moment) -> bool,
    ) -> Result<bool> {
        let began = Instant::now();
        let mut entries = session.iter().peekable();
        loop {
            let entry = entries.peek().map(|entry| (entry.t * SECOND).round());
            let tick = running.next_tick().map(|at| at as f64);
            let now = match (entry, tick) {
                (None, None) => break,
                (Some(at), None) | (None, Some(at)) => at,
                (Some(entry), Some(tick)) => entry.min(tick),
            }
            .max(self.clock.get() as f64);
            if now > end * SECOND {
                break;
            }
            if self.stopped_before(began, now) {
                return Ok(false);
            }
            // A session lasts minutes: a float counts nanoseconds exactly for a hundred days.
            self.clock.set(now as u64);
            let goes_on = if tick.is_some_and(|tick| tick <= now) {
                let step = running.tick(now as u64);
                observe(&moment(now, "tick", None, &step))
            } else if let Some(entry) = entries.next() {
                self.act(running, entry, now as u64, &mut observe)?
            } else {
                true
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn act(
        &self,
        running: &mut RunningPlugin,
        entry: &SessionEntry,
        now: u64,
        observe: &mut impl FnMut(&Moment) -> bool,
    ) -> Result<bool> {
        Ok(match &entry.what {
            SessionInput::Event(name, payload) => {
                let step = running.event(name, &glassbox_audit::conformance::case::payload_text(payload), now);
                observe(&moment(now as f64, name, Some((name, payload)), &step))
            }
            SessionInput::Throttled(answer) => {
                self.throttle.set(answer.as_deref().and_then(glassbox_audit::conformance::replay::mask));
                true
            }
            SessionInput::Settings(changes) => {
                let (settings, _) = self.home.change_settings(&running.plugin().name, |settings| {
                    changes
                        .iter()
                        .try_for_each(|(key, value)| settings.set(key, value.clone()).map_err(anyhow::Error::msg))
                })?;
                running.change_settings(settings, now)?;
                let keys: Vec<_> = changes.iter().map(|(key, value)| format!("{key}={value}")).collect();
                observe(&moment(now as f64, &format!("settings {}", keys.join(" ")), None, &Step::default()))
            }
        })
    }

    /// Wait until the session has come to `now`. True if it was stopped meanwhile.
    fn stopped_before(&self, began: Instant, now: f64) -> bool {
        // At most about a year, so that no duration overflows.
        let due = Duration::from_secs_f64((now / SECOND / self.speed).clamp(0.0, 3e7));
        match self.stop.recv_timeout(due.saturating_sub(began.elapsed())) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            // Nothing is left that could stop it.
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(due.saturating_sub(began.elapsed()));
                false
            }
        }
    }
}

fn moment<'a>(now: f64, what: &'a str, event: Option<(&'a str, &'a Value)>, step: &'a Step) -> Moment<'a> {
    Moment { t: now / SECOND, what, event, sent: &step.sent, notes: &step.notes }
}
