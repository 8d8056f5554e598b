//! What happens when a call fails: back to the version before, or a rest and a fresh instance that
//! carries on from the last good state, or quarantine.

use super::{Call, LifecycleEvent, Previous, RunningPlugin, Step};
use crate::home::short_digest;
use glassbox_sandbox::Error;

const SECOND: u64 = 1_000_000_000;

/// How long a plugin rests after its first, second, .. failure. The first may be an accident; one
/// more and the plugin is quarantined: it would go on for ever.
const REST: [u64; 4] = [0, SECOND, 5 * SECOND, 30 * SECOND];

/// A failure that is older is forgotten.
const REMEMBERED: u64 = 600 * SECOND;

impl RunningPlugin {
    /// A call failed. `again`: the call, if another version may make it.
    pub(super) fn failed(&mut self, error: &Error, again: Option<Call>, now: u64, step: &mut Step) {
        self.rate = self.instance.take().map(|instance| instance.rate()).or(self.rate);
        step.notes.push(error.to_string());
        let reason = error.reasons.join("; ");
        let bad = self.plugin.digest.clone();
        if let Some(previous) = self.previous.take()
            && self.roll_back(previous, now, step)
        {
            step.turns.push(LifecycleEvent::RolledBack(reason, bad));
            if let Some(call) = again {
                let more = self.step(call, now);
                step.sent.extend(more.sent);
                step.blocked.extend(more.blocked);
                step.notes.extend(more.notes);
                step.turns.extend(more.turns);
                step.saved |= more.saved;
            }
            return;
        }
        self.rest(reason, now, step);
    }

    /// Count a failure: a rest, or quarantine.
    fn rest(&mut self, reason: String, now: u64, step: &mut Step) {
        self.failures.retain(|at| now.saturating_sub(*at) < REMEMBERED);
        self.failures.push(now);
        let Some(rest) = REST.get(self.failures.len() - 1) else {
            self.resumes = None;
            step.turns.push(LifecycleEvent::Quarantined(reason));
            step.notes.push(format!(
                "it failed {} times and is quarantined: another version of its file, or a change of its settings, starts it again",
                self.failures.len()
            ));
            return;
        };
        step.turns.push(LifecycleEvent::Failed(reason));
        self.resumes = Some(now + rest);
        if *rest == 0 {
            self.resume(now, step);
        }
    }

    /// The rest is over: a fresh instance carries on from the last good state.
    pub(super) fn resume(&mut self, now: u64, step: &mut Step) {
        self.resumes = None;
        let settings = self.settings.clone();
        match self.instantiate(&settings, now) {
            Ok((instance, _)) => {
                self.instance = Some(instance);
                // Not at once: what made it fail may be the tick itself.
                self.next_tick = Some(now + SECOND);
                let missed = std::mem::take(&mut self.missed);
                if missed > 0 {
                    step.notes.push(format!("it missed {missed} events while it rested"));
                }
            }
            Err(error) => {
                step.notes.push(format!("it cannot be started again: {error:#}"));
                self.rest(format!("{error:#}"), now, step);
            }
        }
    }

    /// Put the version before back. False if it does not start either.
    fn roll_back(&mut self, previous: Previous, now: u64, step: &mut Step) -> bool {
        let bad = std::mem::replace(&mut self.plugin, previous.plugin);
        let settings = self.settings.clone();
        // What the new version saved last, if the old one can read it; else what it saved itself.
        let newest = std::mem::replace(&mut self.state, previous.state);
        let own = std::mem::replace(&mut self.state, newest);
        let mut started = self.instantiate(&settings, now);
        if !matches!(started, Ok((_, true))) {
            self.state = own;
            started = self.instantiate(&settings, now);
        }
        if let Ok((instance, _)) = started {
            self.instance = Some(instance);
            self.next_tick = Some(now);
            step.notes.push(format!("the version before it ({}) carries on", short_digest(&self.plugin.digest)));
            return true;
        }
        self.plugin = bad;
        false
    }
}
