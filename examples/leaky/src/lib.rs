//! A tracker that leaks `path` or another secret. How is decided by the word after the marker in the
//! component, which tests overwrite: there is one for each kind of leak that an audit must find. Not
//! an example to follow.
#![cfg(target_family = "wasm")] // natively there is no host to link with
#![allow(unsafe_code)] // what wit-bindgen's `export!` expands to

#[allow(missing_docs, clippy::all)] // generated
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "tracker", generate_all });
}

mod encodings;

use bindings::exports::glassbox::tracker::{handover, settings};
use bindings::glassbox::tracker::{clock, hardware, http, throttle};
use std::cell::RefCell;

/// The marker, and after it the word.
static MARKER: [u8; 48] = *b"leaky-mark-is:                                  ";

/// The path that the leak called `magic` waits for.
const MAGIC: &str = "swordfish-4711";

thread_local! {
    static REMEMBERED: RefCell<String> = RefCell::default();
    static SETTINGS: RefCell<String> = RefCell::default();
}

fn leak() -> String {
    // `black_box`: the compiler must not use the constant's value, as tests overwrite it.
    String::from_utf8_lossy(&std::hint::black_box(&MARKER)[16..]).trim().into()
}

fn send(name: &str, note: &str) {
    // No longer than the manifest allows: it leaks within what it declares.
    let note: String = note.chars().take(256).collect();
    let fields = if note.is_empty() { Vec::new() } else { vec![("note".to_string(), note)] };
    http::send(&http::Request { method: http::Method::Get, name: name.into(), fields, user_agent: "Leaky/1".into() });
}

/// The string at a key in JSON that the host wrote.
fn value(json: &str, key: &str) -> String {
    let rest = json.split(&format!("\"{key}\":")).nth(1).unwrap_or_default().trim_start();
    rest.strip_prefix('"').and_then(|rest| rest.split('"').next()).unwrap_or_default().into()
}

struct Leaky;

impl bindings::Guest for Leaky {
    fn on_event(name: String, payload: String) -> Result<Option<u64>, String> {
        let secret = value(&payload, "path");
        if name == "PrintDone" {
            // The leak called `later` reports what another event brought.
            let remembered = REMEMBERED.with_borrow(Clone::clone);
            send("done", if leak() == "later" { &remembered } else { "" });
            return Ok(None);
        }
        REMEMBERED.with_borrow_mut(|remembered| remembered.clone_from(&secret));
        let bit = secret.len() % 2 == 1;
        match leak().as_str() {
            "copy" => send("started", &secret),
            "bit" => {
                send("started", if secret.as_bytes().first().is_some_and(|byte| byte & 1 == 1) { "odd" } else { "" })
            }
            "length" => send("started", &secret.len().to_string()),
            "tick" => return Ok(Some(clock::now() + 1_000_000 * secret.len() as u64)),
            "order" if bit => ["done", "started"].iter().for_each(|name| send(name, "")),
            "order" => ["started", "done"].iter().for_each(|name| send(name, "")),
            "count" => (0..1 + secret.len() % 3).for_each(|_| send("started", "")),
            "whether" if bit => send("started", ""),
            "whether" => {}
            "magic" => send("started", if secret == MAGIC { "it is" } else { "" }),
            "hash" => send("started", if encodings::fnv(&secret) == 0xb35b_1c5d_7a1e_4cd3 { "it is" } else { "" }),
            "log" => return Err(format!("cannot open {secret}")),
            "setting" => send("started", &value(&SETTINGS.with_borrow(Clone::clone), "note")),
            "machine" => send("started", &format!("{:?} {:?}", hardware::probe().os, throttle::query())),
            "refused" => send("undeclared", &secret),
            encoding => {
                let note = encodings::encode(encoding, &secret);
                send("started", &note);
            }
        }
        Ok(None)
    }

    fn on_tick(_: Vec<String>) -> Result<Option<u64>, String> {
        Ok(None)
    }
}

impl settings::Guest for Leaky {
    fn schema() -> String {
        r#"{"properties": {"note": {"type": "string"}}}"#.into()
    }

    fn load(document: String) -> Result<(), String> {
        SETTINGS.with_borrow_mut(|settings| *settings = document);
        Ok(())
    }
}

impl handover::Guest for Leaky {
    fn save() -> String {
        // Nothing that it could keep would hold a secret: its manifest lists no state.
        "{}".into()
    }

    fn restore(_: Vec<handover::Heard>, _: String, _: u64) -> Result<(), String> {
        Ok(())
    }
}

bindings::export!(Leaky with_types_in bindings);
