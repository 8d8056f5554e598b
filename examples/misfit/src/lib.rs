//! A tracker that misbehaves, for tests: its settings' text names, in `act=..`, what it does; where
//! there are no settings yet, a word that tests write over its mark. Not an example to follow.
#![cfg(target_family = "wasm")] // elsewhere there is no host to link with
#![allow(unsafe_code)] // what wit-bindgen's `export!` expands to

#[allow(missing_docs, clippy::all)] // generated
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "tracker", generate_all });
}

mod acts;

use acts::{does, hello, misbehave};
use bindings::exports::glassbox::tracker::{handover, settings};
use std::cell::RefCell;

/// The mark, and after it the word.
static MARK: [u8; 48] = *b"misfit-mark-is:                                 ";

#[derive(Default)]
struct Told {
    act: String,
    id: String,
}

thread_local! {
    static TOLD: RefCell<Told> = RefCell::default();
}

/// What to do: words with a space between them.
fn act() -> String {
    let act = TOLD.with_borrow(|told| told.act.clone());
    if act.is_empty() {
        // Not folded into the code: tests write over it.
        return String::from_utf8_lossy(&std::hint::black_box(&MARK)[16..]).trim().into();
    }
    act
}

fn id() -> String {
    TOLD.with_borrow(|told| told.id.clone())
}

/// The value of a key in the settings, as the host writes them.
fn value(document: &str, key: &str) -> String {
    let rest = document.split(&format!("\"{key}\": \"")).nth(1);
    rest.and_then(|rest| rest.split('"').next()).unwrap_or_default().into()
}

struct Misfit;

impl bindings::Guest for Misfit {
    fn on_event(_: String, payload: String) -> Result<Option<u64>, String> {
        misbehave("on-event");
        acts::on_event(&payload)
    }

    fn on_tick() -> Result<Option<u64>, String> {
        misbehave("on-tick");
        Ok(if does("spin") { Some(0) } else { None })
    }
}

impl settings::Guest for Misfit {
    fn schema() -> String {
        misbehave("schema");
        if does("send-in-schema") {
            let _ = hello(&[("first", "a")]);
        }
        "{}".into()
    }

    fn load(document: String) -> Result<String, String> {
        let (act, id) = (value(&document, "act"), value(&document, "unique_id"));
        TOLD.with_borrow_mut(|told| *told = Told { act, id });
        misbehave("load");
        acts::load()
    }
}

impl handover::Guest for Misfit {
    fn save() -> String {
        misbehave("save");
        acts::save()
    }

    fn restore(_: String, _: u64) -> Result<(), String> {
        misbehave("restore");
        acts::restore()
    }
}

bindings::export!(Misfit with_types_in bindings);
