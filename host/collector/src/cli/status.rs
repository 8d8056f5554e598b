//! `status`: how it goes.

use super::arguments::Place;
use anyhow::Result;
use glassbox_collector::geo::{Locator, State};
use glassbox_collector::store::look::{self, Today};
use glassbox_collector::{exports, store::Store};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use std::fmt::Write;

const DAY: i64 = 86_400;

pub(super) fn run(place: &Place, as_json: bool) -> Result<()> {
    let config = place.read()?;
    let store = Place::existing(&config)?;
    let now = Timestamp::now();
    let day = now.to_zoned(TimeZone::UTC).date();
    let mut problems = look::damaged(&store)?;
    // A damaged day is a problem already.
    let today = look::today(&store, day).unwrap_or_default();
    let database = Locator::new(config.geo_database.as_deref(), false).state();
    problems.extend(database.problem.iter().map(|problem| format!("the database of places: {problem}")));
    let database = database_age(&database, now);
    let exported = exports_age(&store, now);
    let free = disk_free(&store);
    if as_json {
        let status = json!({
            "day": day.to_string(),
            "today": today,
            "database": database.as_ref().map(|(kind, days)| json!({"kind": kind, "days_old": days})),
            "exports_seconds_old": exported,
            "disk_free_bytes": free,
            "problems": problems,
        });
        return super::print(&format!("{}\n", serde_json::to_string_pretty(&status)?));
    }
    let mut out = format!("today     {day} (UTC): {} installations\n", today.installations);
    let Today { reports, refused, unknown, .. } = &today;
    for (title, rows) in [("reports", reports), ("refused", refused), ("unknown", unknown)] {
        for (number, (name, count)) in rows.iter().enumerate() {
            let name = glassbox_util::text::shown(name);
            writeln!(out, "{:9} {count:>9} {name}", if number == 0 { title } else { "" })?;
        }
    }
    match database {
        Some((kind, days)) => writeln!(out, "places    {kind}, {days} days old")?,
        None => writeln!(out, "places    without a database reports have none")?,
    }
    match exported {
        Some(seconds) => writeln!(out, "exports   {} minutes old", seconds / 60)?,
        None => writeln!(out, "exports   not made yet")?,
    }
    if let Some(free) = free {
        writeln!(out, "disk      {} MB free", free / 1_000_000)?;
    }
    for problem in problems {
        writeln!(out, "problem   {problem}")?;
    }
    super::print(&out)
}

/// The kind of the database of places, and its age in days; none if there is none.
pub(super) fn database_age(state: &State, now: Timestamp) -> Option<(String, i64)> {
    let (kind, built) = state.database.clone()?;
    Some((kind, now.as_second().saturating_sub(i64::try_from(built).unwrap_or_default()) / DAY))
}

/// Bytes that are free where the store is; none if the system does not say.
#[allow(clippy::useless_conversion)] // not everywhere
pub(super) fn disk_free(store: &Store) -> Option<u64> {
    let free = nix::sys::statvfs::statvfs(store.folder()).ok()?;
    Some(u64::from(free.blocks_available()) * u64::from(free.fragment_size()))
}

/// The age of the oldest export in seconds; none if one is missing.
pub(super) fn exports_age(store: &Store, now: Timestamp) -> Option<i64> {
    let age = |name: String| {
        let modified = store.exports().join(name).metadata().ok()?.modified().ok()?;
        Some(now.as_second() - Timestamp::try_from(modified).ok()?.as_second())
    };
    exports::names().map(age).collect::<Option<Vec<_>>>()?.into_iter().max()
}
