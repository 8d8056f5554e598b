//! A tracker whose strings somebody else pulls: the core of the bundled one, of which what it sends, returns and hands
//! over is bent as a script says (`script.rs`, `bend.rs`). It carries the bundled tracker's manifest, so that it needs no
//! grant where that one was granted. Nothing here is an example to follow.
#![cfg(target_family = "wasm")] // natively there is no host to link with
#![allow(unsafe_code)] // what wit-bindgen's `export!` expands to

mod bend;
mod script;

// The tracker's own sources, all but its glue: two components cannot be linked into one.
#[path = "../../../guest/src/capabilities.rs"]
mod capabilities;
#[path = "../../../guest/src/context.rs"]
mod context;
#[path = "../../../guest/src/environment.rs"]
mod environment;
#[path = "../../../guest/src/events/mod.rs"]
mod events;
#[path = "../../../guest/src/fields.rs"]
mod fields;
#[path = "../../../host/sandbox/src/python.rs"]
mod python;
#[path = "../../../guest/src/settings.rs"]
mod settings;
#[path = "../../../guest/src/state.rs"]
mod state;
#[path = "../../../guest/src/throttling.rs"]
mod throttling;
#[path = "../../../guest/src/tracker.rs"]
mod tracker;

#[allow(missing_docs, clippy::all)] // generated
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "tracker", generate_all });
}

use bindings::exports::glassbox::tracker::{handover, settings as contract};
use bindings::glassbox::tracker::{clock, hardware, http, throttle};
use capabilities::{Capabilities, Machine, Method, Report};
use script::{Seen, script};
use std::cell::RefCell;
use tracker::{Heard, Tracker};

thread_local! {
    static TRACKER: RefCell<Tracker> = RefCell::default();
    /// What the honest tracker would send in this call.
    static HONEST: RefCell<Vec<http::Request>> = RefCell::default();
    static SEEN: RefCell<Seen> = RefCell::default();
}

/// The component's four imports; what is sent waits until the call's end.
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
        let request = http::Request {
            method: match report.method {
                Method::Get => http::Method::Get,
                Method::Post => http::Method::Post,
            },
            name: report.name.into(),
            fields: report.fields.iter().map(|(name, value)| ((*name).into(), value.to_string())).collect(),
            user_agent: report.user_agent.into(),
        };
        HONEST.with_borrow_mut(|honest| honest.push(request));
    }
}

/// Handle a call as the honest tracker does, and send what becomes of it.
fn call(shown: &str, handle: impl FnOnce()) -> Result<Option<u64>, String> {
    let before = clock::now();
    handle();
    let requests = HONEST.take();
    SEEN.with_borrow_mut(|seen| {
        seen.call(shown, before, clock::now());
        if seen.fires() {
            bend::bend(requests, seen).iter().for_each(http::send);
            return bend::answer(seen);
        }
        requests.iter().for_each(http::send);
        seen.sent_before(requests);
        Ok(None)
    })
}

struct Puppet;

impl bindings::Guest for Puppet {
    fn on_event(name: String, payload: String) -> Result<Option<u64>, String> {
        SEEN.with_borrow_mut(|seen| {
            seen.events += 1;
            if name == "octoprint_started" {
                seen.started = clock::now();
            }
        });
        call(&payload, || {
            // The honest tracker has an error only for a payload that is not JSON.
            let _ = TRACKER.with_borrow_mut(|tracker| tracker.on_event(&name, &payload, &Host));
        })
    }

    fn on_tick(due: Vec<String>) -> Result<Option<u64>, String> {
        call("", || TRACKER.with_borrow_mut(|tracker| tracker.on_tick(&due, &Host)))
    }
}

impl contract::Guest for Puppet {
    fn schema() -> String {
        settings::SCHEMA.into()
    }

    fn load(document: String) -> Result<(), String> {
        SEEN.with_borrow_mut(|seen| seen.load(&document, clock::now()));
        if script().bend == "load-text" {
            return Err(bend::long_text(&document));
        }
        TRACKER.with_borrow_mut(|tracker| tracker.load(&document))
    }
}

impl handover::Guest for Puppet {
    fn save() -> String {
        match script().bend {
            "slow-save" => bend::work(),
            "fail-save" => panic!("as the test asked"),
            _ => {}
        }
        SEEN.with_borrow(|seen| bend::state(seen)).unwrap_or_else(|| TRACKER.with_borrow(Tracker::save))
    }

    fn restore(heard: Vec<handover::Heard>, state: String, age_ms: u64) -> Result<(), String> {
        let heard = heard.into_iter().map(|handover::Heard { name, payload, age_ms }| Heard { name, payload, age_ms });
        let heard: Vec<_> = heard.collect();
        SEEN.with_borrow_mut(|seen| seen.restore(&heard, &state, age_ms, clock::now()));
        TRACKER.with_borrow_mut(|tracker| tracker.restore(&heard, &state, &Host))?;
        match script().bend {
            "restore-text" => Err(bend::long_text(&state)),
            _ => Ok(()),
        }
    }
}

bindings::export!(Puppet with_types_in bindings);
