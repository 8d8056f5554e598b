//! Everything that the core can ask for from outside, as one trait, and the types that it needs.

use std::borrow::Cow;

/// What the host gives to the tracker. In the component, these are the four imports of the contract in
/// `wit/`; a test brings its own.
pub trait Capabilities {
    /// Monotonic time in nanoseconds since an arbitrary moment.
    fn now(&self) -> u64;
    /// What is known about the machine. Called only when a report needs it.
    fn machine(&self) -> Machine;
    /// The bit mask that a Raspberry Pi's `vcgencmd get_throttled` prints; none if it cannot be asked.
    fn throttled(&self) -> Option<u32>;
    /// Queue a report. If the host refuses it, the host also records that: the tracker does not learn
    /// of it.
    fn send(&self, report: Report);
}

/// The machine, as far as it is known. Fields and units are those of `hardware.machine` in the
/// contract.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// `linux`, `windows`, `macos` or `freebsd`.
    pub os: Option<String>,
    /// One line, as Python's `platform.platform()` prints it.
    pub platform: Option<String>,
    /// 32 or 64.
    pub bits: Option<u32>,
    /// Logical processors.
    pub cores: Option<u32>,
    /// The highest frequency of a processor, in MHz.
    pub frequency_mhz: Option<f64>,
    /// Total memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Raspberry Pi model, for example `Raspberry Pi 4 Model B Rev 1.4`.
    pub pi_model: Option<String>,
    /// Version of OctoPi, the operating system image.
    pub octopi_version: Option<String>,
    /// Build of OctoPi-UpToDate, an image with newer packages.
    pub octopiuptodate_build: Option<String>,
}

/// The HTTP method of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Fields go into the query string.
    Get,
    /// Fields go into a form body.
    Post,
}

/// One report, to be sent to the tracking server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report<'a> {
    /// GET for all but `pong`.
    pub method: Method,
    /// The name, for example `print_started`.
    pub name: &'a str,
    /// Names and values in the order in which they are sent.
    pub fields: &'a [(&'static str, Cow<'a, str>)],
    /// The `User-Agent` header: `OctoPrint/<version>`.
    pub user_agent: &'a str,
}
