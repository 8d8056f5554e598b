//! Everything that the core may ask of the world, as one trait, and the types that cross it.

use std::borrow::Cow;

/// What the tracker is given. In the component these are the five imports of the contract.
pub trait Capabilities {
    /// Monotonic time in nanoseconds.
    fn now(&self) -> u64;
    /// What is known of the machine. Asked only when a report needs it.
    fn machine(&self) -> Machine;
    /// The Raspberry Pi throttle mask, or none where there is no such query.
    fn throttled(&self) -> Option<u32>;
    /// Sixteen random bytes.
    ///
    /// # Errors
    /// When the host denies random bytes; nothing is minted then.
    fn random(&self) -> Result<[u8; 16], String>;
    /// Queue a report. A refusal is the host's business: it journals it, the tracker goes on.
    fn send(&self, request: Request);
}

/// The machine, as far as it is known. Units as in the contract.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // named as the fields of the contract's `hardware.machine`
pub struct Machine {
    pub os: Option<String>,
    pub platform: Option<String>,
    pub bits: Option<u32>,
    pub cores: Option<u32>,
    pub frequency_mhz: Option<f64>,
    pub memory_bytes: Option<u64>,
    pub pi_model: Option<String>,
    pub octopi_version: Option<String>,
    pub octopiuptodate_build: Option<String>,
}

/// How a report travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Fields as a query string.
    Get,
    /// Fields as a form body.
    Post,
}

/// One report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request<'a> {
    /// Get for all but `pong`.
    pub method: Method,
    /// For example `print_started`.
    pub name: &'a str,
    /// Names and values in the order in which they are sent.
    pub fields: &'a [(&'static str, Cow<'a, str>)],
    /// `OctoPrint/<version>`.
    pub user_agent: &'a str,
}
