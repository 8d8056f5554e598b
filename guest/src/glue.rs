//! The component: connects the contract in `wit/` to the core. Nothing is decided here.

#![allow(unsafe_code)] // what wit-bindgen's `export!` expands to

use crate::capabilities::{Capabilities, Machine, Method, Report};
use crate::settings::SCHEMA;
use crate::tracker::{Heard, Tracker};
use std::cell::RefCell;

#[allow(missing_docs, clippy::all)] // generated
mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "tracker",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

use bindings::exports::glassbox::tracker::{handover, settings};
use bindings::glassbox::tracker::{clock, hardware, http, throttle};

thread_local! {
    static TRACKER: RefCell<Tracker> = RefCell::default();
}

/// The component's four imports.
struct Host;

impl Capabilities for Host {
    fn now(&self) -> u64 {
        clock::now()
    }

    fn machine(&self) -> Machine {
        let machine = hardware::probe();
        Machine {
            os: machine.os,
            platform: machine.platform,
            bits: machine.bits,
            cores: machine.cores,
            frequency_mhz: machine.frequency_mhz,
            memory_bytes: machine.memory_bytes,
            pi_model: machine.pi_model,
            octopi_version: machine.octopi_version,
            octopiuptodate_build: machine.octopiuptodate_build,
        }
    }

    fn throttled(&self) -> Option<u32> {
        throttle::query()
    }

    fn send(&self, report: Report) {
        let fields: Vec<_> = report.fields.iter().map(|(name, value)| (*name, &**value)).collect();
        let request = http::Request {
            method: match report.method {
                Method::Get => http::Method::Get,
                Method::Post => http::Method::Post,
            },
            name: report.name,
            fields: &fields,
            user_agent: report.user_agent,
        };
        http::send(request);
    }
}

#[global_allocator]
static ALLOCATOR: crate::allocator::Allocator = crate::allocator::Allocator::new();

struct Component;

impl bindings::Guest for Component {
    fn on_event(name: String, payload: String) -> Result<Option<u64>, String> {
        TRACKER.with_borrow_mut(|tracker| tracker.on_event(&name, &payload, &Host))?;
        Ok(None)
    }

    fn on_tick(due: Vec<String>) -> Result<Option<u64>, String> {
        TRACKER.with_borrow_mut(|tracker| tracker.on_tick(&due, &Host));
        Ok(None)
    }
}

impl settings::Guest for Component {
    fn schema() -> String {
        SCHEMA.into()
    }

    fn load(document: String) -> Result<(), String> {
        TRACKER.with_borrow_mut(|tracker| tracker.load(&document))
    }
}

impl handover::Guest for Component {
    fn save() -> String {
        TRACKER.with_borrow(Tracker::save)
    }

    fn restore(heard: Vec<handover::Heard>, state: String, _age_ms: u64) -> Result<(), String> {
        let heard = heard.into_iter().map(|handover::Heard { name, payload, age_ms }| Heard { name, payload, age_ms });
        let heard: Vec<_> = heard.collect();
        TRACKER.with_borrow_mut(|tracker| tracker.restore(&heard, &state, &Host))
    }
}

bindings::export!(Component with_types_in bindings);
