//! `achievement_unlocked`.

use crate::fields::{Fields, Payload, known};
use crate::tracker::Context;

/// An achievement was unlocked: remembered for `pong`, and reported.
pub fn unlocked(payload: &Payload, cx: &mut Context) {
    if let Some(key) = known(payload, "key") {
        cx.state.environment.unlock(key);
    }
    if cx.on(|events| events.achievements) {
        let mut fields = Fields::default();
        fields.copy_or_unknown("achievement", payload, "key");
        cx.report("achievement_unlocked", &fields);
    }
}
