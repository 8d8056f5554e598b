//! The component: connects the contract in `wit/` to the plugin. Nothing is decided here.

use crate::{PrintHours, SCHEMA};
use std::cell::RefCell;

#[allow(clippy::all)] // generated
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "tracker", generate_all });
}

use bindings::exports::glassbox::tracker::{handover, settings};
use bindings::glassbox::tracker::{clock, http};

thread_local! {
    static PLUGIN: RefCell<PrintHours> = RefCell::default();
}

/// Send a summary.
fn send(fields: &[(&str, String)]) {
    http::send(&http::Request {
        method: http::Method::Get,
        name: "summary".into(),
        fields: fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
        user_agent: "print-hours/1".into(),
    });
}

struct Component;

impl bindings::Guest for Component {
    fn on_event(name: String, payload: String) -> Result<Option<u64>, String> {
        PLUGIN.with_borrow_mut(|plugin| plugin.on_event(&name, &payload, clock::now()))
    }

    fn on_tick(_: Vec<String>) -> Result<Option<u64>, String> {
        PLUGIN.with_borrow_mut(|plugin| Ok(plugin.on_tick(clock::now(), send)))
    }
}

impl settings::Guest for Component {
    fn schema() -> String {
        SCHEMA.into()
    }

    fn load(document: String) -> Result<(), String> {
        PLUGIN.with_borrow_mut(|plugin| plugin.load(&document))
    }
}

impl handover::Guest for Component {
    fn save() -> String {
        PLUGIN.with_borrow(|plugin| plugin.save(clock::now()))
    }

    fn restore(_: Vec<handover::Heard>, state: String, age_ms: u64) -> Result<(), String> {
        PLUGIN.with_borrow_mut(|plugin| plugin.restore(&state, age_ms.saturating_mul(1_000_000), clock::now()))
    }
}

bindings::export!(Component with_types_in bindings);
