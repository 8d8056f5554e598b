//! Checks how a running host hears of changes in the home's files: at once, or within seconds, where the system does not
//! tell of all of them.

use super::Examined;
use super::finding::Finding;
use crate::plugins::watcher::{self, PERIOD, unseen};

const CHECK: &str = "watching";

/// Check it, by trying the same in this process.
pub fn check(examined: &Examined<'_>, findings: &mut Vec<Finding>) {
    let seconds = PERIOD.as_secs();
    if let Some(trouble) = watcher::trouble(examined.home) {
        let says = format!("{}; a host runs all the same, and looks at its files every {seconds} s", trouble.what);
        return findings.push(Finding::warn(CHECK, says, trouble.advice));
    }
    findings.push(match unseen::why(examined.home, watcher::CAN_WATCH_LINKS) {
        None => Finding::ok(CHECK, "a host notices changes of its files at once"),
        Some(why) => Finding::ok(CHECK, format!("a host looks at its files every {seconds} s: {why}")),
    });
}
