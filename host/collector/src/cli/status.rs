//! `status`: how it goes.

use super::arguments::Place;
use anyhow::Result;
use glassbox_collector::geo::{Locator, State};
use glassbox_collector::store::Store;
use glassbox_collector::store::look::{self, Today};
use glassbox_collector::{client, exports};
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
    problems.extend(database.problem.clone());
    let database = database_age(&database, now);
    let exported = exports::age(&store.exports(), now);
    let free = look::disk_free(&store);
    let (stored, days) = (look::bytes(&store)?, store.days()?.len());
    let waiting = waiting(&store);
    if as_json {
        let status = json!({
            "day": day.to_string(),
            "today": today,
            "database": database.as_ref().map(|(kind, days)| json!({"kind": kind, "days_old": days})),
            "exports_seconds_old": exported,
            "disk_free_bytes": free,
            "store_bytes": stored,
            "days": days,
            "running": waiting.is_some(),
            "queue_reports": waiting,
            "problems": problems,
        });
        return super::print(&format!("{}\n", serde_json::to_string_pretty(&status)?));
    }
    let mut out = format!("today     {day} (UTC): {}\n", counted(today.installations));
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
    write!(out, "store     {days} days, {} MB", stored.div_ceil(1_000_000))?;
    match free {
        Some(free) => writeln!(out, "; {} MB of the disk are free", free / 1_000_000)?,
        None => writeln!(out)?,
    }
    match waiting {
        Some(0) => writeln!(out, "queue     empty: a crash now would lose nothing")?,
        Some(waiting) => writeln!(out, "queue     a crash now would lose {waiting} reports, which wait to be written")?,
        None => writeln!(out, "queue     none: 'run' does not run, or does not answer")?,
    }
    for problem in problems {
        writeln!(out, "problem   {problem}")?;
    }
    super::print(&out)
}

/// The kind of the database of places, and its age in days; none if there is none.
pub(super) fn database_age(state: &State, now: Timestamp) -> Option<(String, i64)> {
    Some((state.database.clone()?.0, state.age(now)? / DAY))
}

/// How many reports wait to be written, which only the process that runs knows. None if none runs.
fn waiting(store: &Store) -> Option<u64> {
    let metrics = client::ask(&store.status_socket(), "/metrics").ok()?;
    metrics.lines().find_map(|line| line.strip_prefix("glassbox_collector_queue_reports "))?.parse().ok()
}

fn counted(installations: i64) -> String {
    format!("{installations} installation{}", if installations == 1 { "" } else { "s" })
}
