//! Any bytes as a stream of events, as a file or a pipe brings them.
#![no_main]

#[path = "../../../host/src/sources/jsonl/lines.rs"]
mod lines;

use glassbox_util::json::repaired;
use libfuzzer_sys::fuzz_target;
use lines::{JsonLine, LINE, Lines, parse};
use serde_json::Value;
use std::io::BufReader;

/// In a short input this byte stands for many, if it is the first as well: lines beyond the limit come
/// from few and small inputs, as they are slow.
const MANY: u8 = 0xff;
const SHORT: usize = 48;
const HOW_MANY: usize = LINE / 2;

/// So many bytes come at once: line feeds fall into all places of a buffer.
const BUFFERS: [usize; 4] = [1, 7, 64, 8192];

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let text = if *first == MANY && data.len() <= SHORT { swollen(rest) } else { rest.to_vec() };
    // A byte at a time takes long.
    let small = BUFFERS[usize::from(*first) % BUFFERS.len()];
    let buffer = if text.len() > 1 << 16 { 8192 } else { small };

    let lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line));
    let mut found = Lines::new(BufReader::with_capacity(buffer, text.as_slice()));
    for (number, line) in (1..).zip(lines) {
        if line.len() <= LINE && line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let next = found.next_line().unwrap().expect("every line is reported");
        if line.len() > LINE {
            assert!(matches!(&next, JsonLine::Bad(at, reason) if *at == number && reason.contains("longer than")));
            continue;
        }
        match parse(line) {
            Err(reason) => assert_eq!(next, JsonLine::Bad(number, reason)),
            Ok((event, payload)) => {
                is_in(line, &event, &payload);
                assert_eq!(next, JsonLine::Event(event, payload));
            }
        }
        // Once for what is so long.
        if line.len() < HOW_MANY {
            agrees(line);
        }
    }
    assert_eq!(found.next_line().unwrap(), None);
    assert_eq!(found.next_line().unwrap(), None);
});

/// What was read is what is in the line, and can be read on.
fn is_in(line: &[u8], event: &str, payload: &str) {
    let text = repaired(line);
    assert!(text.len() <= 6 * line.len(), "it costs no more than itself, some times over");
    assert!(payload == "null" || text.contains(payload), "the payload is as it was written");
    assert_eq!(payload.trim(), payload);
    assert!(!payload.contains('\n'), "it stays one line");
    serde_json::from_str::<serde::de::IgnoredAny>(payload).expect("a payload is JSON");
    assert!(event.len() <= text.len());
}

/// Another reader of JSON says the same, as far as it goes: it knows no depth beyond 128, and takes
/// the last of keys that are there twice.
fn agrees(line: &[u8]) {
    let whole = serde_json::from_str::<Value>(&repaired(line));
    match (parse(line), whole) {
        (Ok((event, payload)), Ok(whole)) => {
            assert_eq!(whole.get("event").and_then(Value::as_str), Some(event.as_str()));
            let payload: Value = serde_json::from_str(&payload).expect("less deep than the whole");
            assert_eq!(whole.get("payload").unwrap_or(&Value::Null), &payload);
        }
        (Ok(_), Err(error)) => {
            assert!(error.to_string().contains("recursion limit"), "{error}");
        }
        (Err(reason), Ok(whole)) => assert!(!whole.get("event").is_some_and(Value::is_string), "{reason}"),
        (Err(_), Err(_)) => {}
    }
}

fn swollen(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut left = 3;
    for byte in data {
        if *byte == MANY && left > 0 {
            left -= 1;
            out.resize(out.len() + HOW_MANY, b' ');
        } else {
            out.push(*byte);
        }
    }
    out
}
