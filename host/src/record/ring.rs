//! The last calls of one instance, in memory: enough to make them again from the last state that is known
//! before them. Bounded, as hundreds of instances may run.

use super::crossing::{Back, Call, Moment, Passage, Start};
use std::collections::VecDeque;

/// As much is kept, and the last event or tick whatever its size.
const MOST: usize = 8 << 10;

/// The last calls, and what came before them.
#[derive(Default)]
pub struct Ring {
    passages: VecDeque<(usize, Passage)>,
    size: usize,
    before: Option<Before>,
}

/// Where what is kept begins, if that is not the start.
struct Before {
    start: Start,
    settings: Option<String>,
    state: Option<String>,
    moment: Moment,
}

impl Ring {
    /// Keep a call, and forget the oldest.
    pub fn push(&mut self, passage: Passage) {
        let size = passage.size();
        self.size += size;
        self.passages.push_back((size, passage));
        while self.size > MOST && self.turns() > 1 {
            self.forget();
        }
    }

    /// Events and ticks, each with the saving after it.
    fn turns(&self) -> usize {
        self.passages.iter().filter(|(_, passage)| begins(passage)).take(2).count()
    }

    /// Forget all up to the next event or tick.
    fn forget(&mut self) {
        while let Some((size, passage)) = self.passages.pop_front() {
            self.size -= size;
            self.remember(passage);
            if self.passages.front().is_none_or(|(_, next)| begins(next)) {
                break;
            }
        }
    }

    fn remember(&mut self, passage: Passage) {
        let moment = Moment { made_up: true, ..passage.moment };
        match (passage.call, passage.back) {
            (Call::Start(start), _) => self.before = Some(Before { start, settings: None, state: None, moment }),
            (call, back) => {
                let Some(before) = &mut self.before else { return };
                before.moment = moment;
                match (call, back) {
                    (Call::Load(document), Back::Loaded(Ok(added))) => {
                        before.settings = Some(completed(&document, &added));
                    }
                    (Call::Restore { state, .. }, Back::Restored(Ok(()))) | (_, Back::Saved(state)) => {
                        before.state = Some(state);
                    }
                    _ => {}
                }
            }
        }
    }

    /// All that is kept; what was forgotten is made up as a start from the last known state.
    pub fn passages(&self) -> impl Iterator<Item = Passage> {
        let kept = self.passages.iter().map(|(_, passage)| passage.clone());
        let life = self.passages.front().map_or(0, |(_, passage)| passage.life);
        self.before.iter().flat_map(move |before| before.passages(life)).chain(kept)
    }
}

impl Before {
    fn passages(&self, life: u64) -> Vec<Passage> {
        let passage = |call, back| Passage { life, moment: self.moment, call, asked: Vec::new(), back, fuel: None };
        let start = Start { after: None, ..self.start.clone() };
        let mut passages = vec![passage(Call::Start(start), Back::Started)];
        let load = |document: &String| passage(Call::Load(document.clone()), Back::Loaded(Ok("{}".into())));
        passages.extend(self.settings.as_ref().map(load));
        let restore = |state: &String| Call::Restore { state: state.clone(), age: 0 };
        passages.extend(self.state.as_ref().map(|state| passage(restore(state), Back::Restored(Ok(())))));
        passages
    }
}

fn begins(passage: &Passage) -> bool {
    matches!(passage.call, Call::Event { .. } | Call::Tick)
}

/// Settings with what was added to them.
fn completed(document: &str, added: &str) -> String {
    use serde_json::{Map, Value};
    let read = |text| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let mut settings = read(document);
    settings.extend(read(added));
    Value::Object(settings).to_string()
}
