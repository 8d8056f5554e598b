//! What is known about the Raspberry Pi's throttling, and the report fields that tell it.

use crate::fields::{Fields, Payload};
use crate::python::boolean;
use crate::saved::{Reader, Writer, object};
use crate::time::Instant;
use serde_json::{Map, Value};

/// What is known about throttling.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Throttle {
    /// The last known state.
    pub last: Option<Reading>,
    /// Whether `last` came in an event of OctoPrint, not from a query.
    pub from_octoprint: bool,
    /// A change was found while handling another event; the next tick reports it.
    pub unreported: bool,
    /// There is no throttle query here, so there is no point in asking again.
    pub unanswered: bool,
    /// When to query next.
    pub next_poll: Option<Instant>,
}

impl Throttle {
    pub(super) fn save(&self, writer: &Writer) -> Value {
        object(vec![
            ("last", self.last.map(Reading::to_event).into()),
            ("heard", self.from_octoprint.into()),
            ("unreported", self.unreported.into()),
            ("unanswered", self.unanswered.into()),
            ("next_poll_ns", writer.instant(self.next_poll)),
        ])
    }

    pub(super) fn restore(saved: &Reader) -> Self {
        Self {
            last: saved.part("last").and_then(|part| Reading::from_event(part.object())),
            from_octoprint: saved.flag("heard"),
            unreported: saved.flag("unreported"),
            unanswered: saved.flag("unanswered"),
            next_poll: saved.instant("next_poll_ns"),
        }
    }
}

/// The throttle state at one moment. `past` means since the machine booted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The bit mask that `vcgencmd get_throttled` prints.
    mask: u64,
    /// Whether there is any issue now.
    pub now: bool,
    /// Whether there was any issue in the past.
    pub past: bool,
    voltage_now: bool,
    voltage_past: bool,
    overheat_now: bool,
    overheat_past: bool,
}

impl Reading {
    /// The state that a mask describes.
    pub fn from_mask(mask: u32) -> Self {
        let bit = |bits: u32| mask & bits != 0;
        Self {
            mask: mask.into(),
            now: bit(0x7),
            past: bit(0x7_0000),
            voltage_now: bit(0x1),
            voltage_past: bit(0x1_0000),
            overheat_now: bit(0x2),
            overheat_past: bit(0x2_0000),
        }
    }

    /// The state that an event of OctoPrint's Pi Support plugin describes; none unless all of it
    /// is known.
    pub fn from_event(payload: &Payload) -> Option<Self> {
        let flag = |key| payload.get(key).and_then(Value::as_bool);
        Some(Self {
            mask: payload.get("raw_value").and_then(mask)?,
            now: flag("current_issue")?,
            past: flag("past_issue")?,
            voltage_now: flag("current_undervoltage")?,
            voltage_past: flag("past_undervoltage")?,
            overheat_now: flag("current_overheat")?,
            overheat_past: flag("past_overheat")?,
        })
    }

    /// The event that describes this state.
    fn to_event(self) -> Map<String, Value> {
        let flags = [
            ("current_issue", self.now),
            ("past_issue", self.past),
            ("current_undervoltage", self.voltage_now),
            ("past_undervoltage", self.voltage_past),
            ("current_overheat", self.overheat_now),
            ("past_overheat", self.overheat_past),
        ];
        let mut event = Map::new();
        for (key, flag) in flags {
            event.insert(key.into(), flag.into());
        }
        event.insert("raw_value".into(), self.mask.into());
        event
    }

    /// The three `throttled_` fields that reports of prints and errors carry.
    pub fn short_fields(&self) -> Fields<'static> {
        let mut fields = Fields::default();
        fields
            .put("throttled_now", boolean(self.now))
            .put("throttled_past", boolean(self.past))
            .put("throttled_mask", self.mask.to_string());
        fields
    }

    /// All seven `throttled_` fields.
    pub fn fields(&self) -> Fields<'static> {
        let mut fields = self.short_fields();
        fields
            .put("throttled_voltage_now", boolean(self.voltage_now))
            .put("throttled_voltage_past", boolean(self.voltage_past))
            .put("throttled_overheat_now", boolean(self.overheat_now))
            .put("throttled_overheat_past", boolean(self.overheat_past));
        fields
    }
}

/// A throttle mask in an event: a number of at most ten digits.
pub fn mask(value: &Value) -> Option<u64> {
    value.as_u64().filter(|mask| *mask < 10_000_000_000)
}
