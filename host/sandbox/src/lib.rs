//! The trusted core of Glassbox: everything that stands between a tracker and the world.
//!
//! What someone must read to believe the box is in this crate and nowhere else: the engine and its limits, the
//! manifest in a component, the policy that its manifest asks for, the gate that every request must pass,
//! and consent. Sources of events, delivery, the command line and the audit depend on it; it depends on none of them.
//!
//! A request passes the gate only if the user said yes and the manifest declares it. No engine is needed to see that:
//!
//! ```
//! use glassbox_sandbox::capabilities::Deny;
//! use glassbox_sandbox::{Cause, Consent, Context, Manifest, Memory, Method, Policy, Request, Settings, pass};
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
//! let context = Context { cause: &Cause::Tick(vec![]), memory: &Memory::default(), facts: &Deny, now_ms: 0 };
//! let outgoing = pass(request("12"), &policy, &settings, consent, &context)?;
//! assert_eq!(outgoing.url, "https://stats.example/4711/print_done");
//! assert_eq!(outgoing.query(), "hours=12");
//!
//! let blocked = pass(request("my secret"), &policy, &settings, consent, &context).unwrap_err();
//! assert_eq!(blocked.reason, "the value of hours does not fit its rule");
//!
//! let blocked = pass(request("12"), &policy, &settings, Consent::Undecided, &context).unwrap_err();
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

#[cfg(feature = "engine")]
mod bindings;
mod border;
#[cfg(all(unix, feature = "engine"))]
mod cache;
pub mod capabilities;
mod check;
#[cfg(feature = "engine")]
mod compile;
#[cfg(feature = "engine")]
mod config;
pub mod consent;
mod cost;
mod digest;
mod due;
mod encode;
#[cfg(feature = "engine")]
mod engine;
mod error;
mod error_text;
mod gate;
mod handover;
mod heard;
#[cfg(feature = "engine")]
mod imports;
#[cfg(feature = "engine")]
mod instance;
pub mod limits;
pub mod manifest;
mod memory;
mod pins;
#[cfg(test)]
mod pins_test;
mod policy;
mod python;
#[cfg(feature = "engine")]
mod rate_limit;
#[cfg(feature = "engine")]
mod refused;
mod rules;
mod settings;
mod text;
mod ties;
mod version;
#[cfg(feature = "engine")]
mod watchdog;

pub use border::{Entered, enter};
pub use check::{examine, manifest as manifest_text};
#[cfg(feature = "engine")]
pub use compile::{Compiled, Needed, compile_if_asked};
#[cfg(feature = "engine")]
pub use config::{Purpose, config};
pub use consent::Consent;
pub use cost::{CompileCost, compile_cost};
pub use digest::digest;
pub use encode::percent_encode;
#[cfg(feature = "engine")]
pub use engine::{Plugin, Sandbox};
pub use error::{Error, Stage};
pub use gate::{Blocked, Method, Outgoing, Request, check_template, pass, pass_again};
pub use handover::Handover;
#[cfg(feature = "engine")]
pub use instance::{HeardAgain, Instance, Outcome, Rejected};
pub use manifest::Manifest;
pub use memory::Memory;
pub use pins::{Cause, Context, Facts};
pub use policy::{PayloadError, Policy, UnusableRules};
#[cfg(feature = "engine")]
pub use rate_limit::RateLimit;
#[cfg(feature = "engine")]
pub use refused::no_thread;
pub use settings::{Settings, SettingsError};
pub use text::{component_words, hex, is_hidden, printable, push_byte, without_credentials};
pub use ties::{Doors, Tie, Ties, User};
