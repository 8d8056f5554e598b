//! `startup`, `ping`, `pong`, `shutdown`: the server starts, runs, and stops.

use crate::fields::{Fields, Payload, word};
use crate::state::{Instant, SECOND};
use crate::tracker::Context;
use serde_json::Value;

/// The server has finished starting: a new run of it.
pub fn started(payload: &Payload, cx: &mut Context) {
    let uptime = payload.get("uptime").and_then(Value::as_f64).filter(|uptime| *uptime > 0.0).unwrap_or(0.0);
    // A cast from a float saturates.
    #[allow(clippy::cast_possible_truncation)]
    let uptime = (uptime * SECOND as f64).round() as Instant;
    let now = cx.now();
    let state = &mut cx.state;
    state.server_start = Some(now.saturating_sub(uptime));
    state.start_reported = false;
    (state.next_ping, state.next_pong) = (None, None);
}

/// The server is going down. A second word of it changes nothing.
pub fn stopping(cx: &mut Context) {
    if cx.state.start_reported && cx.on(|events| events.startup) {
        cx.report("shutdown", &Fields::default());
    }
    cx.state.end_server_run();
}

/// The printer's state changed: remembered for `ping`.
pub fn printer_state(payload: &Payload, cx: &mut Context) {
    if let Some(state) = payload.get("state_id").and_then(word) {
        cx.state.printer_state = Some(state);
    }
}

/// Settings were loaded, for the first time or again. `resumed`: tracking was off until now, and
/// timers that ran out meanwhile go on where they would be; any other overdue timer fires.
pub fn settings_changed(resumed: bool, cx: &mut Context) {
    if !cx.state.start_reported {
        return;
    }
    let now = cx.now();
    for (next, interval) in [(&mut cx.state.next_ping, cx.settings.ping), (&mut cx.state.next_pong, cx.settings.pong)] {
        let interval = seconds(interval);
        *next = match *next {
            _ if interval == 0 => None,
            None => Some(now + interval),
            Some(at) if resumed && at <= now => Some(after(at, interval, now)),
            // A shorter interval counts from now on.
            Some(at) => Some(at.min(now + interval)),
        };
    }
}

/// Start reporting, or do what the timers say.
pub fn tick(cx: &mut Context) {
    if !cx.on(|_| true) {
        return;
    }
    if start_due(cx) {
        cx.state.start_reported = true;
        cx.state.next_ping = first(cx.settings.ping, cx.now());
        cx.state.next_pong = first(cx.settings.pong, cx.now());
        if cx.state.next_ping.is_some() {
            ping(cx);
        }
        if cx.state.next_pong.is_some() {
            pong(cx);
        }
        if cx.on(|events| events.startup) {
            cx.report("startup", &cx.state.environment.describe(&cx.world.machine()));
        }
        return;
    }
    // On a shared tick OctoPrint sends these in either order.
    if let Some(at) = cx.state.next_pong.filter(|at| *at <= cx.now()) {
        cx.state.next_pong = Some(after(at, seconds(cx.settings.pong), cx.now()));
        pong(cx);
    }
    if let Some(at) = cx.state.next_ping.filter(|at| *at <= cx.now()) {
        cx.state.next_ping = Some(after(at, seconds(cx.settings.ping), cx.now()));
        ping(cx);
    }
}

/// When the next of them is due.
pub fn next_tick(cx: &Context) -> Option<Instant> {
    if start_due(cx) {
        return Some(cx.now());
    }
    [cx.state.next_ping, cx.state.next_pong].into_iter().flatten().min()
}

fn start_due(cx: &Context) -> bool {
    cx.state.server_start.is_some() && !cx.state.start_reported
}

fn ping(cx: &Context) {
    let uptime = cx.state.server_start.map_or(0, |start| cx.now().saturating_sub(start).max(0) / SECOND);
    let state = cx.state.printer_state.as_deref().unwrap_or(cx.state.environment.offline_state());
    let mut fields = Fields::default();
    fields.put("octoprint_uptime", uptime.to_string()).put("printer_state", state);
    cx.report("ping", &fields);
}

fn pong(cx: &Context) {
    if !cx.on(|events| events.pong) {
        return;
    }
    let environment = &cx.state.environment;
    let mut fields = environment.describe(&cx.world.machine());
    fields.put_known("plugins", environment.plugins());
    if cx.on(|events| events.achievements) {
        fields.put_known("achievements", environment.achievements());
    }
    cx.post("pong", &fields);
}

fn seconds(interval: u64) -> Instant {
    Instant::try_from(interval).map_or(Instant::MAX, |interval| interval.saturating_mul(SECOND))
}

fn first(interval: u64, now: Instant) -> Option<Instant> {
    (interval > 0).then(|| now.saturating_add(seconds(interval)))
}

/// The first time after `now` on the grid of `interval` that `at` lies on: a timer that was late,
/// by a little or by days, is not made up for.
fn after(at: Instant, interval: Instant, now: Instant) -> Instant {
    let interval = interval.max(1);
    let missed = now.saturating_sub(at).max(0) / interval;
    at.saturating_add((missed + 1).saturating_mul(interval))
}
