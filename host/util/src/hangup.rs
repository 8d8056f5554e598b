//! The signals that a terminal sends: when it is closed, and for Ctrl-C. Who starts a program with `nohup` has the first
//! ignored, and a script that starts one in the background the second; they stay ignored: a handler for "stop" must not
//! bring them back.

/// Keep SIGHUP and SIGINT away from this process if they were ignored when the process was started. Call it before there are
/// other threads: each takes over from the one that makes it which signals it is not to be disturbed by.
pub fn honour_ignored() {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::signal::{SigSet, Signal};
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = [Signal::SIGHUP, Signal::SIGINT].into_iter().filter(|signal| ignores(&status, *signal as i32));
        // It cannot fail for signals that there are.
        let _ = ignored.collect::<SigSet>().thread_block();
    }
}

/// Whether the kernel's description of a process says so. (To ask the kernel itself is `unsafe`.)
#[cfg(target_os = "linux")]
fn ignores(status: &str, signal: i32) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signals are counted from 1.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::ignores;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        assert!(ignores(status, 1) && !ignores(status, 2));
        assert!(ignores("SigIgn:\t0000000000001002\n", 2));
        assert!(!ignores("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n", 1));
        assert!(!ignores("", 1) && !ignores("SigIgn: x", 2));
    }
}
