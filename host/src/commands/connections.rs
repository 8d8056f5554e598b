//! What `status` says of the OctoPrints that are followed: whether each is heard, what cannot be
//! read, and whether its own tracker counts everything a second time.

use anyhow::Result;
use glassbox::home::{BUNDLED_NAME, Home};
use glassbox::imported;
use glassbox::journal::visible;
use glassbox::octoprint::connection::{self, Connection};
use glassbox::octoprint::own_tracker::SWITCH;
use std::io::Write;

/// Say it; `running`: whether a host runs, `on`: whether our tracker is on.
pub fn write(home: &Home, running: bool, on: bool, out: &mut impl Write) -> Result<()> {
    for (name, connection) in connection::all(home) {
        writeln!(out, "{}: {}", visible(&name), heard(&connection, running))?;
        for missing in not_heard(&connection) {
            writeln!(out, "    not heard: {}", visible(&missing))?;
        }
        if let Some(warning) = twice(&connection).filter(|_| on) {
            writeln!(out, "    {warning}")?;
        }
    }
    if let Some(warning) = imported(home).filter(|_| on) {
        writeln!(out, "warning: {}", visible(&warning))?;
    }
    Ok(())
}

/// Whether by the configuration that was imported OctoPrint's own tracker is on still, unless a
/// connection has told of it.
pub fn imported(home: &Home) -> Option<String> {
    let known = connection::all(home).iter().any(|(_, connection)| connection.own_tracker == Some(true));
    let file = imported::still_on(home, BUNDLED_NAME).filter(|_| !known)?;
    Some(format!(
        "OctoPrint's own tracker is on as well, as {} says, so everything is counted twice; switch it off in {SWITCH}",
        file.display()
    ))
}

/// Whether it is heard, in words.
pub fn heard(connection: &Connection, running: bool) -> String {
    let Connection { url, version, heard, since, reason, .. } = connection;
    let version = version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let since = visible(since);
    let octoprint = visible(&version);
    let reason = reason.as_ref().map(|reason| format!(": {}", visible(reason))).unwrap_or_default();
    match (running, heard) {
        (true, true) => format!("OctoPrint{octoprint} at {url} is heard since {since}"),
        (true, false) => format!("OctoPrint{octoprint} at {url} is not heard since {since}{reason}"),
        (false, true) => format!("OctoPrint{octoprint} at {url} was heard from {since} on; no host runs now"),
        (false, false) => {
            format!("OctoPrint{octoprint} at {url} was not heard from {since} on{reason}; no host runs now")
        }
    }
}

/// What does not come from it. What never comes is said only of one that was ever heard.
pub fn not_heard(connection: &Connection) -> Vec<String> {
    let never = connection.version.as_ref().map(|_| "webui_load, which never comes over the push API".to_string());
    connection.missing.iter().map(ToString::to_string).chain(never).collect()
}

/// Whether everything is, or may be, counted twice where our own tracker is on.
pub fn twice(connection: &Connection) -> Option<String> {
    match connection.own_tracker {
        _ if connection.version.is_none() => None,
        Some(true) => Some(format!(
            "warning: its own tracker is on as well, so everything is counted twice; switch it off in {SWITCH}"
        )),
        Some(false) => None,
        None => Some(format!(
            "not known: whether its own tracker is on as well (only who may change all settings may see that); see {SWITCH}"
        )),
    }
}
