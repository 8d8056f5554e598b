//! What `status` says of the OctoPrints that are followed: whether each is heard, what cannot be
//! read, and whether its own tracker counts everything a second time.

use super::octoprints::One;
use super::status::is_on;
use crate::home::import;
use crate::home::{BUNDLED_NAME, Home};
use crate::sources::octoprint::connection_status::{self, ConnectionStatus};
use crate::sources::octoprint::own_tracker::SWITCH;
use anyhow::Result;
use glassbox_util::text::printable;
use std::io::Write;

/// Say it of these; without one that was asked for, also of one that the configuration does not name.
pub fn write(home: &Home, asked: Option<&str>, octoprints: &[One], out: &mut impl Write) -> Result<()> {
    let running = home.is_running();
    for (name, connection) in connection_status::all(home) {
        let one = octoprints.iter().find(|one| one.called() == name);
        if one.is_none() && asked.is_some() {
            continue;
        }
        let on = is_on(one.map_or(home, |one| &one.home), BUNDLED_NAME);
        writeln!(out, "{}: {}", printable(&name, usize::MAX), heard(&connection, running))?;
        for missing in not_heard(&connection) {
            writeln!(out, "    not heard: {}", printable(&missing, usize::MAX))?;
        }
        if let Some(warning) = twice(&connection).filter(|_| on) {
            writeln!(out, "    {warning}")?;
        }
    }
    for warning in octoprints.iter().filter_map(|one| imported(home, one)) {
        writeln!(out, "warning: {}", printable(&warning, usize::MAX))?;
    }
    Ok(())
}

/// Whether ours is on, and by the configuration that was imported OctoPrint's own tracker still is, unless
/// the connection has told of it.
pub fn imported(home: &Home, one: &One) -> Option<String> {
    let told =
        |(name, connection): &(String, ConnectionStatus)| name == one.called() && connection.own_tracker == Some(true);
    let file = import::still_on(&one.home, BUNDLED_NAME)?;
    if !is_on(&one.home, BUNDLED_NAME) || connection_status::all(home).iter().any(told) {
        return None;
    }
    Some(format!(
        "OctoPrint's own tracker is on as well, as {} says, so everything is counted twice; switch it off in {SWITCH}",
        file.display()
    ))
}

/// Whether it is heard, in words.
pub fn heard(connection: &ConnectionStatus, running: bool) -> String {
    let ConnectionStatus { url, version, heard, since, reason, .. } = connection;
    let version = version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let since = printable(since, usize::MAX);
    let octoprint = printable(&version, usize::MAX);
    let reason = reason.as_ref().map(|reason| format!(": {}", printable(reason, usize::MAX))).unwrap_or_default();
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
pub fn not_heard(connection: &ConnectionStatus) -> Vec<String> {
    let never = connection.version.as_ref().map(|_| "webui_load, which never comes over the push API".to_string());
    connection.missing.iter().map(ToString::to_string).chain(never).collect()
}

/// Whether everything is, or may be, counted twice where our own tracker is on.
pub fn twice(connection: &ConnectionStatus) -> Option<String> {
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
