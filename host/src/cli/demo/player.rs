//! Plays a recorded session through a plugin. The clock alone drives it: time goes straight to
//! the next event or to the next tick that the plugin asked for, whichever is first.

use anyhow::Result;
use glassbox::home::Home;
use glassbox::plugins::running_plugin::{RunningPlugin, Step};
use glassbox_audit::conformance::session::{Entry, What};
use glassbox_sandbox::Outgoing;
use glassbox_sandbox::fake::{ManualClock, ManualThrottle};
use serde_json::Value;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// What happened at a moment of the session.
pub struct Moment<'a> {
    /// Seconds since the server's start.
    pub t: f64,
    /// What it was, for people.
    pub what: &'a str,
    /// The event and its payload, if it was one.
    pub event: Option<(&'a str, &'a Value)>,
    /// What was sent because of it.
    pub sent: &'a [Outgoing],
    /// What somebody should read.
    pub notes: &'a [String],
}

/// The controls that the player turns.
pub struct Player<'a> {
    /// The plugin's clock.
    pub clock: ManualClock,
    /// The throttle query's answer.
    pub throttle: ManualThrottle,
    /// Where settings are changed, as a user would.
    pub home: &'a Home,
    /// Session seconds in a second; infinite for as fast as possible.
    pub speed: f64,
    /// A word here ends it, also in the middle of a pause.
    pub stop: Receiver<()>,
}

const SECOND: f64 = 1e9;

impl Player<'_> {
    /// Play until `end` (seconds of the session). `observe` sees every moment and says whether to
    /// go on; false if it was stopped.
    ///
    /// # Errors
    /// When settings cannot be changed.
    pub fn play(
        &self,
        running: &mut RunningPlugin,
        session: &[Entry],
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
            // A session lasts minutes: far below where a float loses nanoseconds.
            self.clock.set(now as u64);
            let going_on = if tick.is_some_and(|tick| tick <= now) {
                let step = running.tick(now as u64);
                observe(&moment(now, "tick", None, &step))
            } else if let Some(entry) = entries.next() {
                self.act(running, entry, now as u64, &mut observe)?
            } else {
                true
            };
            if !going_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn act(
        &self,
        running: &mut RunningPlugin,
        entry: &Entry,
        now: u64,
        observe: &mut impl FnMut(&Moment) -> bool,
    ) -> Result<bool> {
        Ok(match &entry.what {
            What::Event(name, payload) => {
                let step = running.event(name, &glassbox_audit::conformance::case::payload_text(payload), now);
                observe(&moment(now as f64, name, Some((name, payload)), &step))
            }
            What::Throttled(answer) => {
                self.throttle.set(answer.as_deref().and_then(glassbox_audit::conformance::replay::mask));
                true
            }
            What::Settings(changes) => {
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

    /// Wait until it is time; true if it was stopped meanwhile.
    fn stopped_before(&self, began: Instant, now: f64) -> bool {
        // A year is as good as for ever.
        let due = Duration::from_secs_f64((now / SECOND / self.speed).clamp(0.0, 3e7));
        match self.stop.recv_timeout(due.saturating_sub(began.elapsed())) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            // Nobody is left who could stop it.
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
