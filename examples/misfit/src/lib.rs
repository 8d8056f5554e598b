//! A tracker that misbehaves, for tests. How is decided by `act` in its settings; before it has any,
//! by the word after the marker in the component, which tests overwrite. Not an example to follow.
#![cfg(target_family = "wasm")] // natively there is no host to link with
#![allow(unsafe_code)] // what wit-bindgen's `export!` expands to

#[allow(missing_docs, clippy::all)] // generated
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "tracker", generate_all });
}

mod misbehaviour;

use bindings::exports::glassbox::tracker::{handover, settings};
use misbehaviour::{does, hello, misbehave};
use std::cell::RefCell;

/// The marker, and after it the word.
static MARKER: [u8; 48] = *b"misfit-mark-is:                                 ";

#[derive(Default)]
struct Instructions {
    act: String,
    note: String,
}

thread_local! {
    static INSTRUCTIONS: RefCell<Instructions> = RefCell::default();
}

/// What to do: words separated by spaces.
fn act() -> String {
    let act = INSTRUCTIONS.with_borrow(|instructions| instructions.act.clone());
    if act.is_empty() {
        // `black_box`: the compiler must not use the constant's value, as tests overwrite it.
        return String::from_utf8_lossy(&std::hint::black_box(&MARKER)[16..]).trim().into();
    }
    act
}

/// A setting that it was shown, and should keep to itself.
fn note() -> String {
    INSTRUCTIONS.with_borrow(|instructions| instructions.note.clone())
}

/// The string at a key in the settings, as the host writes them.
fn value(document: &str, key: &str) -> String {
    let rest = document.split(&format!("\"{key}\": \"")).nth(1);
    rest.and_then(|rest| rest.split('"').next()).unwrap_or_default().into()
}

struct Misfit;

impl bindings::Guest for Misfit {
    fn on_event(_: String, payload: String) -> Result<Option<u64>, String> {
        misbehave("on-event");
        misbehaviour::on_event(&payload)
    }

    fn on_tick(_: Vec<String>) -> Result<Option<u64>, String> {
        misbehave("on-tick");
        Ok(if does("spin") { Some(0) } else { None })
    }
}

impl settings::Guest for Misfit {
    fn schema() -> String {
        misbehave("schema");
        if does("send-in-schema") {
            hello(&[("first", "a")]);
        }
        // Without "act": an audit would set it to something of its own.
        r#"{"properties": {"enabled": {}, "events": {}, "note": {}}}"#.into()
    }

    fn load(document: String) -> Result<(), String> {
        let (act, note) = (value(&document, "act"), value(&document, "note"));
        INSTRUCTIONS.with_borrow_mut(|instructions| *instructions = Instructions { act, note });
        misbehave("load");
        misbehaviour::load()
    }
}

impl handover::Guest for Misfit {
    fn save() -> String {
        misbehave("save");
        misbehaviour::save()
    }

    fn restore(_: Vec<handover::Heard>, _: String, _: u64) -> Result<(), String> {
        misbehave("restore");
        misbehaviour::restore()
    }
}

bindings::export!(Misfit with_types_in bindings);
