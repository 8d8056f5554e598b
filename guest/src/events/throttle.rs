//! `system_throttled`, `system_unthrottled`, and the three `throttled_` fields of other reports.
//!
//! Where OctoPrint itself watches the Raspberry Pi (its Pi Support plugin), changes come over the
//! bus. Elsewhere the tracker asks on its own ticks.

use crate::fields::{Fields, Payload};
use crate::python::boolean;
use crate::state::{Instant, Reader, SECOND, Writer, object};
use crate::tracker::Context;
use serde_json::{Map, Value};

/// How often to ask. OctoPrint's intervals.
const CALM: Instant = 300 * SECOND;
const WHILE_THROTTLED: Instant = 30 * SECOND;

/// What is known of throttling.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Throttle {
    last: Option<Reading>,
    /// Whether `last` came over the bus.
    heard: bool,
    /// A change was seen while handling another event, and goes out with the next tick.
    unreported: bool,
    /// There is no such query here: no use in asking again.
    unanswered: bool,
    /// When to ask next.
    next_poll: Option<Instant>,
}

impl Throttle {
    /// For the next instance.
    pub fn save(&self, writer: &Writer) -> Value {
        object(vec![
            ("last", self.last.map(Reading::to_event).into()),
            ("heard", self.heard.into()),
            ("unreported", self.unreported.into()),
            ("unanswered", self.unanswered.into()),
            ("next_poll_ns", writer.instant(self.next_poll)),
        ])
    }

    /// From the last instance.
    pub fn restore(saved: &Reader) -> Self {
        Self {
            last: saved.part("last").and_then(|part| Reading::of_event(part.0)),
            heard: saved.flag("heard"),
            unreported: saved.flag("unreported"),
            unanswered: saved.flag("unanswered"),
            next_poll: saved.instant("next_poll_ns"),
        }
    }
}

/// One state of the Pi.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    mask: u64,
    now: bool,
    past: bool,
    voltage_now: bool,
    voltage_past: bool,
    overheat_now: bool,
    overheat_past: bool,
}

impl Reading {
    fn of_mask(mask: u32) -> Self {
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

    /// The event that says as much.
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

    fn of_event(payload: &Payload) -> Option<Self> {
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

    fn short(&self) -> Fields<'static> {
        let mut fields = Fields::default();
        fields
            .put("throttled_now", boolean(self.now))
            .put("throttled_past", boolean(self.past))
            .put("throttled_mask", self.mask.to_string());
        fields
    }

    fn report(&self, cx: &Context) {
        let mut fields = self.short();
        fields
            .put("throttled_voltage_now", boolean(self.voltage_now))
            .put("throttled_voltage_past", boolean(self.voltage_past))
            .put("throttled_overheat_now", boolean(self.overheat_now))
            .put("throttled_overheat_past", boolean(self.overheat_past));
        cx.report(report_name(self.now), &fields);
    }
}

/// OctoPrint says that the state changed. All parts must be there; one that is null is not known.
pub fn told(payload: &Payload, cx: &mut Context) {
    let Some(fields) = fields_of_event(payload) else { return };
    let reading = Reading::of_event(payload);
    let throttle = &mut cx.state.throttle;
    // What our own asking found, and reported, is not told again.
    let known = !throttle.heard && !throttle.unreported && reading.is_some() && throttle.last == reading;
    *throttle = Throttle { last: reading, heard: true, ..Throttle::default() };
    if !known && cx.on(|events| events.throttled) {
        let now = payload.get("current_issue") == Some(&Value::Bool(true));
        cx.report(report_name(now), &fields);
    }
}

fn fields_of_event(payload: &Payload) -> Option<Fields<'_>> {
    let mut fields = Fields::default();
    for (name, key) in [
        ("throttled_now", "current_issue"),
        ("throttled_past", "past_issue"),
        ("throttled_mask", "raw_value"),
        ("throttled_voltage_now", "current_undervoltage"),
        ("throttled_voltage_past", "past_undervoltage"),
        ("throttled_overheat_now", "current_overheat"),
        ("throttled_overheat_past", "past_overheat"),
    ] {
        match payload.get(key)? {
            Value::Null => {}
            Value::Bool(flag) if key != "raw_value" => {
                fields.put(name, boolean(*flag));
            }
            value if key == "raw_value" => {
                fields.put(name, mask(value)?.to_string());
            }
            _ => return None,
        }
    }
    Some(fields)
}

/// A mask of at most ten digits.
fn mask(value: &Value) -> Option<u64> {
    value.as_u64().filter(|mask| *mask < 10_000_000_000)
}

fn report_name(now: bool) -> &'static str {
    if now { "system_throttled" } else { "system_unthrottled" }
}

/// Add the three fields to the report of a print or an error, if there is or was an issue.
pub fn describe(fields: &mut Fields, cx: &mut Context) {
    let reading = match cx.world.throttled() {
        Some(mask) => {
            let reading = Reading::of_mask(mask);
            notice(reading, cx);
            reading
        }
        // An OctoPrint on another machine: what it said last is what is known.
        None => match cx.state.throttle.last {
            Some(last) if cx.state.throttle.heard => last,
            _ => return,
        },
    };
    if reading.now || reading.past {
        fields.0.append(&mut reading.short().0);
    }
}

/// Report a change that was seen; ask if it is time to.
pub fn tick(cx: &mut Context) {
    if std::mem::take(&mut cx.state.throttle.unreported)
        && let Some(reading) = cx.state.throttle.last
        && cx.on(|events| events.throttled)
    {
        reading.report(cx);
        // Seen while asking about something else: ask on from here.
        cx.state.throttle.next_poll = Some(cx.now() + pause(reading));
    }
    if next_poll(cx).is_none_or(|at| at > cx.now()) {
        return;
    }
    let Some(mask) = cx.world.throttled() else {
        cx.state.throttle.unanswered = cx.state.throttle.last.is_none();
        cx.state.throttle.next_poll = Some(cx.now() + CALM);
        return;
    };
    let reading = Reading::of_mask(mask);
    notice(reading, cx);
    if std::mem::take(&mut cx.state.throttle.unreported) {
        reading.report(cx);
    }
    cx.state.throttle.next_poll = Some(cx.now() + pause(reading));
}

fn pause(reading: Reading) -> Instant {
    if reading.now { WHILE_THROTTLED } else { CALM }
}

/// When there is something to report or to ask.
pub fn next_tick(cx: &Context) -> Option<Instant> {
    if cx.state.throttle.unreported { Some(cx.now()) } else { next_poll(cx) }
}

fn next_poll(cx: &Context) -> Option<Instant> {
    let throttle = &cx.state.throttle;
    let ask = ask(cx) && cx.state.start_reported && !throttle.unanswered && cx.on(|events| events.throttled);
    ask.then(|| throttle.next_poll.unwrap_or(cx.now()))
}

/// Whether watching is up to the tracker: OctoPrint does not, and never said anything.
fn ask(cx: &Context) -> bool {
    !cx.state.environment.reports_throttling() && !cx.state.throttle.heard
}

/// Keep a reading; the first one counts as a change.
fn notice(reading: Reading, cx: &mut Context) {
    if ask(cx) && cx.state.throttle.last != Some(reading) {
        let throttle = &mut cx.state.throttle;
        throttle.last = Some(reading);
        throttle.unreported = true;
        throttle.unanswered = false;
    }
}
