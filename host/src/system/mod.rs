//! The machine's side of the capabilities: time, random bytes, what is known of the hardware, and the
//! Raspberry Pi's throttle state.
//!
//! One capability, one file. Where requests go is not here, nor is anything that decides what a
//! tracker may ask for or is told: these answer truthfully and in full, the sandbox leaves out what
//! the manifest does not list. For an OctoPrint on another machine the host hands out the sandbox's
//! `Deny` in place of [`SystemHardware`] and [`VcGenCmd`].

mod boot;
mod clock;
mod hardware;
mod process;
mod random;
#[cfg(test)]
mod scratch;
pub mod throttle;

pub use boot::Now;
pub use clock::MonotonicClock;
pub use hardware::SystemHardware;
pub use random::SystemRandom;
pub use throttle::VcGenCmd;
