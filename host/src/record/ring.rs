//! The last calls of one instance, in memory: enough to repeat them from the last known state before them. The memory
//! is bounded, as hundreds of instances may run.

use super::crossing::{Call, Load, Moment, RecordedCall, Restore, Returned, Start};
use glassbox_sandbox::{Handover, HeardAgain, Policy};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, VecDeque};

/// About how many bytes are kept; the last event or tick is kept whatever its size.
const MOST: usize = 8 << 10;

/// OctoPrint's environment: it is heard in parts, and outlives a run.
const ENVIRONMENT: &str = "environment";

/// A run ends with this event, and what was heard in it is forgotten.
const STOPPING: &str = "octoprint_stopping";

/// The last calls, and a start that leads to them.
#[derive(Default)]
pub struct Ring {
    calls: VecDeque<(usize, RecordedCall)>,
    size: usize,
    before: Option<Before>,
    /// The events of which a fresh instance is shown the last again.
    remembered: BTreeSet<String>,
}

/// The situation before the first call that is kept, if that is not the start.
struct Before {
    start: Start,
    settings: Option<Load>,
    state: Option<String>,
    /// What it was shown last of those events; their ages are those at `moment`.
    heard: Vec<HeardAgain>,
    moment: Moment,
}

impl Ring {
    /// For an instance with this policy.
    pub fn new(policy: &Policy) -> Self {
        let seen = policy.manifest().sees.iter().map(|sees| &sees.event);
        Self { remembered: seen.filter(|event| policy.remembers(event)).cloned().collect(), ..Self::default() }
    }

    /// Keep a call, and forget the oldest.
    pub fn push(&mut self, recorded: RecordedCall) {
        let size = recorded.size();
        self.size += size;
        self.calls.push_back((size, recorded));
        while self.size > MOST && self.dispatches() > 1 {
            self.forget();
        }
    }

    /// How many events and ticks there are, each with the `save` after it; 2 stands for two or more.
    fn dispatches(&self) -> usize {
        self.calls.iter().filter(|(_, recorded)| begins(recorded)).take(2).count()
    }

    /// Forget the oldest calls, up to the next event or tick.
    fn forget(&mut self) {
        while let Some((size, recorded)) = self.calls.pop_front() {
            self.size -= size;
            self.remember(recorded);
            if self.calls.front().is_none_or(|(_, next)| begins(next)) {
                break;
            }
        }
    }

    fn remember(&mut self, recorded: RecordedCall) {
        let moment = Moment { made_up: true, ..recorded.moment };
        match (recorded.call, recorded.returned) {
            (Call::Start(start), _) => {
                self.before = Some(Before { start, settings: None, state: None, heard: Vec::new(), moment });
            }
            (call, returned) => {
                let Some(before) = &mut self.before else { return };
                before.pass(moment);
                match (call, returned) {
                    (Call::Load(load), Returned::Loaded(Ok(()))) => before.settings = Some(load),
                    (Call::Restore(Restore { heard, state, .. }), Returned::Restored(Ok(()))) => {
                        (before.heard, before.state) = (heard, Some(state));
                    }
                    (Call::Event { name, payload }, _) if name == STOPPING || self.remembered.contains(&name) => {
                        before.hear(name, payload);
                    }
                    (_, Returned::Saved(Handover { state, .. })) => before.state = Some(state),
                    _ => {}
                }
            }
        }
    }

    /// All calls that are kept, after made-up ones that start an instance in the last known state before them.
    pub fn calls(&self) -> impl Iterator<Item = RecordedCall> {
        let kept = self.calls.iter().map(|(_, recorded)| recorded.clone());
        let instance_id = self.calls.front().map_or(0, |(_, recorded)| recorded.instance_id);
        self.before.iter().flat_map(move |before| before.calls(instance_id)).chain(kept)
    }
}

impl Before {
    /// What was heard has become older.
    fn pass(&mut self, moment: Moment) {
        let ms = |moment: &Moment| moment.clock / 1_000_000;
        let passed = ms(&moment).saturating_sub(ms(&self.moment));
        self.heard.iter_mut().for_each(|event| event.age_ms = event.age_ms.saturating_add(passed));
        self.moment = moment;
    }

    /// Remember an event, as the host does.
    fn hear(&mut self, name: String, payload: String) {
        if name == STOPPING {
            return self.heard.retain(|event| event.name == ENVIRONMENT);
        }
        let at = self.heard.iter().position(|event| event.name == name);
        let last = at.map(|at| self.heard.remove(at));
        let payload = match last.filter(|last| last.name == ENVIRONMENT) {
            Some(last) => merged(&last.payload, &payload).unwrap_or(payload),
            None => payload,
        };
        // That comes first, and the others in their order.
        let at = if name == ENVIRONMENT { 0 } else { self.heard.len() };
        self.heard.insert(at, HeardAgain { name, payload, age_ms: 0 });
    }

    fn calls(&self, instance_id: u64) -> Vec<RecordedCall> {
        let recorded = |call, returned| RecordedCall {
            instance_id,
            moment: self.moment,
            call,
            asked: Vec::new(),
            returned,
            fuel: None,
        };
        let start = Start { after: None, ..self.start.clone() };
        let mut calls = vec![recorded(Call::Start(start), Returned::Started)];
        let load = |load: &Load| recorded(Call::Load(load.clone()), Returned::Loaded(Ok(())));
        calls.extend(self.settings.as_ref().map(load));
        let state = self.state.clone().unwrap_or_else(|| "{}".into());
        let restore = Restore { heard: self.heard.clone(), state, age_ms: 0, due: None };
        calls.push(recorded(Call::Restore(restore), Returned::Restored(Ok(()))));
        calls
    }
}

/// The parts of an environment, where a later one has replaced some.
fn merged(before: &str, later: &str) -> Option<String> {
    let parse = |text| serde_json::from_str::<Map<String, Value>>(text).ok();
    let mut parts = parse(before)?;
    parts.extend(parse(later)?);
    Some(Value::Object(parts).to_string())
}

fn begins(recorded: &RecordedCall) -> bool {
    matches!(recorded.call, Call::Event { .. } | Call::Tick { .. })
}
