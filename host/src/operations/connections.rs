//! How it stands with the OctoPrints that are followed over the network: whether events arrive, what cannot be
//! read, and whether OctoPrint's own tracker counts everything a second time. The connections themselves are
//! the running host's, which writes down how they stand.

use super::octoprints::KnownOctoPrint;
use crate::home::import;
use crate::home::{BUNDLED_NAME, Home};
use crate::sending::is_on;
use crate::sources::octoprint::connection_status::{self, Connection};
use crate::sources::octoprint::own_tracker::SWITCH;
use glassbox_util::Advised;
use glassbox_util::text::shown;

/// The connection to one OctoPrint.
#[derive(Debug)]
pub struct ConnectionReport {
    /// The OctoPrint's name, as the running host had it. Somebody may have written anything into it.
    pub octoprint: String,
    /// Whether events arrive from it now.
    pub heard: bool,
    /// The same in words.
    pub summary: String,
    /// What does not arrive, and why: one text each, which may hold anything.
    pub missing: Vec<String>,
    /// Whether everything is counted twice; none where it is not, or where our own tracker is off.
    pub counted_twice: Option<CountedTwice>,
}

/// Whether OctoPrint's own tracker is on as well as ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedTwice {
    /// It is on.
    Yes,
    /// The API key may not see whether it is.
    Unknown,
}

/// The connections that the running host, or the last one, has written about, by name. With `only_these` those
/// of these OctoPrints, else also of ones that the configuration does not name.
pub fn all(home: &Home, only_these: bool, octoprints: &[KnownOctoPrint]) -> Vec<ConnectionReport> {
    let running = home.is_running();
    let status = |(name, connection): (String, Connection)| {
        let one = octoprints.iter().find(|one| one.display_name() == name);
        if one.is_none() && only_these {
            return None;
        }
        let on = is_on(one.map_or(home, |one| &one.home), BUNDLED_NAME);
        Some(ConnectionReport {
            heard: running && connection.heard,
            summary: summary(&connection, running),
            missing: missing(&connection),
            counted_twice: counted_twice(&connection).filter(|_| on),
            octoprint: name,
        })
    };
    connection_status::all(home).into_iter().filter_map(status).collect()
}

/// A warning where our tracker is on and, by the configuration that was imported from it, OctoPrint's own is
/// too; none if the connection to that OctoPrint has shown it already.
pub fn imported_twice(home: &Home, one: &KnownOctoPrint) -> Option<Advised> {
    let shown =
        |(name, connection): &(String, Connection)| name == one.display_name() && connection.own_tracker == Some(true);
    let file = import::still_on(&one.home, BUNDLED_NAME)?;
    if !is_on(&one.home, BUNDLED_NAME) || connection_status::all(home).iter().any(shown) {
        return None;
    }
    let what =
        format!("OctoPrint's own tracker is on as well, as {} says, so everything is counted twice", file.display());
    Some(Advised::new(what, format!("switch it off in {SWITCH}")))
}

/// Whether events arrive, in words that are safe to print.
pub fn summary(connection: &Connection, running: bool) -> String {
    let Connection { url, version, heard, since, reason, .. } = connection;
    let version = version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let since = shown(since);
    let octoprint = shown(&version);
    let reason = reason.as_ref().map(|reason| format!(": {}", shown(reason))).unwrap_or_default();
    match (running, heard) {
        (true, true) => format!("OctoPrint{octoprint} at {url} is heard since {since}"),
        (true, false) => format!("OctoPrint{octoprint} at {url} is not heard since {since}{reason}"),
        (false, true) => format!("OctoPrint{octoprint} at {url} was heard since {since}; no host is running"),
        (false, false) => {
            format!("OctoPrint{octoprint} at {url} was not heard since {since}{reason}; no host is running")
        }
    }
}

/// What does not arrive. What never can is told only where anything ever did.
fn missing(connection: &Connection) -> Vec<String> {
    let never = connection.version.as_ref().map(|_| "webui_load, which never comes over the push API".to_string());
    connection.missing.iter().map(ToString::to_string).chain(never).collect()
}

fn counted_twice(connection: &Connection) -> Option<CountedTwice> {
    match connection.own_tracker {
        _ if connection.version.is_none() => None,
        Some(true) => Some(CountedTwice::Yes),
        Some(false) => None,
        None => Some(CountedTwice::Unknown),
    }
}
