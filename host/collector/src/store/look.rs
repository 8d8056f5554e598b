//! What an operator wants to know of the store, from its files: also while they are written, and while nothing runs.

use super::{Store, schema};
use anyhow::{Context, Result};
use jiff::civil::Date;
use serde::Serialize;
use std::path::Path;

/// Names that are shown of those that no rule knows.
const NAMES: u32 = 20;

const INSTALLATIONS: &str =
    "SELECT count(*) FROM (SELECT installation FROM ping UNION SELECT installation FROM report)";

/// What has come in on a day.
#[derive(Debug, Default, Serialize)]
pub struct Today {
    /// Installations that reported.
    pub installations: i64,
    /// Reports by kind, most first.
    pub reports: Vec<(String, i64)>,
    /// Requests that are no reports, by reason.
    pub refused: Vec<(String, i64)>,
    /// What no rule knows, newest first: kind and name, and how often.
    pub unknown: Vec<(String, i64)>,
}

/// What has come in on a day; nothing if there is no file of it.
///
/// # Errors
/// When the file cannot be read; the message names it.
pub fn today(store: &Store, day: Date) -> Result<Today> {
    let file = store.day(day);
    if !file.exists() {
        return Ok(Today::default());
    }
    let read = || -> Result<Today> {
        let day = schema::open_to_read(&file, schema::DAY)?;
        let rows = |sql: &str| -> Result<Vec<(String, i64)>> {
            let mut statement = day.prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        Ok(Today {
            installations: day.query_row(INSTALLATIONS, [], |row| row.get(0))?,
            reports: rows(
                "SELECT * FROM (SELECT 'ping' kind, sum(pings) count FROM ping HAVING count > 0 UNION ALL
                 SELECT iif(text = '', 'unknown', iif(text LIKE 'commerror\\_%' ESCAPE '\\', 'commerror_{reason}', text)) kind,
                 count(*) FROM report JOIN name ON name.number = event GROUP BY kind) ORDER BY count DESC, kind",
            )?,
            refused: rows("SELECT reason, count FROM refused ORDER BY count DESC, reason")?,
            unknown: rows(&format!(
                "SELECT kind || ' ' || name, count FROM odd ORDER BY last DESC, kind, name LIMIT {NAMES}"
            ))?,
        })
    };
    read().with_context(|| format!("reading {}", file.display()))
}

/// How many installations reported on a day; none if there is no file of it.
///
/// # Errors
/// When the file cannot be read.
pub fn installations(store: &Store, day: Date) -> Result<i64> {
    let file = store.day(day);
    if !file.exists() {
        return Ok(0);
    }
    Ok(schema::open_to_read(&file, schema::DAY)?.query_row(INSTALLATIONS, [], |row| row.get(0))?)
}

/// Bytes of a day's file, with what waits beside it to be written into it.
pub fn bytes_of(store: &Store, day: Date) -> u64 {
    bytes_with_log(&store.day(day))
}

/// Bytes of all days, and of what they share.
///
/// # Errors
/// When the folder cannot be read.
pub fn bytes(store: &Store) -> Result<u64> {
    let days = store.days()?.into_iter().map(|day| bytes_of(store, day)).sum::<u64>();
    Ok(days + bytes_with_log(&store.shared()))
}

fn bytes_with_log(file: &Path) -> u64 {
    let log = file.with_extension("sqlite-wal");
    [file, &log].iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Bytes that are free where the store is; none if the system does not say.
#[allow(clippy::useless_conversion)] // not everywhere
pub fn disk_free(store: &Store) -> Option<u64> {
    let free = nix::sys::statvfs::statvfs(store.folder()).ok()?;
    Some(u64::from(free.blocks_available()) * u64::from(free.fragment_size()))
}

/// How many rows a day has, and how many of them with a place: pings of an installation are one.
///
/// # Errors
/// When the file cannot be read.
pub fn placed(store: &Store, day: Date) -> Result<(i64, i64)> {
    let day = schema::open_to_read(&store.day(day), schema::DAY)?;
    let sql = "SELECT count(*), count(nullif(p.continent || p.country, '')) FROM
        (SELECT place FROM ping UNION ALL SELECT place FROM report) r JOIN place p ON p.number = r.place";
    Ok(day.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Days that cannot be read, each with the reason, and what is wrong with the file that they share.
///
/// # Errors
/// When the folder cannot be read.
pub fn damaged(store: &Store) -> Result<Vec<String>> {
    let check = |day: &Date| -> Option<String> {
        let file = store.day(*day);
        let check = || -> Result<()> {
            let day = schema::open_to_read(&file, schema::DAY)?;
            let found: String = day.pragma_query_value(None, "quick_check", |row| row.get(0))?;
            anyhow::ensure!(found == "ok", "it is damaged: {found}");
            Ok(())
        };
        check().err().map(|error| format!("{}: {error:#}", file.display()))
    };
    let shared = super::shared::check(store).err().map(|error| format!("{error:#}"));
    Ok(shared.into_iter().chain(store.days()?.iter().filter_map(check)).collect())
}
