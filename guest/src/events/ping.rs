//! `ping` and `pong`, and their timers: `ping` says that the server is running, `pong` describes
//! the installation.

use crate::context::Context;
use crate::fields::Fields;
use crate::time::{Instant, SECOND};

/// The server has started: set the timers, and send what has one.
pub fn start(cx: &mut Context) {
    cx.state.next_ping = first(cx.settings.ping, cx.now());
    cx.state.next_pong = first(cx.settings.pong, cx.now());
    if cx.state.next_ping.is_some() {
        ping(cx);
    }
    if cx.state.next_pong.is_some() {
        pong(cx);
    }
}

/// Settings were loaded, for the first time or again; adjust the timers. `resumed`: tracking was
/// off until now, so a timer that expired meanwhile waits for its next turn. Any other overdue
/// timer fires.
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
            // A shorter interval counts from now.
            Some(at) => Some(at.min(now + interval)),
        };
    }
}

/// Send what is due.
pub fn tick(cx: &mut Context) {
    // If both are due, OctoPrint sends them in either order.
    if let Some(at) = cx.state.next_pong.filter(|at| *at <= cx.now()) {
        cx.state.next_pong = Some(after(at, seconds(cx.settings.pong), cx.now()));
        pong(cx);
    }
    if let Some(at) = cx.state.next_ping.filter(|at| *at <= cx.now()) {
        cx.state.next_ping = Some(after(at, seconds(cx.settings.ping), cx.now()));
        ping(cx);
    }
}

/// When the next of the two is due.
pub fn next_tick(cx: &Context) -> Option<Instant> {
    [cx.state.next_ping, cx.state.next_pong].into_iter().flatten().min()
}

fn ping(cx: &Context) {
    let uptime = cx.state.server_start.map_or(0, |start| cx.now().saturating_sub(start).max(0) / SECOND);
    let state = cx.state.printer_state.as_deref().unwrap_or(cx.state.environment.offline_state());
    let mut fields = Fields::default();
    fields.put("octoprint_uptime", uptime.to_string()).put("printer_state", state);
    cx.report("ping", &fields);
}

fn pong(cx: &Context) {
    if !cx.is_on(|events| events.pong) {
        return;
    }
    let environment = &cx.state.environment;
    let mut fields = environment.describe(&cx.host.machine());
    fields.put_known("plugins", environment.plugins());
    if cx.is_on(|events| events.achievements) {
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

/// The first time after `now` that is a multiple of `interval` away from `at`: however late a
/// timer is, it fires once, and keeps its rhythm.
fn after(at: Instant, interval: Instant, now: Instant) -> Instant {
    let interval = interval.max(1);
    let missed = now.saturating_sub(at).max(0) / interval;
    at.saturating_add((missed + 1).saturating_mul(interval))
}
