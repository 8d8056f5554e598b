//! The trusted core of Glassbox: everything that stands between a tracker and the world.
//!
//! What someone must read to believe the box is in this crate and nowhere else: the engine and its limits, the check
//! of a component against the contract, the policy that its manifest asks for, the gate that every request must pass,
//! and consent. Sources of events, delivery, the command line and the audit depend on it; it depends on none of them,
//! only on `glassbox-contract`, which reads a component's bytes.
//!
//! A request passes the gate only if the user said yes and the manifest declares it. No engine is needed to see that:
//!
//! ```
//! use glassbox_sandbox::{Consent, Manifest, Method, Policy, Request, Settings, pass};
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
//! let outgoing = pass(request("12"), &policy, &settings, consent)?;
//! assert_eq!(outgoing.url, "https://stats.example/4711/print_done");
//! assert_eq!(outgoing.query(), "hours=12");
//!
//! let blocked = pass(request("my secret"), &policy, &settings, consent).unwrap_err();
//! assert_eq!(blocked.reason, "the value of hours does not fit its rule");
//!
//! let blocked = pass(request("12"), &policy, &settings, Consent::Undecided).unwrap_err();
//! assert_eq!(blocked.reason, "nobody has opted in yet");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With an engine, [`Sandbox::prepare`] makes a [`Plugin`] of a component's bytes, and [`Instance::new`] starts it.
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
pub mod consent;
pub mod describe;
mod digest;
mod encode;
#[cfg(feature = "engine")]
mod engine;
mod error_text;
pub mod fake;
mod gate;
mod grant;
#[cfg(feature = "engine")]
mod imports;
#[cfg(feature = "engine")]
mod instance;
pub mod limits;
pub mod manifest;
mod policy;
#[cfg(feature = "engine")]
mod rate_limit;
mod settings;

pub use border::enter;
pub use check::inspect;
pub use consent::Consent;
pub use digest::digest;
pub use encode::percent_encode;
#[cfg(feature = "engine")]
pub use engine::{Plugin, Sandbox, config, examine};
pub use gate::{Blocked, Method, Outgoing, Request, pass};
pub use glassbox_contract::{
    Error, Inspection, Stage, component_words, hex, is_hidden, printable, without_credentials,
};
#[cfg(feature = "engine")]
pub use instance::{Instance, Outcome, Rejected};
pub use manifest::Manifest;
pub use policy::{PayloadError, Policy, UnusableRules};
#[cfg(feature = "engine")]
pub use rate_limit::RateLimit;
pub use settings::{Settings, SettingsError};
