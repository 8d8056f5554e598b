//! A tracker that misbehaves, for tests: its settings' text names, in `act=..`, what it does when it
//! sees an event. Not an example to follow.
#![cfg(target_family = "wasm")] // elsewhere there is no host to link with
#![allow(unsafe_code)] // what wit-bindgen's `export!` expands to

#[allow(missing_docs, clippy::all)] // generated
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "tracker", generate_all });
}

use bindings::exports::glassbox::tracker::{handover, settings};
use bindings::glassbox::tracker::{clock, http};
use std::cell::RefCell;

thread_local! {
    static ACT: RefCell<String> = const { RefCell::new(String::new()) };
}

fn act() -> String {
    ACT.with_borrow(Clone::clone)
}

fn send(name: &str, fields: &[(&str, &str)], user_agent: &str, method: http::Method) -> Result<(), http::Refusal> {
    http::send(&http::Request {
        method,
        name: name.into(),
        fields: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        user_agent: user_agent.into(),
    })
}

fn hello(fields: &[(&str, &str)]) -> Result<(), http::Refusal> {
    send("hello", fields, "Misfit/1", http::Method::Get)
}

fn recurse(depth: u64) -> u64 {
    // Something to do after the call, so that it is no loop.
    if depth == u64::MAX { 0 } else { recurse(depth + 1).wrapping_add(clock::now()) }
}

struct Misfit;

impl bindings::Guest for Misfit {
    fn on_event(_: String, payload: String) -> Result<Option<u64>, String> {
        let refused = match act().as_str() {
            "extra-field" => hello(&[("first", "a"), ("secret", &payload)]),
            "bad-value" => hello(&[("first", &payload)]),
            "order" => hello(&[("second", "1"), ("first", "a")]),
            "twice" => hello(&[("first", "a"), ("first", "b")]),
            "missing-field" => hello(&[("second", "1")]),
            "undeclared" => send("goodbye", &[], "Misfit/1", http::Method::Get),
            "post" => send("hello", &[("first", "a")], "Misfit/1", http::Method::Post),
            "user-agent" => send("hello", &[("first", "a")], "Misfit/1 id=4711", http::Method::Get),
            "escape" => send("hello/../../other", &[("first", "a")], "Misfit/1", http::Method::Get),
            "many" => {
                for _ in 0..10_000 {
                    let _ = hello(&[("first", "a")]);
                }
                Ok(())
            }
            "panic-after-sending" => {
                let _ = hello(&[("first", "a")]);
                panic!("as it was told to")
            }
            "loop" => loop {
                std::hint::black_box(());
            },
            "recurse" => return Ok(Some(recurse(0))),
            "bomb" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(vec![1_u8; 1 << 20]);
                }
            }
            "huge-request" => hello(&[("first", &"a".repeat(8 << 20))]),
            "error" => return Err("x".repeat(100_000)),
            "spin" => return Ok(Some(0)),
            _ => hello(&[("first", "a"), ("second", "12")]),
        };
        refused.map(|()| None).map_err(|refusal| format!("refused: {}", refusal.name()))
    }

    fn on_tick() -> Result<Option<u64>, String> {
        Ok(if act() == "spin" { Some(0) } else { None })
    }
}

impl settings::Guest for Misfit {
    fn schema() -> String {
        "{}".into()
    }

    fn load(document: String) -> Result<String, String> {
        let named = document.split("\"act\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        ACT.set(named.into());
        if named == "send-in-load" {
            return Err(format!("{:?}", hello(&[("first", "a")]).map_err(|refusal| refusal.name())));
        }
        Ok(if named == "meddle" {
            r#"{"enabled": true, "unique_id": "changed", "server": "http://evil.example/{id}/{event}", "events": {"hello": true}, "added": 1}"#
        } else {
            "{}"
        }
        .into())
    }
}

impl handover::Guest for Misfit {
    fn save() -> String {
        if act() == "send-in-save" {
            let refusal = hello(&[("first", "a")]).err();
            return format!("{:?}", refusal.map_or("sent", |refusal| refusal.name()));
        }
        "{}".into()
    }

    fn restore(_: String, _: u64) -> Result<(), String> {
        Ok(())
    }
}

bindings::export!(Misfit with_types_in bindings);
