//! What is known about the Raspberry Pi's throttling, and the fields of a print's or an error's report that tell it.

use crate::fields::{Fields, Payload};
use crate::python::boolean;
use serde_json::Value;

/// A throttle mask in an event is less than this.
const MASK: u64 = 10_000_000_000;

/// The throttle state at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    mask: u64,
    /// Whether there is any issue now.
    now: bool,
    /// Whether there was any issue since the machine booted.
    past: bool,
}

impl Reading {
    /// The state that `vcgencmd get_throttled` describes by a mask.
    pub fn from_mask(mask: u32) -> Self {
        Self { mask: mask.into(), now: mask & 0x7 != 0, past: mask & 0x7_0000 != 0 }
    }

    /// The state that an event of OctoPrint's Pi Support plugin describes; none unless all of it is known.
    pub fn from_event(payload: &Payload) -> Option<Self> {
        let flag = |key| payload.get(key).and_then(Value::as_bool);
        let mask = payload.get("raw_value").and_then(Value::as_u64).filter(|mask| *mask < MASK)?;
        Some(Self { mask, now: flag("current_issue")?, past: flag("past_issue")? })
    }

    /// Add the three fields, if there is an issue or was one.
    pub fn add_to(self, fields: &mut Fields) {
        if self.now || self.past {
            fields
                .put("throttled_now", boolean(self.now))
                .put("throttled_past", boolean(self.past))
                .put("throttled_mask", self.mask.to_string());
        }
    }
}
