//! `achievement_unlocked`: the user earned an achievement of OctoPrint.

use crate::context::Context;
use crate::fields::{Fields, Payload, known};

/// An achievement was unlocked: remembered for `pong`, and reported.
pub fn unlocked(payload: &Payload, cx: &mut Context) {
    if let Some(key) = known(payload, "key") {
        cx.state.environment.unlock(key);
    }
    if cx.is_on(|events| events.achievements) {
        let mut fields = Fields::default();
        fields.copy_or_unknown("achievement", payload, "key");
        cx.report("achievement_unlocked", &fields);
    }
}
