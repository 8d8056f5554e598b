//! What goes, and what stays of it: days that are too old, what only they referred to, and the totals of a day.

use super::{Store, schema};
use crate::log;
use anyhow::{Context, Result};
use glassbox_util::files;
use jiff::civil::Date;
use rusqlite::{Connection, ErrorCode, params};
use std::collections::HashSet;
use std::fmt;

/// What SQLite found to be wrong with a file.
#[derive(Debug)]
pub(crate) struct Damage(pub(crate) String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is damaged: {}", self.0)
    }
}

impl std::error::Error for Damage {}

/// Whether this error means that a file is damaged, and not that it cannot be read now.
pub fn is_damage(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    // A file of the same name with other tables is none of ours either.
    let codes = [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase, ErrorCode::Unknown];
    error.is::<Damage>() || code.is_some_and(|code| codes.contains(&code))
}

/// Make the totals of a day, again if there are some.
pub(crate) fn total(shared: &Connection, store: &Store, date: Date) -> Result<()> {
    let file = store.day(date);
    let day = schema::open_to_read(&file, schema::DAY).with_context(|| format!("reading {}", file.display()))?;
    let number = |sql: &str| day.query_row(sql, [], |row| row.get::<_, i64>(0));
    let installations =
        number("SELECT count(*) FROM (SELECT installation FROM ping UNION SELECT installation FROM report)")?;
    let pings = number("SELECT coalesce(sum(pings), 0) FROM ping")?;
    let reports = number("SELECT count(*) FROM report")?;
    let seconds = number(
        "SELECT coalesce(sum(coalesce((SELECT sum(value) FROM json_each(fields, '$.elapsed')), 0)), 0) FROM report
         WHERE event = (SELECT number FROM name WHERE text = 'print_done')",
    )?;
    let refused = number("SELECT coalesce(sum(count), 0) FROM refused")?;
    let values = params![date.to_string(), installations, pings, reports, seconds, refused];
    shared.execute("INSERT OR REPLACE INTO total VALUES (?, ?, ?, ?, ?, ?)", values)?;
    Ok(())
}

/// The first day that is kept for so many days (0 keeps all).
pub(crate) fn first_kept(today: Date, days: u32) -> Date {
    let span = jiff::Span::new().try_days(if days == 0 { i64::MAX } else { days.into() });
    span.map_or(Date::MIN, |span| today.saturating_sub(span))
}

/// Make the totals of days that have ended and have none, as nothing ran when they did. Then remove the days before `today`
/// minus so many (0 keeps all), and what no day refers to any more. The day that is `open` has not ended.
pub(crate) fn retain(shared: &Connection, store: &Store, today: Date, days: u32, open: Option<Date>) -> Result<()> {
    let all = store.days()?;
    let has_ended = |day: &Date| *day < today && Some(*day) != open;
    for day in all.iter().filter(|day| has_ended(day)) {
        let sql = "SELECT EXISTS (SELECT 1 FROM total WHERE day = ?)";
        let has_totals: bool = shared.query_row(sql, [day.to_string()], |row| row.get(0))?;
        if !has_totals && let Err(error) = total(shared, store, *day) {
            log(format_args!("{day} is without totals: {error:#}"));
        }
    }
    let first = first_kept(today, days);
    let old: Vec<_> = all.into_iter().filter(|day| *day < first && has_ended(day)).collect();
    for day in &old {
        for end in ["sqlite", "sqlite-wal", "sqlite-shm"] {
            files::remove(&store.day(*day).with_extension(end))?;
        }
    }
    if !old.is_empty() {
        for problem in sweep(shared, store, Numbers::default())? {
            log(format_args!("what only the removed days referred to stays: {problem}"));
        }
    }
    Ok(())
}

/// The tables of the shared file to whose rows days refer, and how.
const REFERENCES: [(&str, &str); 3] = [
    ("installation", "SELECT installation FROM ping UNION SELECT installation FROM report"),
    (
        "list",
        "SELECT plugins FROM report WHERE plugins IS NOT NULL UNION
         SELECT achievements FROM report WHERE achievements IS NOT NULL",
    ),
    ("environment", "SELECT DISTINCT environment FROM report WHERE environment IS NOT NULL"),
];

/// Numbers of rows of the shared file, by [`REFERENCES`].
pub(crate) type Numbers = [HashSet<i64>; 3];

/// Remove installations, lists and environments that no day refers to. A day that cannot be read may refer to anything:
/// while there is one, which is returned, only these go, `at_least`, if no other day refers to them.
pub(crate) fn sweep(shared: &Connection, store: &Store, at_least: Numbers) -> Result<Vec<String>> {
    let (used, unreadable) = used(store)?;
    let mut candidates = at_least;
    if unreadable.is_empty() {
        for ((table, _), candidates) in REFERENCES.iter().zip(&mut candidates) {
            let mut statement = shared.prepare(&format!("SELECT number FROM {table}"))?;
            *candidates = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        }
    }
    for (((table, _), candidates), used) in REFERENCES.iter().zip(&candidates).zip(&used) {
        let mut remove = shared.prepare(&format!("DELETE FROM {table} WHERE number = ?"))?;
        for number in candidates.difference(used) {
            remove.execute([number])?;
        }
    }
    Ok(unreadable)
}

/// To what the days refer that can be read; and which cannot be.
fn used(store: &Store) -> Result<(Numbers, Vec<String>)> {
    let (mut used, mut unreadable) = (Numbers::default(), Vec::new());
    for day in store.days()? {
        let file = store.day(day);
        let mut collect = || -> Result<()> {
            let connection = schema::open_to_read(&file, schema::DAY)?;
            for ((_, sql), used) in REFERENCES.iter().zip(&mut used) {
                let mut statement = connection.prepare(sql)?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    used.insert(row.get(0)?);
                }
            }
            Ok(())
        };
        if let Err(error) = collect() {
            unreadable.push(format!("{} cannot be read: {error:#}", file.display()));
        }
    }
    Ok((used, unreadable))
}
