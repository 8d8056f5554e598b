//! What is known of the connection to an OctoPrint, in a small file for `status` and `doctor`:
//! `state/NAME.connection.json`. There is no secret in it, and the host never reads it.

use super::permissions::Missing;
use crate::home::Home;
use crate::home::config::octoprint::Target;
use crate::net::{Address, Peer};
use anyhow::{Context, Result};
use glassbox_util::files::{read_bounded, write_atomically};
use glassbox_util::text::printable;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// A plugin's name has no dot: no state of a plugin is called so.
const ENDING: &str = ".connection.json";

/// A larger file is none of ours.
const LARGEST: usize = 64 << 10;

/// How it stands with a connection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Connection {
    /// Where the OctoPrint is.
    pub url: String,
    /// Its version, if it was ever heard.
    pub version: Option<String>,
    /// Whether it is heard.
    pub heard: bool,
    /// Since when that is so.
    pub since: String,
    /// Why it is not heard.
    pub reason: Option<String>,
    /// What could not be read when it was last heard.
    pub missing: Vec<Missing>,
    /// Whether its own tracker is on; none where that is not known.
    pub own_tracker: Option<bool>,
}

/// Keeps the file of one OctoPrint.
pub struct Keeper {
    file: PathBuf,
    now: Connection,
}

impl Keeper {
    /// Nothing is heard yet.
    #[must_use]
    pub fn new(home: &Home, target: &Target) -> Self {
        let now = Connection {
            url: target.address.to_string(),
            version: None,
            heard: false,
            since: now(),
            reason: None,
            missing: Vec::new(),
            own_tracker: None,
        };
        let keeper = Self { file: home.state().join(format!("{}{ENDING}", target.called())), now };
        keeper.write();
        keeper
    }

    /// It is heard.
    pub fn heard(&mut self, version: &str, missing: &[Missing], own_tracker: Option<bool>) {
        self.now = Connection {
            url: std::mem::take(&mut self.now.url),
            version: Some(printable(version, usize::MAX)),
            heard: true,
            since: now(),
            reason: None,
            missing: missing.to_vec(),
            own_tracker,
        };
        self.write();
    }

    /// Its own tracker was switched, or may have been.
    pub fn own_tracker(&mut self, on: Option<bool>) {
        if self.now.own_tracker != on {
            self.now.own_tracker = on;
            self.write();
        }
    }

    /// It is not heard any more, or still not. Written once for each outage, and where the reason is
    /// one that somebody has to do something about.
    pub fn lost(&mut self, reason: &str) {
        if std::mem::take(&mut self.now.heard) {
            self.now.since = now();
        }
        self.now.reason = Some(printable(reason, usize::MAX));
        self.write();
    }

    fn write(&self) {
        let write = || -> Result<()> {
            if let Some(folder) = self.file.parent() {
                fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
            }
            write_atomically(&self.file, (serde_json::to_string_pretty(&self.now)? + "\n").as_bytes())
        };
        if let Err(error) = write() {
            tracing::warn!("what 'glassbox status' says of {} may be old: {error:#}", self.now.url);
        }
    }
}

/// Forget all: a host that starts knows of none yet.
pub fn forget_all(home: &Home) {
    for (name, _) in files(home) {
        // One that stays tells what was so before.
        let _ = fs::remove_file(home.state().join(name + ENDING));
    }
}

/// What is known of each, by the names of the OctoPrints.
#[must_use]
pub fn all(home: &Home) -> Vec<(String, Connection)> {
    let read = |(name, file): (String, PathBuf)| {
        let connection: Connection = serde_json::from_slice(&read_bounded(&file, LARGEST).ok()?).ok()?;
        // Somebody may have written into it what a terminal would obey.
        Some((
            name,
            Connection { url: Address::parse(&connection.url, Peer::OctoPrint).ok()?.to_string(), ..connection },
        ))
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
    format!("{:.0}", Timestamp::now())
}
