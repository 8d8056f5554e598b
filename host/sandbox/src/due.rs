//! When reports are due. The host keeps these times, so that a tracker needs no timers of its own, and can say nothing by
//! when it reports. Times are milliseconds of the instance's clock.

use crate::heard::{Heard, STARTED, as_map};
use crate::manifest::Says;
use crate::policy::Policy;
use crate::{Settings, version::Release};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The longest rhythm in seconds: a leap year. Longer ones are mistakes.
const LONGEST: i64 = 366 * 24 * 60 * 60;

/// When what is due, by the names of requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Due {
    /// Those with `every`, while a run of OctoPrint goes on.
    every: BTreeMap<String, i64>,
    /// Those with `once` that may still be reported; with the time when they are, on a tick.
    once: BTreeMap<String, Option<i64>>,
}

impl Due {
    /// An event was heard.
    pub(crate) fn hear(&mut self, policy: &Policy, event: &str, at: i64) {
        for declared in &policy.manifest().says {
            if declared.once.as_deref() == Some(event) {
                let on_tick = declared.is_on_tick().then(|| at.saturating_add(i64::from(declared.after) * 1000));
                let time = self.once.entry(declared.request.clone()).or_default();
                // Of two requests of one name, one is due on a tick.
                *time = on_tick.or(time.filter(|time| *time >= at));
            }
            if declared.until.as_deref() == Some(event)
                && let Some(time) = self.once.get_mut(&declared.request)
            {
                *time = None;
            }
            if declared.every.is_some() && event == STARTED {
                self.every.insert(declared.request.clone(), at);
            }
        }
    }

    /// Settings are in force, for the first time or others than before. `resumed`: tracking was off until now, so a time
    /// that has passed meanwhile waits for its next turn, unless it is the first of a run.
    pub(crate) fn settings_in_force(
        &mut self,
        policy: &Policy,
        settings: &Settings,
        heard: &Heard,
        now: i64,
        resumed: bool,
    ) {
        let Some(started) = heard.get(STARTED).map(|started| started.at) else { return };
        let mut every = std::mem::take(&mut self.every);
        for declared in &policy.manifest().says {
            let Some(interval) = declared.interval(settings) else { continue };
            let next = match every.remove(&declared.request) {
                None => now.saturating_add(interval),
                Some(at) if at <= started => at,
                Some(at) if resumed && at <= now => after(at, interval, now),
                // A shorter interval counts from now.
                Some(at) => at.min(now.saturating_add(interval)),
            };
            self.every.insert(declared.request.clone(), next);
        }
    }

    /// Whether a request with `once` may still be reported.
    pub(crate) fn waits(&self, request: &str) -> bool {
        self.once.contains_key(request)
    }

    /// When the first of all is due.
    pub(crate) fn next(&self) -> Option<i64> {
        self.every.values().copied().chain(self.once.values().copied().flatten()).min()
    }

    /// The requests that are due, in the manifest's order, of those that are on.
    pub(crate) fn now(&self, policy: &Policy, settings: &Settings, release: Release, now: i64) -> Vec<String> {
        let is_due = |says: &&Says| {
            let once = || self.once.get(&says.request).copied().flatten();
            let at = if says.every.is_some() { self.every.get(&says.request).copied() } else { once() };
            at.is_some_and(|at| at <= now) && says.is_on_tick() && says.is_for(release) && says.is_on(settings)
        };
        policy.manifest().says.iter().filter(is_due).map(|says| says.request.clone()).collect()
    }

    /// A tick was made: what was due then is not due any more.
    pub(crate) fn ticked(&mut self, policy: &Policy, settings: &Settings, release: Release, now: i64) {
        for declared in &policy.manifest().says {
            if let Some(at) = self.every.get_mut(&declared.request).filter(|at| **at <= now)
                && let Some(interval) = declared.interval(settings)
            {
                *at = after(*at, interval, now);
            }
            if let Some(time) = self.once.get_mut(&declared.request)
                && time.is_some_and(|at| at <= now)
                && declared.is_on_tick()
                && !declared.is_for(release)
            {
                // It may still be reported on another occasion.
                *time = None;
            }
        }
        // What is over, and what another manifest left behind, is never due.
        self.every.retain(|_, at| *at > now);
        self.once.retain(|_, at| at.is_none_or(|at| at > now));
    }

    /// A request with `once` was reported.
    pub(crate) fn reported(&mut self, request: &str) {
        self.once.remove(request);
    }

    /// What waits to be reported `once` is not reported any more, but that a run of OctoPrint has begun.
    pub(crate) fn forget_once(&mut self, policy: &Policy) {
        let is_start = |says: &Says, request: &str| says.request == request && says.once.as_deref() == Some(STARTED);
        self.once.retain(|request, _| policy.manifest().says.iter().any(|says| is_start(says, request)));
    }

    /// The run of OctoPrint has ended: nothing is due.
    pub(crate) fn run_ended(&mut self) {
        *self = Self::default();
    }

    /// For writing as JSON: in how many milliseconds from now what is due.
    pub(crate) fn save(&self, now: i64) -> SavedDue<'_> {
        let wait = |at: i64| at.saturating_sub(now);
        SavedDue {
            every_in_ms: self.every.iter().map(|(request, at)| (request.as_str(), wait(*at))).collect(),
            once_in_ms: self.once.iter().map(|(request, at)| (request.as_str(), at.map(wait))).collect(),
        }
    }

    /// From JSON that was saved `saved_at`, in milliseconds of the clock in force now. What cannot be read is not due.
    pub(crate) fn restore(saved: &Value, saved_at: i64) -> Self {
        let times = |key: &str| saved.get(key).and_then(Value::as_object).into_iter().flatten();
        let time = |value: &Value| value.as_i64().map(|wait| saved_at.saturating_add(wait));
        Self {
            every: times("every_in_ms").filter_map(|(name, value)| Some((name.clone(), time(value)?))).collect(),
            once: times("once_in_ms").map(|(name, value)| (name.clone(), time(value))).collect(),
        }
    }
}

/// For writing as JSON.
#[derive(Serialize)]
pub(crate) struct SavedDue<'a> {
    #[serde(serialize_with = "as_map")]
    every_in_ms: Vec<(&'a str, i64)>,
    #[serde(serialize_with = "as_map")]
    once_in_ms: Vec<(&'a str, Option<i64>)>,
}

impl Says {
    /// Its rhythm in milliseconds; none for never, which is also what a setting means that is no number of seconds.
    pub(crate) fn interval(&self, settings: &Settings) -> Option<i64> {
        let every = self.every.as_ref()?;
        let seconds = match settings.get(&every.setting) {
            None | Some(Value::Null) => every.default,
            Some(value) => value.as_u64()?,
        };
        i64::try_from(seconds).ok().filter(|seconds| (1..=LONGEST).contains(seconds)).map(|seconds| seconds * 1000)
    }
}

/// The first time after `now` that is a multiple of `interval` away from `at`: however late a time is taken, it counts
/// once, and keeps its rhythm.
fn after(at: i64, interval: i64, now: i64) -> i64 {
    let interval = interval.max(1);
    let missed = now.saturating_sub(at).max(0) / interval;
    at.saturating_add((missed + 1).saturating_mul(interval))
}
