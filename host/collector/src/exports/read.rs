//! One day's rows, read at once, so that a day that turns out to be damaged half way through counts for nothing.

use super::times::DAY;
use crate::store::{Store, schema};
use anyhow::Result;
use jiff::civil::Date;
use rusqlite::{Connection, Row};

/// All pings of an installation with one version.
pub(super) struct Pings {
    pub(super) installation: u32,
    pub(super) version: u32,
    /// A bit for each quarter of an hour.
    pub(super) quarters: u128,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) place: u32,
}

/// Another report.
pub(super) struct Report {
    pub(super) installation: u32,
    pub(super) second: i64,
    pub(super) event: u32,
    pub(super) version: u32,
    pub(super) environment: Option<u32>,
    pub(super) plugins: Option<u32>,
    pub(super) achievements: Option<u32>,
    pub(super) place: u32,
    /// As JSON; of events whose fields are counted only.
    pub(super) fields: Option<String>,
}

/// A day.
pub(super) struct Day {
    /// Versions and names of events, by their numbers.
    pub(super) names: Vec<(u32, String)>,
    /// Countries by the numbers of places in them; empty where none is known.
    pub(super) countries: Vec<(u32, String)>,
    pub(super) pings: Vec<Pings>,
    pub(super) reports: Vec<Report>,
}

impl Day {
    pub(super) fn read(store: &Store, day: Date) -> Result<Self> {
        let connection = schema::open_to_read(&store.day(day), schema::DAY)?;
        // One moment of it, whatever is being written.
        connection.execute_batch("BEGIN")?;
        Ok(Self {
            names: all(&connection, "SELECT number, text FROM name", |row| Ok((row.get(0)?, row.get(1)?)))?,
            countries: all(&connection, "SELECT number, country FROM place", |row| Ok((row.get(0)?, row.get(1)?)))?,
            pings: all(
                &connection,
                "SELECT installation, version, early, late, first, last, place FROM ping",
                |row| {
                    let [early, late] = [row.get::<_, i64>(2)?, row.get(3)?].map(i64::cast_unsigned);
                    Ok(Pings {
                        installation: row.get(0)?,
                        version: row.get(1)?,
                        quarters: u128::from(early) | u128::from(late) << 48,
                        first: second(row, 4)?,
                        last: second(row, 5)?,
                        place: row.get(6)?,
                    })
                },
            )?,
            reports: all(
                &connection,
                "SELECT installation, second, event, version, environment, plugins, achievements,
                     CASE WHEN event IN (SELECT number FROM name
                         WHERE text IN ('print_done', 'install_plugin', 'uninstall_plugin')) THEN fields END, place
                 FROM report",
                |row| {
                    Ok(Report {
                        installation: row.get(0)?,
                        second: second(row, 1)?,
                        event: row.get(2)?,
                        version: row.get(3)?,
                        environment: row.get(4)?,
                        plugins: row.get(5)?,
                        achievements: row.get(6)?,
                        fields: row.get(7)?,
                        place: row.get(8)?,
                    })
                },
            )?,
        })
    }
}

fn all<T>(connection: &Connection, sql: &str, read: impl FnMut(&Row) -> rusqlite::Result<T>) -> Result<Vec<T>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A second of the day. Another number is nobody's: the day is damaged where SQLite does not look.
fn second(row: &Row, column: usize) -> rusqlite::Result<i64> {
    let second = row.get(column)?;
    if (0..DAY).contains(&second) { Ok(second) } else { Err(rusqlite::Error::IntegralValueOutOfRange(column, second)) }
}
