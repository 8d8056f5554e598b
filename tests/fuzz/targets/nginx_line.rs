//! Any line of a log that `import` reads, and lines that nginx would write of any request.
#![no_main]

#[allow(dead_code)] // what an operator is told
#[path = "../../../host/collector/src/import/nginx.rs"]
mod nginx;

use glassbox_collector::door::{Door, Incoming, OCTOPRINT};
use libfuzzer_sys::fuzz_target;
use nginx::Line;
use std::fmt::Write;
use std::sync::LazyLock;

static DOOR: LazyLock<Door> = LazyLock::new(|| Door::new(OCTOPRINT).expect("it is ours"));

// In capitals, the rest is a request: its target, body and user agent, each on a line.
fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    if first.is_ascii_uppercase() { written(*first, rest) } else { any(rest) }
});

fn any(text: &[u8]) {
    let found = Line::parse(text);
    assert_eq!(found, Line::parse(text), "the same again");
    let Ok(line) = found else { return };
    assert!(line.path.starts_with("/track/") && !line.path.contains('?'));
    let parts = [line.path.len(), line.query.len(), line.body.len(), line.user_agent.len()];
    assert!(parts.iter().sum::<usize>() <= text.len(), "nothing grows");
    let form = if line.is_post { &line.body[..] } else { line.query.as_bytes() };
    let _ = DOOR.take(&Incoming { path: &line.path, form, user_agent: &line.user_agent });
}

/// What nginx writes of a request is read back as it was.
fn written(first: u8, data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let [target, body, user_agent] = [(); 3].map(|()| parts.next().unwrap_or_default());
    // A target ends at the first blank.
    let target = String::from_utf8_lossy(target).replace(' ', "%20");
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let is_post = first % 2 == 0;
    let (method, body_field) =
        (if is_post { "POST" } else { "GET" }, if body.is_empty() { "-".into() } else { escaped(body) });
    let line = format!(
        "192.0.2.{first} [26/Nov/2026:18:00:{:02} +0100] \"{method} /track/{} HTTP/1.1\" 204 0 \"{body_field}\" \"{}\"",
        first % 60,
        escaped(target.as_bytes()),
        escaped(user_agent)
    );
    let expected = Line {
        address: format!("192.0.2.{first}").parse().ok(),
        at: format!("2026-11-26T17:00:{:02}Z", first % 60).parse().expect("a time"),
        is_post,
        path: format!("/track/{path}"),
        query: query.into(),
        // A dash is what nginx writes of no body.
        body: if body == b"-" { Vec::new() } else { body.into() },
        user_agent: user_agent.into(),
    };
    assert_eq!(Line::parse(line.as_bytes()), Ok(expected), "{line}");
}

/// As nginx escapes what it logs.
fn escaped(text: &[u8]) -> String {
    text.iter().fold(String::new(), |mut out, byte| {
        match byte {
            b'"' | b'\\' | 0..0x20 | 0x7f.. => write!(out, "\\x{byte:02X}").expect("into a text"),
            _ => out.push(char::from(*byte)),
        }
        out
    })
}
