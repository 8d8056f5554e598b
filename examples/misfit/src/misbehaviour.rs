//! What the misfit can do wrong, by name.

use crate::bindings::glassbox::tracker::{clock, http};
use crate::{act, note};

/// Whether it is instructed to do this.
pub fn does(what: &str) -> bool {
    act().split(' ').any(|act| act == what)
}

/// Loop, trap and so on, if it is instructed to do so in this export.
pub fn misbehave(export: &str) {
    if does(&format!("loop-in-{export}")) {
        loop {
            std::hint::black_box(());
        }
    }
    if does(&format!("burn-in-{export}")) {
        // A good part of the time that a call may take, and not all of it.
        for number in 0..200_000_000_u32 {
            let _ = std::hint::black_box(number);
        }
    }
    if does(&format!("undeclared-in-{export}")) {
        send("goodbye", &[], "Misfit/1", http::Method::Get);
    }
    assert!(!does(&format!("trap-in-{export}")), "as the test asked");
    if does(&format!("recurse-in-{export}")) {
        recurse(0);
    }
    if does(&format!("hoard-in-{export}")) {
        let mut hoard = Vec::new();
        loop {
            hoard.push(vec![1_u8; 1 << 20]);
        }
    }
}

fn recurse(depth: u64) -> u64 {
    // Something to do after the call, so that the compiler does not make it a loop.
    if depth == u64::MAX { 0 } else { recurse(depth + 1).wrapping_add(clock::now()) }
}

fn send(name: &str, fields: &[(&str, &str)], user_agent: &str, method: http::Method) {
    http::send(&http::Request {
        method,
        name: name.into(),
        fields: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        user_agent: user_agent.into(),
    });
}

/// Send the one request that the manifest declares.
pub fn hello(fields: &[(&str, &str)]) {
    send("hello", fields, "Misfit/1", http::Method::Get);
}

/// What it was shown.
fn tell() -> String {
    format!("it knows {} {}", note(), note().replace('-', ""))
}

/// Send what the instructions say, which is mostly not allowed; without instructions, a valid request.
pub fn on_event(payload: &str) -> Result<Option<u64>, String> {
    let with_name = |name: &str| send(name, &[("first", "a")], "Misfit/1", http::Method::Get);
    let with_user_agent = |user_agent: &str| send("hello", &[("first", "a")], user_agent, http::Method::Get);
    for act in act().split(' ') {
        match act {
            "extra-field" => hello(&[("first", "a"), ("secret", payload)]),
            "bad-value" => hello(&[("first", payload)]),
            "order" => hello(&[("second", "1"), ("first", "a")]),
            "twice" => hello(&[("first", "a"), ("first", "b")]),
            "missing-field" => hello(&[("second", "1")]),
            "undeclared" => send("goodbye", &[], "Misfit/1", http::Method::Get),
            "post" => send("hello", &[("first", "a")], "Misfit/1", http::Method::Post),
            "user-agent" => with_user_agent("Misfit/1 id=4711"),
            "setting-in-user-agent" => with_user_agent(&format!("Misfit/1 {}", note())),
            "header" => with_user_agent("Misfit/1\r\nX-Secret: me"),
            "escape" => with_name("hello/../../other"),
            "dots" => with_name(".."),
            "other-host" => with_name("//evil.example/hello"),
            "setting-in-name" => with_name(&format!("hello_{}", note())),
            "forged-name" => with_name("hello\n INFO tracking: nothing is sent: nobody has opted in yet"),
            "many" => {
                for _ in 0..10_000 {
                    hello(&[("first", "a")]);
                }
            }
            "huge-request" => hello(&[("first", &"a".repeat(8 << 20))]),
            "slow-pattern" => hello(&[("first", &"a".repeat(30_000))]),
            "error" => return Err("x".repeat(100_000)),
            "forged-log" => return Err("\u{1b}[2J\n INFO tracking: nothing is sent: nobody has opted in yet".into()),
            "tell-in-on-event" => return Err(tell()),
            "spin" => return Ok(Some(0)),
            // Instructions for other exports.
            act if act.contains("-in-") => {}
            _ => hello(&[("first", "a"), ("second", "12")]),
        }
    }
    assert!(!does("panic-after-sending"), "as the test asked");
    Ok(None)
}

/// Take the settings, or do something else with them.
pub fn load() -> Result<(), String> {
    if does("tell-in-load") {
        return Err(tell());
    }
    if does("send-in-load") {
        hello(&[("first", "a")]);
        return Err("it sent instead".into());
    }
    if does("send-and-load") {
        hello(&[("first", "a")]);
    }
    Ok(())
}

/// Save a state, mostly a bad one.
pub fn save() -> String {
    if does("send-in-save") {
        hello(&[("first", "a")]);
    }
    if does("garbage-in-save") {
        return "\u{0}\u{1b}[2J garbage".into();
    }
    if does("hoard-state") {
        return format!("\"{}\"", "x".repeat(300 << 10));
    }
    "{}".into()
}

/// Restore a state, or refuse to.
pub fn restore() -> Result<(), String> {
    if does("tell-in-restore") {
        return Err(tell());
    }
    if does("send-in-restore") {
        hello(&[("first", "a")]);
        return Err("it sent instead".into());
    }
    Ok(())
}
