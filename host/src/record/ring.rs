//! The last calls of one instance, in memory: enough to repeat them from the last known state before them. The memory
//! is bounded, as hundreds of instances may run.

use super::crossing::{Call, Load, Moment, RecordedCall, Returned, Start};
use std::collections::VecDeque;

/// About how many bytes are kept; the last event or tick is kept whatever its size.
const MOST: usize = 8 << 10;

/// The last calls, and a start that leads to them.
#[derive(Default)]
pub struct Ring {
    calls: VecDeque<(usize, RecordedCall)>,
    size: usize,
    before: Option<Before>,
}

/// The situation before the first call that is kept, if that is not the start.
struct Before {
    start: Start,
    settings: Option<Load>,
    state: Option<String>,
    moment: Moment,
}

impl Ring {
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
            (Call::Start(start), _) => self.before = Some(Before { start, settings: None, state: None, moment }),
            (call, returned) => {
                let Some(before) = &mut self.before else { return };
                before.moment = moment;
                match (call, returned) {
                    (Call::Load(load), Returned::Loaded(Ok(()))) => before.settings = Some(load),
                    (Call::Restore { state, .. }, Returned::Restored(Ok(()))) | (_, Returned::Saved(state)) => {
                        before.state = Some(state);
                    }
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
        let restore = |state: &String| Call::Restore { state: state.clone(), age: 0 };
        calls.extend(self.state.as_ref().map(|state| recorded(restore(state), Returned::Restored(Ok(())))));
        calls
    }
}

fn begins(recorded: &RecordedCall) -> bool {
    matches!(recorded.call, Call::Event { .. } | Call::Tick)
}
