//! The file that tells `glassbox status` and `glassbox doctor` whether an OctoPrint is connected:
//! `state/NAME.connection.json`. There is no secret in it, and a running host never reads it. How it is shown is not
//! decided here.

use super::SHOWN;
use super::permissions::Missing;
use crate::home::Home;
use crate::home::config::octoprint::Target;
use crate::net::{Address, ConnectError, Peer};
use crate::system::wall_time;
use anyhow::Result;
use glassbox_util::files::{make_folder, read_bounded, write_own};
use glassbox_util::text::printable;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// A plugin's name has no dot in it, so no plugin's state has a file name that ends like this.
const ENDING: &str = ".connection.json";

/// A larger file, in bytes, is not ours.
const LARGEST: usize = 64 << 10;

/// The longest reason that is kept, in characters.
const REASON: usize = 1000;

/// The state of the connection to one OctoPrint, as it is in the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Connection {
    /// Where the OctoPrint is.
    pub url: String,
    /// Its version, as it says; none until the first connection.
    pub version: Option<String>,
    /// Whether there is a connection.
    pub heard: bool,
    /// Since when that is so, as an RFC 3339 time.
    pub since: String,
    /// Why there is no connection.
    pub reason: Option<String>,
    /// What could not be read at the last connection.
    pub missing: Vec<Missing>,
    /// Whether OctoPrint's own tracker is on; none where that is not known.
    pub own_tracker: Option<bool>,
}

/// Writes the file of one OctoPrint.
pub struct StatusFile {
    file: PathBuf,
    status: Connection,
}

impl StatusFile {
    /// There is no connection yet.
    pub fn new(home: &Home, target: &Target) -> Self {
        let status = Connection {
            url: target.address.to_string(),
            version: None,
            heard: false,
            since: now(),
            reason: None,
            missing: Vec::new(),
            own_tracker: None,
        };
        let file = Self { file: home.state().join(format!("{}{ENDING}", target.called())), status };
        file.write();
        file
    }

    /// There is a connection.
    pub fn connected(&mut self, version: &str, missing: &[Missing], own_tracker: Option<bool>) {
        self.status = Connection {
            url: std::mem::take(&mut self.status.url),
            version: Some(printable(version, SHOWN)),
            heard: true,
            since: now(),
            reason: None,
            missing: missing.to_vec(),
            own_tracker,
        };
        self.write();
    }

    /// OctoPrint's own tracker may have been switched on or off.
    pub fn own_tracker(&mut self, on: Option<bool>) {
        if self.status.own_tracker != on {
            self.status.own_tracker = on;
            self.write();
        }
    }

    /// There is no connection, for this reason.
    pub fn lost(&mut self, error: &ConnectError) {
        if std::mem::take(&mut self.status.heard) {
            self.status.since = now();
        }
        self.status.reason = Some(printable(&error.to_string(), REASON));
        self.write();
    }

    fn write(&self) {
        let write = || -> Result<()> {
            if let Some(folder) = self.file.parent() {
                make_folder(folder)?;
            }
            write_own(&self.file, (serde_json::to_string_pretty(&self.status)? + "\n").as_bytes())
        };
        if let Err(error) = write() {
            tracing::warn!("what 'glassbox status' says of {} may be out of date: {error:#}", self.status.url);
        }
    }
}

/// Remove the files of all OctoPrints: a host that starts has no connection yet.
pub fn forget_all(home: &Home) {
    for (name, _) in files(home) {
        // A file that cannot be removed is overwritten at the first connection.
        let _ = fs::remove_file(home.state().join(name + ENDING));
    }
}

/// The state of each connection, with the name of its OctoPrint. Files that cannot be read are left out.
pub fn all(home: &Home) -> Vec<(String, Connection)> {
    let read = |(name, file): (String, PathBuf)| {
        let status: Connection = serde_json::from_slice(&read_bounded(&file, LARGEST).ok()?).ok()?;
        // Somebody may have written control characters into it, which a terminal would obey.
        let url = Address::parse(&status.url, Peer::OctoPrint).ok()?.to_string();
        Some((name, Connection { url, ..status }))
    };
    files(home).into_iter().filter_map(read).collect()
}

fn files(home: &Home) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(home.state()).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name().to_str()?.strip_suffix(ENDING)?.to_string();
        Some((name, entry.path()))
    });
    let mut files: Vec<_> = named.collect();
    files.sort();
    files
}

fn now() -> String {
    format!("{:.0}", wall_time())
}
