//! Checks whether a host runs with this home, and whether events arrive there.

use super::Examined;
use super::finding::Finding;
use crate::operations::connections;
use crate::sources::octoprint::connection_status;

/// Check the host and its connections.
pub fn check(examined: &Examined<'_>, findings: &mut Vec<Finding>) {
    if !examined.home.is_running() {
        let advice = "start it: glassbox run, or as a service";
        return findings.push(Finding::warn("host", "no host runs with this home, so no events are read", advice));
    }
    findings.push(Finding::ok("host", "a host runs with this home"));
    for (name, connection) in connection_status::all(examined.home) {
        let says = connections::summary(&connection, true);
        findings.push(match connection.heard {
            true => Finding::ok(format!("host {name}"), says),
            false => {
                Finding::warn(format!("host {name}"), says, "see the checks below; the host keeps trying by itself")
            }
        });
    }
}
