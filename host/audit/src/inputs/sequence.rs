//! What comes before and after the event that is examined: other events, restarts, quiet times and long ones.

use super::super::prng::Prng;
use super::super::scenario::{Handover, Scenario, Step};
use super::{Inputs, START, STOP, UNSEEN};
use serde_json::{Value, json};

const SECOND: u64 = 1_000_000_000;

/// In the trials with these numbers a hundred events, or thirty days, come before the one that is examined.
const MANY: u64 = 3;
const LONG: u64 = 5;
/// How many those are.
pub(crate) const EVENTS: usize = 100;
pub(crate) const DAYS: usize = 30;
/// A day, in nanoseconds.
pub(crate) const DAY: u64 = 86_400 * SECOND;

impl Inputs<'_> {
    /// In two of the trials of each event a long time comes before it: a hundred such events, with others between them;
    /// or thirty days, with such an event on each, and all that is due meanwhile.
    pub(super) fn lengthen(&self, scenario: &mut Scenario, place: &[u64], event: &str, prng: &mut Prng) {
        let before = &mut scenario.before;
        match place.first() {
            Some(&MANY) => {
                for number in 0..EVENTS {
                    before.push(Step::Event(event.into(), self.payload(prng, event)));
                    if number % 4 == 0 {
                        before.extend(self.other(prng, event));
                    }
                }
            }
            Some(&LONG) => {
                for _ in 0..DAYS {
                    before.push(Step::Event(event.into(), self.payload(prng, event)));
                    before.push(Step::Quiet(DAY));
                }
            }
            _ => {}
        }
    }

    /// Often what the event needs to be reported: once after another one.
    pub(super) fn cause(&self, prng: &mut Prng, event: &str) -> Option<Step> {
        let manifest = self.plugin.policy.manifest();
        let mut causes =
            manifest.says.iter().filter(|says| says.on.iter().any(|on| on == event)).map(|says| &says.once);
        let cause = causes.find_map(Option::as_ref).filter(|cause| self.plugin.policy.sees(cause))?;
        (!prng.one_in(3)).then(|| Step::Event(cause.clone(), self.payload(prng, cause)))
    }

    /// What a fresh instance is handed after none, some milliseconds, hours or 30 days.
    pub(super) fn handover(&self, prng: &mut Prng) -> Handover {
        let age_ms = [0, 1 + prng.next() % 999, 3_600_000 + prng.next() % 36_000_000, 30 * 86_400_000][prng.below(4)];
        let state = prng.one_in(2).then(|| {
            let kept = self.plugin.policy.manifest().state.keys();
            let mut state = json!({});
            for name in kept {
                let value =
                    [json!(true), json!(false), json!(1), json!(prng.below(1000)), Value::Null][prng.below(5)].clone();
                if !prng.one_in(4) {
                    state[name] = value;
                }
            }
            if prng.one_in(2) {
                state[prng.text(6, "abcdef")] = json!(true);
            }
            state.to_string()
        });
        Handover { age_ms, remembers: !prng.one_in(3), state }
    }

    /// An event that the component sees. A server rarely starts twice or stops early, so those are rare.
    pub(super) fn other(&self, prng: &mut Prng, event: &str) -> Option<Step> {
        let sees = &self.plugin.policy.manifest().sees;
        let name = &prng.pick(sees)?.event;
        let name = if prng.one_in(8) && event != UNSEEN { event } else { name };
        let rare = START.contains(&name) || name == STOP;
        (!rare || prng.one_in(4)).then(|| Step::Event(name.into(), self.payload(prng, name)))
    }

    /// What follows the event: ticks, other events, sometimes a restart of the host, and the end of the server.
    pub(super) fn after(&self, prng: &mut Prng, event: &str) -> Vec<Step> {
        let mut after = vec![quiet(prng)];
        for i in 0..4 {
            after.extend(self.other(prng, event));
            if i % 2 == 1 {
                after.push(quiet(prng));
            }
        }
        if prng.one_in(2) {
            after.insert(prng.below(after.len()), Step::Restart(self.handover(prng)));
        }
        if self.plugin.policy.sees(STOP) {
            after.push(Step::Event(STOP.into(), Value::Null));
        }
        after
    }
}

/// Times between events, in nanoseconds: from none to an hour, and rarely a day, in which there is much to do.
pub(super) fn gaps(prng: &mut Prng) -> Vec<u64> {
    const GAPS: [u64; 8] = [0, 1_000_000, SECOND / 2, SECOND, 5 * SECOND, 30 * SECOND, 400 * SECOND, 3_600 * SECOND];
    let gap = |prng: &mut Prng| if prng.one_in(160) { DAY } else { GAPS[prng.below(GAPS.len())] };
    (0..8).map(|_| gap(prng) + prng.next() % SECOND * u64::from(prng.one_in(2))).collect()
}

/// A time without events, long enough for ticks: 20 seconds, a quarter of an hour, or rarely a day and an hour.
pub(super) fn quiet(prng: &mut Prng) -> Step {
    Step::Quiet(if prng.one_in(32) { 90_000 } else { [20, 1_000][prng.below(2)] } * SECOND)
}
