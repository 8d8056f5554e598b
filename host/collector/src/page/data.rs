//! What the page is made of: the files that exports are in, and the totals of days. A file that is missing or cannot be read
//! costs its charts, and says so in their place.

use crate::store::{Store, schema};
use anyhow::{Context, Result};
use glassbox_util::files;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// As large as an export may be that is served.
pub(crate) const LARGEST: usize = 128 << 20;

/// The kinds of files, by their names' first parts. `bars` is none of the exports.
pub(crate) const KINDS: [&str; 10] = [
    "instance",
    "printing",
    "python",
    "server_environment",
    "client_environment",
    "rpi",
    "firmware",
    "achievements",
    "plugin",
    "bars",
];

/// What is known of a window.
pub struct Data {
    /// Its length in days: 7 or 30.
    pub days: u32,
    files: Vec<(&'static str, Option<Value>)>,
    /// A day of UTC and installations that reported; oldest first, also of days that are gone.
    pub(super) totals: Vec<(String, f64)>,
    /// When all this was read.
    read: Timestamp,
    /// Whether files have been made at all.
    pub(super) ever: bool,
}

impl Data {
    /// Read what there is of a window.
    pub fn read(store: &Store, days: u32) -> Self {
        let file = |kind| {
            let bytes = files::read_bounded(&path(store, kind, days), LARGEST).ok();
            (kind, bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
        };
        Self {
            days,
            files: KINDS.map(file).into(),
            totals: totals(&store.shared()).unwrap_or_default(),
            read: Timestamp::now(),
            ever: store.exports().exists() || store.page().exists(),
        }
    }

    /// A file's content; none if it is missing or no JSON.
    pub fn file(&self, kind: &str) -> Option<&Value> {
        self.files.iter().find(|(name, _)| *name == kind)?.1.as_ref()
    }

    /// When a file was made.
    pub(super) fn made(&self, kind: &str) -> Option<Timestamp> {
        self.file(kind)?["_generated"].as_str()?.parse().ok()
    }

    /// When a file was made, or when the totals of days were read.
    pub(super) fn at(&self, kind: Option<&str>) -> Option<Timestamp> {
        kind.map_or(Some(self.read), |kind| self.made(kind))
    }

    /// The same for people, in the configured zone.
    pub(super) fn stamp(&self, kind: Option<&str>) -> Option<String> {
        let at = self.at(kind)?;
        let zone = self.file("bars").and_then(|file| TimeZone::get(file["zone"].as_str()?).ok());
        Some(at.to_zoned(zone.unwrap_or(TimeZone::UTC)).strftime("%Y-%m-%d %H:%M %Q").to_string())
    }

    /// The window of a file's numbers, and when they were made.
    pub(super) fn window(&self, kind: Option<&str>) -> String {
        let window = kind.map_or("days of UTC".into(), |_| format!("last {} days", self.days));
        self.stamp(kind).map_or(window.clone(), |stamp| format!("{window}, as of {stamp}"))
    }
}

/// The file of a kind.
pub(crate) fn path(store: &Store, kind: &str, days: u32) -> PathBuf {
    let folder = if kind == "bars" { store.page() } else { store.exports() };
    folder.join(format!("{kind}_stats_{days}d.json"))
}

fn totals(file: &Path) -> Result<Vec<(String, f64)>> {
    let shared = schema::open_to_read(file, schema::SHARED).with_context(|| format!("reading {}", file.display()))?;
    let mut statement = shared.prepare("SELECT day, installations FROM total ORDER BY day")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
