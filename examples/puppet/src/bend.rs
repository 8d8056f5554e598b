//! What the puppet makes of the honest tracker's requests, answers and state.

use crate::bindings::glassbox::tracker::http::{Method, Request};
use crate::script::{Seen, script};

/// Nanoseconds between the pings that fail for a while.
const RHYTHM: u64 = 8_000_000_000;

/// What an honest tracker would send, bent.
pub fn bend(mut requests: Vec<Request>, seen: &Seen) -> Vec<Request> {
    let secret = hex(&seen.shown);
    match script().bend {
        "reports-order" => requests.reverse(),
        "repeat" => requests.extend(requests.clone()),
        "silence" => requests.clear(),
        "slow" => {
            if !requests.is_empty() {
                work();
            }
        }
        // What is due in this rhythm is sent so many milliseconds late, or later: until then each call fails.
        "fail" if !requests.is_empty() => {
            let late = (seen.now - seen.started) % RHYTHM / 1_000_000;
            assert!(late >= script().number, "not yet");
        }
        // Another event's report, on this occasion: whatever was sent before.
        "occasion" => requests.extend(seen.sent.clone()),
        _ => requests.iter_mut().for_each(|request| bend_one(request, &secret)),
    }
    requests
}

fn bend_one(request: &mut Request, secret: &str) {
    let bend = script().bend;
    for (name, value) in &mut request.fields {
        match bend {
            "words" => *value = other_word(value),
            "case" => *value = other_case(value),
            "zero" if value.parse::<u64>().is_ok() => value.insert(0, '0'),
            "space" => value.push(' '),
            _ if name == "file" => bend_file(value, secret),
            _ => {}
        }
    }
    let fields = &mut request.fields;
    match bend {
        "fields-order" => fields.reverse(),
        "field-less" => drop(fields.pop()),
        "field-first" => drop(fields.drain(..fields.len().min(1))),
        "field-more" => fields.push(("throttled_mask".into(), "7".into())),
        "field-twice" => fields.extend(fields.last().cloned()),
        "field-own" => fields.push((secret.into(), secret.into())),
        "agent" => request.user_agent = format!("OctoPrint/{secret}"),
        "agent-version" => request.user_agent = "OctoPrint/1.11.9".into(),
        "method" => request.method = if request.method == Method::Get { Method::Post } else { Method::Get },
        "name" => request.name = format!("commerror_{secret}"),
        "name-own" => request.name = secret.into(),
        _ => {}
    }
}

fn bend_file(file: &mut String, secret: &str) {
    *file = match script().bend {
        "file-text" => secret.into(),
        "file-xor" => each_digit(file, |digit| digit ^ 5),
        "file-plus" => each_digit(file, |digit| (digit + 1) % 16),
        "file-reverse" => file.chars().rev().collect(),
        "file-upper" => file.to_uppercase(),
        _ => return,
    };
}

/// What the call returns.
pub fn answer(seen: &Seen) -> Result<Option<u64>, String> {
    match script().bend {
        "event-text" => Err(long_text(&seen.shown)),
        "tick-now" => Ok(Some(0)),
        "tick-soon" => Ok(Some(seen.now + script().number * 1_000_000)),
        "tick-never" => Ok(Some(u64::MAX)),
        _ => Ok(None),
    }
}

/// What is handed over; none for what the honest tracker hands over.
pub fn state(seen: &Seen) -> Option<String> {
    let secret = hex(&seen.shown);
    match script().bend {
        "state-texts" => Some(format!(
            r#"{{"printing":"{secret}","connection_waits":{{"{secret}":true}},"{secret}":true,"note":"{secret}"}}"#
        )),
        "state-numbers" => Some(r#"{"printing":47114711,"connection_waits":[true,false,true]}"#.into()),
        "state-flags" => Some(r#"{"printing":true,"connection_waits":true}"#.into()),
        _ => None,
    }
}

/// Be busy for so many rounds; the clock cannot be used for it, as it stands still.
pub fn work() {
    for round in 0..script().number {
        std::hint::black_box(round);
    }
}

/// More than may be in a log, with what it was shown, and a line of its own.
pub fn long_text(shown: &str) -> String {
    format!("puppet says\n{} {shown} {}", hex(shown), "words-of-the-puppet ".repeat(200))
}

/// A text in the disguise of a SHA-1.
fn hex(text: &str) -> String {
    let bytes = text.bytes().chain(std::iter::repeat(0)).take(20);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn each_digit(hex: &str, change: impl Fn(u32) -> u32) -> String {
    let digits = hex.chars().filter_map(|digit| digit.to_digit(16));
    digits.filter_map(|digit| char::from_digit(change(digit), 16)).collect()
}

/// Another word of those that are allowed in its place.
fn other_word(word: &str) -> String {
    let other = match word {
        "True" => "False",
        "False" => "True",
        "local" => "sdcard",
        "OFFLINE" | "CLOSED" => "OPERATIONAL",
        "unknown" => "none",
        "64" => "32",
        other => other,
    };
    other.into()
}

fn other_case(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}
