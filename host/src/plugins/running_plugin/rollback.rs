//! What happens when a call fails: back to the version before; or a pause, and then a new instance that continues
//! from the last good state; or quarantine, also of a plugin that is beyond its budget.

use super::{Call, LifecycleEvent, Previous, RunningPlugin, Step};
use crate::home::short_digest;
use glassbox_sandbox::{Error, Memory};

const SECOND: u64 = 1_000_000_000;

/// How long a plugin pauses after its first, second, .. failure, in nanoseconds. The first may be an accident. If
/// it fails once more than there are pauses, it is quarantined.
const PAUSES: [u64; 4] = [0, SECOND, 5 * SECOND, 30 * SECOND];

/// A failure that is older, in nanoseconds, is forgotten.
const REMEMBERED: u64 = 600 * SECOND;

impl RunningPlugin {
    /// A call failed. After a rollback, `call` is made again with the other version. `before`: what was known before it, if
    /// only saving has failed after it; nothing of what it sent leaves, so that all is due still.
    pub(super) fn failed(&mut self, error: &Error, call: Call, before: Option<Memory>, now: u64, step: &mut Step) {
        self.end_instance();
        self.memory = before.unwrap_or_else(|| std::mem::take(&mut self.memory));
        step.notes.push(error.to_string());
        let reason = error.reasons.join("; ");
        let failed = self.plugin.digest.clone();
        if let Some(previous) = self.previous.take()
            && self.roll_back(previous, now, step)
        {
            step.lifecycle.push(LifecycleEvent::RolledBack(reason, failed));
            let repeated = self.step(call, now);
            step.sent.extend(repeated.sent);
            step.blocked.extend(repeated.blocked);
            step.unsent.extend(repeated.unsent);
            step.notes.extend(repeated.notes);
            step.said.extend(repeated.said);
            step.lifecycle.extend(repeated.lifecycle);
            step.saved |= repeated.saved;
            return;
        }
        if let Call::Event(name, ..) = call {
            self.memory.handled(name);
        }
        self.pause(reason, now, step);
    }

    /// Count a failure, and pause, or go into quarantine.
    fn pause(&mut self, reason: String, now: u64, step: &mut Step) {
        self.failures.retain(|at| now.saturating_sub(*at) < REMEMBERED);
        self.failures.push(now);
        let Some(pause) = PAUSES.get(self.failures.len() - 1) else {
            step.notes.push(format!("it failed {} times", self.failures.len()));
            return self.quarantine(reason, step);
        };
        step.lifecycle.push(LifecycleEvent::Failed(reason));
        self.resumes = Some(now + pause);
        if *pause == 0 {
            self.resume(now, step);
        }
    }

    /// It is not started again by itself. It has no instance any more.
    pub(super) fn quarantine(&mut self, reason: String, step: &mut Step) {
        self.resumes = None;
        step.lifecycle.push(LifecycleEvent::Quarantined(reason));
    }

    /// The pause is over: a new instance continues from the last good state.
    pub(super) fn resume(&mut self, now: u64, step: &mut Step) {
        self.resumes = None;
        let settings = self.settings.clone();
        match self.instantiate(&settings, now, false) {
            Ok(instance) => {
                self.instance = Some(instance);
                // Not at once, as the tick itself may be what made it fail.
                self.next_tick = Some(now + SECOND);
                let missed = std::mem::take(&mut self.missed);
                if missed > 0 {
                    step.notes.push(format!("it missed {missed} events while it was paused"));
                }
            }
            Err(error) => {
                step.notes.push(format!("it cannot be restarted: {error:#}"));
                self.pause(format!("{error:#}"), now, step);
            }
        }
    }

    /// Go back to the version before. False if that does not start either; then the plugin is the failed one still.
    fn roll_back(&mut self, previous: Previous, now: u64, step: &mut Step) -> bool {
        let failed = std::mem::replace(&mut self.plugin, previous.plugin);
        let settings = self.settings.clone();
        match self.instantiate(&settings, now, false) {
            Ok(instance) => {
                self.instance = Some(instance);
                self.next_tick = Some(now);
                step.notes.push(format!("it was rolled back to version {}", short_digest(&self.plugin.digest)));
                true
            }
            Err(_) => {
                self.plugin = failed;
                false
            }
        }
    }
}
