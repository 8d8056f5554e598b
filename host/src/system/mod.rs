//! This machine, as trackers may see it: time, hardware, and the Raspberry Pi's throttle state; each capability is one
//! file. And what the host itself needs of it: the wall clock, the processor's time, random bytes, running a program,
//! and acting as the owner of a folder.
//!
//! Sending requests is not here, nor is deciding what a tracker may ask for or is told: the answers here are complete,
//! and the sandbox leaves out what the manifest does not list. For an OctoPrint on another machine the host gives
//! trackers [`glassbox_contract::Deny`] instead of [`SystemHardware`] and [`VcGenCmd`].

mod clock;
mod command_line;
mod hardware;
pub mod owner;
mod platform;
mod process;
mod processor_time;
mod random;
#[cfg(test)]
mod test_folder;
pub mod throttle;
mod wall_clock;

pub use clock::MonotonicClock;
pub use command_line::CommandLine;
pub use hardware::SystemHardware;
pub use processor_time::ProcessorTime;
pub use random::random_bytes;
pub use throttle::VcGenCmd;
pub use wall_clock::{Now, wall_time};
