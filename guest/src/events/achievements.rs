//! `achievement_unlocked`: the user earned an achievement of OctoPrint.

use crate::context::Context;
use crate::fields::{Fields, Payload, name};

/// An achievement was unlocked: remembered for `pong`.
pub fn remember(payload: &Payload, cx: &mut Context) {
    cx.state.environment.unlock(payload.get("key"));
}

/// Report it.
pub fn unlocked(payload: &Payload, cx: &Context) {
    if cx.on.achievements {
        let mut fields = Fields::default();
        fields.copy_or_unknown("achievement", payload, "key", name);
        cx.report("achievement_unlocked", &fields);
    }
}
