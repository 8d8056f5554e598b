//! What only the replay of a recording needs: an instance that is told what another one heard, and what was due there.

use super::{HeardAgain, Instance};
use crate::due::Due;

impl Instance {
    /// Remember events as they were shown to another instance, of which nothing else is known: for a recording that is
    /// replayed.
    pub fn remember(&mut self, shown: &[HeardAgain]) {
        let state = self.store.data_mut();
        state.read_clock();
        for event in shown {
            let at = state.now_ms.saturating_sub_unsigned(event.age_ms);
            self.plugin.policy.remember(&mut state.memory, &event.name, &event.payload, at);
        }
    }

    /// Hear an event as it was shown to another version's instance, like [`Self::hear`]: for a recording that another version
    /// is compared with.
    pub fn hear_again(&mut self, name: &str, shown: &str) -> Option<String> {
        self.remember(&[HeardAgain { name: name.into(), payload: shown.into(), age_ms: 0 }]);
        self.plugin.policy.shown_before(name, shown, &self.store.data().doors)
    }

    /// Hear an event of which nothing is shown, and of which nothing but its name is known: for a recording that is replayed.
    pub fn hear_unshown(&mut self, name: &str) {
        let state = self.store.data_mut();
        state.read_clock();
        state.memory.hear_without_instance(&self.plugin.policy, name, "null", state.now_ms, true);
    }

    /// When what is due, as JSON without anything that was heard: for a recording.
    #[must_use]
    pub fn due_times(&self) -> serde_json::Value {
        let state = self.store.data();
        serde_json::to_value(state.memory.due.save(state.now_ms)).unwrap_or_default()
    }

    /// Know what is due as another instance knew it, from its [`due_times`](Self::due_times): for a recording that is
    /// replayed.
    pub fn remember_due(&mut self, due: &serde_json::Value) {
        let state = self.store.data_mut();
        state.read_clock();
        state.memory.due = Due::restore(due, state.now_ms);
    }
}
