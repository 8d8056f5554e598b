//! `system_throttled` and `system_unthrottled`: a Raspberry Pi's throttling has changed.
//!
//! Where OctoPrint itself watches the Raspberry Pi (its Pi Support plugin), changes arrive as
//! events. Elsewhere the tracker queries the host on its own ticks. The `throttled_` fields of
//! other reports are added by `context`.

use crate::context::Context;
use crate::fields::{Fields, Payload};
use crate::python::boolean;
use crate::state::{Reading, Throttle, throttle_mask};
use crate::time::{Instant, SECOND};
use serde_json::Value;

/// How often to query, as OctoPrint does: normally, and while there is an issue.
const POLL_INTERVAL: Instant = 300 * SECOND;
const POLL_INTERVAL_THROTTLED: Instant = 30 * SECOND;

/// OctoPrint says that the state has changed. Every part must be there; one that is null is not
/// known.
pub fn state_changed(payload: &Payload, cx: &mut Context) {
    let Some(fields) = fields_of_event(payload) else { return };
    let reading = Reading::from_event(payload);
    let throttle = &mut cx.state.throttle;
    // What a query has found, and a tick has reported, is not reported again.
    let reported = !throttle.from_octoprint && !throttle.unreported && reading.is_some() && throttle.last == reading;
    *throttle = Throttle { last: reading, from_octoprint: true, ..Throttle::default() };
    if !reported && cx.is_on(|events| events.throttled) {
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
                fields.put(name, throttle_mask(value)?.to_string());
            }
            _ => return None,
        }
    }
    Some(fields)
}

fn report_name(now: bool) -> &'static str {
    if now { "system_throttled" } else { "system_unthrottled" }
}

/// Report a change that was found since the last tick, and query if it is time to.
pub fn tick(cx: &mut Context) {
    if std::mem::take(&mut cx.state.throttle.unreported)
        && let Some(reading) = cx.state.throttle.last
        && cx.is_on(|events| events.throttled)
    {
        report(&reading, cx);
        // A print or an error has just queried: the pause counts from there.
        cx.state.throttle.next_poll = Some(cx.now() + pause(reading));
    }
    if next_poll(cx).is_none_or(|at| at > cx.now()) {
        return;
    }
    let Some(mask) = cx.host.throttled() else {
        cx.state.throttle.unanswered = cx.state.throttle.last.is_none();
        cx.state.throttle.next_poll = Some(cx.now() + POLL_INTERVAL);
        return;
    };
    let reading = Reading::from_mask(mask);
    cx.state.note_throttle(reading);
    if std::mem::take(&mut cx.state.throttle.unreported) {
        report(&reading, cx);
    }
    cx.state.throttle.next_poll = Some(cx.now() + pause(reading));
}

fn report(reading: &Reading, cx: &Context) {
    cx.report(report_name(reading.now), &reading.fields());
}

fn pause(reading: Reading) -> Instant {
    if reading.now { POLL_INTERVAL_THROTTLED } else { POLL_INTERVAL }
}

/// When there is something to report or to query.
pub fn next_tick(cx: &Context) -> Option<Instant> {
    if cx.state.throttle.unreported { Some(cx.now()) } else { next_poll(cx) }
}

fn next_poll(cx: &Context) -> Option<Instant> {
    let throttle = &cx.state.throttle;
    let polls = cx.state.polls_throttle()
        && cx.state.start_reported
        && !throttle.unanswered
        && cx.is_on(|events| events.throttled);
    polls.then(|| throttle.next_poll.unwrap_or(cx.now()))
}
