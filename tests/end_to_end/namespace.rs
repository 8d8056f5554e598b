//! Namespaces of Linux: for a test that mounts something, or wants a network of its own. They are the calling thread's, and
//! those of the processes that it starts.

use nix::sched::{CloneFlags, unshare};
use std::process::Command;

/// Put this thread into a mount namespace of its own, so that nobody else sees what is mounted.
///
/// # Errors
/// Why that is not possible here.
pub fn own_mounts() -> Result<(), String> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("mounting takes root: {error}"))?;
    sh("mount --make-rprivate /")
}

/// The same, and a network of its own, in which this machine has every address, and is asked for names as `resolv` says,
/// which is in place of `/etc/resolv.conf`.
///
/// # Errors
/// Why that is not possible here.
pub fn own_network(resolv: &str) -> Result<(), String> {
    own_mounts()?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("a network of its own takes root: {error}"))?;
    sh(&format!(
        "mount --bind {resolv} /etc/resolv.conf && ip link set lo up && ip route add local default dev lo \
         && ip -6 route add local default dev lo"
    ))
}

/// Run a line of shell.
///
/// # Errors
/// What it said when it failed.
pub fn sh(line: &str) -> Result<(), String> {
    let output = Command::new("sh").args(["-ec", line]).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
