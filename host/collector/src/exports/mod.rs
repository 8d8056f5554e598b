//! The exports: 18 files of JSON that say what all reports add up to, each for the last 7 and 30 days. Their names, keys and
//! order are those of the original, as its readers rely on them (RECEIVING.md, 2); the numbers are exact where the
//! original's are approximate (RECEIVING.md, 8).

mod bars;
mod environment;
mod gather;
pub(crate) mod groups;
mod plugins;
mod read;
mod render;
mod tally;
mod times;

use crate::config::Config;
use crate::log;
use crate::store::Store;
use anyhow::Result;
use glassbox_util::files;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::HashSet;
use std::path::Path;

/// The days of the two windows.
const DAYS: [i64; 2] = [7, 30];

/// The kinds of files, in the order in which the original makes them.
const KINDS: [&str; 9] = [
    "instance",
    "plugin",
    "python",
    "printing",
    "server_environment",
    "client_environment",
    "firmware",
    "rpi",
    "achievements",
];

/// The names of all files.
pub fn names() -> impl Iterator<Item = String> {
    KINDS.iter().flat_map(|kind| DAYS.iter().map(move |days| format!("{kind}_stats_{days}d.json")))
}

/// The age of the oldest export in a folder, in seconds; none if one is missing.
pub fn age(folder: &Path, now: Timestamp) -> Option<i64> {
    let age = |name: String| {
        let modified = folder.join(name).metadata().ok()?.modified().ok()?;
        Some(now.as_second() - Timestamp::try_from(modified).ok()?.as_second())
    };
    names().map(age).collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// What is published of what is known.
struct Rules {
    zone: TimeZone,
    /// A free text that fewer installations share is left out.
    threshold: u64,
    /// Ids of plugins, in lower case.
    excluded: HashSet<String>,
}

/// Make all files, as of `now`, each of them at once: a reader sees the old one or the new. Days that cannot be read are
/// left out, and named in what is returned.
///
/// # Errors
/// When the shared file cannot be read, or a file cannot be written; the message names it.
pub fn write(config: &Config, store: &Store, folder: &Path, now: Timestamp) -> Result<Vec<String>> {
    make(config, store, folder, None, now)
}

/// The same where they are served, with what the page shows beside them.
///
/// # Errors
/// As for [`write`].
pub fn publish(config: &Config, store: &Store, now: Timestamp) -> Result<Vec<String>> {
    make(config, store, &store.exports(), Some(&store.page()), now)
}

fn make(config: &Config, store: &Store, folder: &Path, page: Option<&Path>, now: Timestamp) -> Result<Vec<String>> {
    let rules = Rules {
        zone: config.time_zone.0.clone(),
        threshold: config.k_threshold,
        excluded: config.exclude_plugins.iter().map(|id| id.to_lowercase()).collect(),
    };
    let now = now.as_second();
    let windows = DAYS.map(|days| times::Window::new(days, now, &rules.zone));
    let mut gathered = gather::gather(store, &windows)?;
    for folder in [Some(folder), page].into_iter().flatten() {
        files::make_folder(folder)?;
    }
    for (window, tally) in windows.iter().zip(&mut gathered.tallies) {
        for (kind, content) in render::all(window, tally, &gathered.words, &rules)? {
            let file = folder.join(format!("{kind}_stats_{}d.json", window.days));
            files::write_atomically(&file, content.as_bytes())?;
        }
        if let Some(page) = page {
            let bars = bars::file(window, tally, &gathered.words, &rules)?;
            files::write_atomically(&page.join(format!("bars_stats_{}d.json", window.days)), bars.as_bytes())?;
        }
    }
    for problem in &gathered.problems {
        log(format_args!("not in the exports: {problem}"));
    }
    Ok(gathered.problems)
}
