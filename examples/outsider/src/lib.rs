//! A tracker in all but one thing: it asks for random bytes of WASI, which are not in the contract, so that no host
//! loads it. For tests; not an example to follow.
#![cfg(target_family = "wasm")] // natively there is no host to link with
#![allow(unsafe_code)] // what wit-bindgen's `export!` expands to

#[allow(missing_docs, clippy::all)] // generated
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "tracker" });
}

use bindings::exports::glassbox::tracker::{handover, settings};

struct Outsider;

impl bindings::Guest for Outsider {
    fn on_event(_: String, _: String) -> Result<Option<u64>, String> {
        Err(format!("a secret of its own: {}", wasi::random::random::get_random_u64()))
    }

    fn on_tick(_: Vec<String>) -> Result<Option<u64>, String> {
        Ok(None)
    }
}

impl settings::Guest for Outsider {
    fn schema() -> String {
        "{}".into()
    }

    fn load(_: String) -> Result<(), String> {
        Ok(())
    }
}

impl handover::Guest for Outsider {
    fn save() -> String {
        "{}".into()
    }

    fn restore(_: Vec<handover::Heard>, _: String, _: u64) -> Result<(), String> {
        Ok(())
    }
}

bindings::export!(Outsider with_types_in bindings);
