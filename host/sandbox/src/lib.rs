//! The trusted core of Glassbox: everything that stands between a tracker and the world.
//!
//! What someone must read to believe the box is in this crate and nowhere else: the engine and its limits, the
//! manifest in a component, the policy that its manifest asks for, the gate that every request must pass,
//! and consent. Sources of events, delivery, the command line and the audit depend on it; it depends on none of them.
//!
//! A request passes the gate only if the user said yes and the manifest declares it. No engine is needed to see that:
//!
//! ```
//! use glassbox_sandbox::capabilities::Machine;
//! use glassbox_sandbox::{Cause, Consent, Context, Facts, Manifest, Memory, Method, Policy, Request, Settings, pass};
//!
//! /// What is known of the machine.
//! struct Nothing;
//! impl Facts for Nothing {
//!     fn machine(&self) -> Machine {
//!         Machine::default()
//!     }
//!     fn throttle(&self) -> Option<u32> {
//!         None
//!     }
//! }
//!
//! let manifest = Manifest::parse(
//!     r#"
//!     [plugin]
//!     name = "hours"
//!
//!     [capabilities]
//!     http = { url = "https://stats.example/{id}/{event}", id_setting = "id" }
//!     user_agent = 'hours/[0-9]'
//!
//!     [[says]]
//!     request = "print_done"
//!     method = "GET"
//!     fields = [{ name = "hours", pattern = "[0-9]{1,4}" }]
//!     "#,
//! )?;
//! let policy = Policy::new(manifest)?;
//! let settings = Settings::parse(r#"{"enabled": true, "id": "4711"}"#)?;
//! let consent = Consent::decide(&settings, None);
//!
//! let request = |hours: &str| Request {
//!     method: Method::Get,
//!     name: "print_done".into(),
//!     fields: vec![("hours".into(), hours.into())],
//!     user_agent: "hours/1".into(),
//! };
//! // What was heard and is due: nothing. A report that is pinned would be made of it.
//! let context = Context { cause: &Cause::Tick(vec![]), memory: &Memory::default(), facts: &Nothing, now_ms: 0 };
//! let (outgoing, _) = pass(request("12"), &policy, &settings, consent, Some(&context))?;
//! assert_eq!(outgoing.url, "https://stats.example/4711/print_done");
//! assert_eq!(outgoing.form, "hours=12");
//!
//! let blocked = pass(request("my secret"), &policy, &settings, consent, Some(&context)).unwrap_err();
//! assert_eq!(blocked.reason, "the value of hours does not fit its rule");
//!
//! let blocked = pass(request("12"), &policy, &settings, Consent::Undecided, Some(&context)).unwrap_err();
//! assert_eq!(blocked.reason, "nobody has opted in yet");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With an engine, [`Sandbox::load`] makes a [`Plugin`] of a component's bytes, and [`Instance::new`] starts it.
//!
//! The feature `engine`, on by default, is what runs components. Without it there is no wasmtime, and the rest is built
//! quickly, to be fuzzed (`tests/fuzz/`).

// Without an engine, some of the rest has no user.
#![cfg_attr(not(feature = "engine"), allow(dead_code))]

mod border;
pub mod capabilities;
mod check;
pub mod consent;
mod cost;
mod due;
mod encode;
#[cfg(feature = "engine")]
mod engine;
mod error;
mod error_text;
mod gate;
mod handover;
mod heard;
pub mod limits;
pub mod manifest;
mod memory;
mod pins;
#[cfg(test)]
mod pins_test;
mod policy;
mod python;
mod rules;
mod settings;
mod text;
mod ties;
mod version;

pub use border::{Entered, enter};
pub use check::{digest, examine, manifest as manifest_text};
pub use consent::Consent;
pub use cost::{CompileCost, compile_cost};
pub use encode::percent_encode;
#[cfg(feature = "engine")]
pub use engine::*;
pub use error::{Error, Stage};
pub use gate::{Blocked, Method, Outgoing, Request, check_template, pass};
pub use handover::Handover;
pub use manifest::Manifest;
pub use memory::Memory;
pub use pins::{Cause, Context, Facts};
pub use policy::{Policy, UnusableRules};
pub use settings::{Settings, SettingsError};
pub use text::{component_words, hex, is_hidden, printable, push_byte, without_credentials};
pub use ties::{Doors, Tie, Ties, User};
