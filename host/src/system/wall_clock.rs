//! The clocks that outlive a process: the wall clock, and the time since the machine was booted. The monotonic clock of
//! trackers is in `clock.rs`.

use glassbox_sandbox::digest;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The present moment, by the clocks that outlive a process.
#[derive(Clone, Debug)]
pub struct Now {
    /// The time since 1970.
    pub wall: Duration,
    /// A name for this boot of the machine, and the time since then; none where that cannot be known.
    pub boot: Option<(String, Duration)>,
}

impl Now {
    /// The present moment, as the system says.
    #[must_use]
    pub fn system() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let read = |file: &str| fs::read_to_string(file).ok();
        let since = read("/proc/uptime").and_then(|text| text.split(' ').next()?.parse().ok());
        let boot = read("/proc/sys/kernel/random/boot_id").map(|id| {
            // Not the system's own id, which nobody needs, but a name made from it.
            digest(id.trim().as_bytes())[..16].to_string()
        });
        let since = since.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
        Self { wall, boot: boot.zip(since) }
    }
}
