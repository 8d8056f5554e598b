//! A tracker that counts events, for tests of hot reload: events are numbered, so that it notices if
//! one is lost, repeated or out of order. The tests make versions of it by overwriting the word after
//! the marker in the component; some words make it fail. Not an example to follow.
#![cfg(target_family = "wasm")] // natively there is no host to link with
#![allow(unsafe_code)] // what wit-bindgen's `export!` expands to

#[allow(missing_docs, clippy::all)] // generated
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "tracker", generate_all });
}

use bindings::exports::glassbox::tracker::{handover, settings};
use bindings::glassbox::tracker::{clock, http};
use std::cell::RefCell;

/// The marker, and after it the version's word, padded with spaces.
static MARKER: [u8; 48] = *b"counter-version:first                           ";

/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;

fn version() -> String {
    // `black_box`: the compiler must not use the constant's value, as tests overwrite it.
    let marker = std::hint::black_box(&MARKER);
    String::from_utf8_lossy(&marker[16..]).trim_end().into()
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Events so far.
    count: u64,
    /// The number of the last event.
    last: u64,
    /// Events whose number was not the next one.
    wrong: u64,
    /// When the timer is due, in nanoseconds of the clock; 0 for none.
    due: u64,
}

thread_local! {
    static STATE: RefCell<State> = const { RefCell::new(State { count: 0, last: 0, wrong: 0, due: 0 }) };
    static CALLS: RefCell<u64> = const { RefCell::new(0) };
}

/// All numbers in a text, in order.
fn numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn send(name: &str, fields: &[(&str, String)]) {
    let request = http::Request {
        method: http::Method::Get,
        name: name.into(),
        fields: fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
        user_agent: "Counter/1".into(),
    };
    http::send(&request);
}

fn fail_in(export: &str) {
    let version = version();
    if version == format!("trap-{export}") {
        panic!("as the test asked");
    }
    if version == format!("loop-{export}") {
        loop {
            std::hint::black_box(());
        }
    }
}

fn handle(name: &str, payload: &str, state: &mut State) {
    let number = numbers(payload).first().copied().unwrap_or_default();
    match name {
        "Count" => {
            state.wrong += u64::from(number != state.last + 1);
            state.count += 1;
            state.last = number;
        }
        "Timer" => state.due = clock::now() + number * MILLISECOND,
        "Report" => {
            let numbers = [("count", state.count), ("last", state.last), ("wrong", state.wrong)];
            let mut fields = vec![("version", version())];
            fields.extend(numbers.map(|(name, number)| (name, number.to_string())));
            send("report", &fields);
        }
        "octoprint_started" => send("started", &[]),
        "Fail" => panic!("as the test asked"),
        _ => {}
    }
}

struct Counter;

impl bindings::Guest for Counter {
    fn on_event(name: String, payload: String) -> Result<Option<u64>, String> {
        let calls = CALLS.with_borrow_mut(|calls| {
            *calls += 1;
            *calls
        });
        STATE.with_borrow_mut(|state| {
            handle(&name, &payload, state);
            if version() == "slow-event" {
                let end = clock::now() + 1_000_000_000;
                while clock::now() < end {}
            }
            // After sending and counting: neither may have an effect.
            fail_in("event");
            if calls == 3 {
                fail_in("third-event");
            }
            Ok(Some(state.due).filter(|due| *due > 0))
        })
    }

    fn on_tick(_: Vec<String>) -> Result<Option<u64>, String> {
        fail_in("tick");
        STATE.with_borrow_mut(|state| {
            if state.due > 0 && clock::now() >= state.due {
                state.due = 0;
                send("timer", &[("version", version())]);
            }
            Ok(Some(state.due).filter(|due| *due > 0))
        })
    }
}

impl settings::Guest for Counter {
    fn schema() -> String {
        fail_in("schema");
        "{}".into()
    }

    fn load(document: String) -> Result<(), String> {
        fail_in("load");
        if version() == "refuse-off" && document.contains("\"enabled\": false") {
            return Err("it refuses to be switched off".into());
        }
        if version() == "refuse-settings" { Err("it never likes them".into()) } else { Ok(()) }
    }
}

impl handover::Guest for Counter {
    fn save() -> String {
        fail_in("save");
        let State { count, last, wrong, due } = STATE.with_borrow(|state| *state);
        if version() == "garbage" {
            return "\u{0}\"{".into();
        }
        // In whole milliseconds, as the clock counts.
        let left = if due > 0 { (due.saturating_sub(clock::now()) / MILLISECOND).max(1) } else { 0 };
        format!("{{\"count\":{count},\"last\":{last},\"wrong\":{wrong},\"left\":{left}}}")
    }

    fn restore(_: Vec<handover::Heard>, state: String, age_ms: u64) -> Result<(), String> {
        fail_in("restore");
        // The host writes it anew: what did not fit is missing.
        let kept =
            |name: &str| state.split(&format!("\"{name}\":")).nth(1).and_then(|rest| numbers(rest).first().copied());
        let [count, last, wrong, left] = ["count", "last", "wrong", "left"].map(|name| kept(name).unwrap_or_default());
        let due = if left > 0 { clock::now() + left.saturating_sub(age_ms).max(1) * MILLISECOND } else { 0 };
        STATE.set(State { count, last, wrong, due });
        Ok(())
    }
}

bindings::export!(Counter with_types_in bindings);
