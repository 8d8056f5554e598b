//! The clocks that outlive a process: the wall clock, and the time since the machine was booted. The monotonic clock of
//! trackers is in `clock.rs`.

use glassbox_sandbox::digest;
use jiff::Timestamp;
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

/// The time, as the system says: the nearest one that can be told, where its clock is thousands of years ahead.
pub fn wall_time() -> Timestamp {
    nearest(SystemTime::now())
}

fn nearest(time: SystemTime) -> Timestamp {
    let last = if time < UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(last)
}

impl Now {
    /// The present moment, as the system says.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_time_however_wrong_the_clock_is() {
        let at = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        assert_eq!(nearest(UNIX_EPOCH), Timestamp::UNIX_EPOCH);
        assert_eq!(at(1 << 40).map(nearest), Some(Timestamp::MAX));
        assert_eq!(UNIX_EPOCH.checked_sub(Duration::from_secs(1 << 40)).map(nearest), Some(Timestamp::MIN));
        assert!(wall_time() > Timestamp::UNIX_EPOCH);
    }
}
