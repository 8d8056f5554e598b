//! What is kept of one installation, and its removal.

use crate::id::Id;
use crate::store::retention::{self, Numbers};
use crate::store::shared::hash;
use crate::store::{Store, schema};
use anyhow::{Context, Result};
use glassbox_util::Advised;
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A backup takes a minute for each ten gigabytes; who waits longer is told.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that is kept of an installation, by days; null if there is nothing. Days that cannot be read are named.
///
/// # Errors
/// When the store cannot be read; the message names the file.
pub fn show(store: &Store, id: Id) -> Result<Value> {
    let file = store.shared();
    let shared = schema::open_to_read(&file, schema::SHARED).with_context(|| format!("reading {}", file.display()))?;
    let Some(number) = number(&shared, id)? else { return Ok(Value::Null) };
    let mut days = Map::new();
    for day in store.days()? {
        let shown = show_day(store, &shared, day, number);
        match shown {
            Ok(shown) if shown == json!({"pings": [], "reports": []}) => {}
            Ok(shown) => drop(days.insert(day.to_string(), shown)),
            Err(error) => drop(days.insert(day.to_string(), json!({"cannot be read": format!("{error:#}")}))),
        }
    }
    Ok(json!({"id": id.to_string(), "days": days}))
}

fn number(shared: &Connection, id: Id) -> Result<Option<i64>> {
    Ok(shared.query_row("SELECT number FROM installation WHERE id = ?", [id.0], |row| row.get(0)).optional()?)
}

fn show_day(store: &Store, shared: &Connection, day: Date, number: i64) -> Result<Value> {
    let connection = schema::open_to_read(&store.day(day), schema::DAY)?;
    let place = "json_object('continent', continent, 'country', country, 'region', region, 'city', city,
        'latitude', latitude, 'longitude', longitude)";
    let sql = format!(
        "SELECT v.text, pings, first, last, early, late, {place} FROM ping
         JOIN name v ON v.number = version JOIN place p ON p.number = place WHERE installation = ?"
    );
    let mut statement = connection.prepare(&sql)?;
    let pings = statement.query_map([number], |row| {
        let early = u128::from(row.get::<_, i64>(4)?.cast_unsigned());
        let quarters = early | u128::from(row.get::<_, i64>(5)?.cast_unsigned()) << 48;
        let quarters = (0..96_u32).filter(|quarter| quarters >> quarter & 1 == 1);
        let quarters: Vec<_> = quarters.map(|quarter| time(i64::from(quarter) * 900)).collect();
        Ok(json!({
            "version": row.get::<_, String>(0)?,
            "pings": row.get::<_, i64>(1)?,
            "first": time(row.get(2)?),
            "last": time(row.get(3)?),
            "quarters_of_an_hour": quarters,
            "place": parsed(row.get(6)?),
        }))
    })?;
    let pings = pings.collect::<Result<Vec<_>, _>>()?;
    let sql = format!(
        "SELECT e.text, v.text, second, environment, plugins, achievements, fields, {place} FROM report
         JOIN name e ON e.number = event JOIN name v ON v.number = version JOIN place p ON p.number = place
         WHERE installation = ? ORDER BY report.number"
    );
    let text = |table: &str, number: Option<i64>| -> rusqlite::Result<Option<String>> {
        let sql = format!("SELECT text FROM {table} WHERE number = ?");
        number.map_or(Ok(None), |number| shared.query_row(&sql, [number], |row| row.get(0)).optional())
    };
    let mut statement = connection.prepare(&sql)?;
    let reports = statement.query_map([number], |row| {
        let mut fields = Map::new();
        for text in [text("environment", row.get(3)?)?, row.get(6)?].into_iter().flatten() {
            if let Value::Object(mut more) = parsed(text) {
                fields.append(&mut more);
            }
        }
        for (name, list) in [("plugins", row.get(4)?), ("achievements", row.get(5)?)] {
            fields.extend(text("list", list)?.map(|list| (name.to_string(), list.into())));
        }
        Ok(json!({
            "event": row.get::<_, String>(0)?,
            "version": row.get::<_, String>(1)?,
            "time": time(row.get(2)?),
            "place": parsed(row.get(7)?),
            "fields": fields,
        }))
    })?;
    let reports = reports.collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"pings": pings, "reports": reports}))
}

fn parsed(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// A second of the day as a time of it, in UTC.
fn time(second: i64) -> String {
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// What became of an installation that was to be forgotten.
#[derive(Debug, Default)]
pub struct Forgotten {
    /// Whether anything was kept of it.
    pub known: bool,
    /// Files that are damaged, so that what they may hold of it is still there. It has no name any more: they knew its number.
    pub damaged: Vec<PathBuf>,
}

/// Whether anything is kept under an id. Days are not looked at.
///
/// # Errors
/// When the store cannot be read; the message names the file.
pub fn is_known(store: &Store, id: Id) -> Result<bool> {
    let file = store.shared();
    let shared = schema::open_to_read(&file, schema::SHARED).with_context(|| format!("reading {}", file.display()))?;
    Ok(number(&shared, id)?.is_some())
}

/// Remove an installation from every day, and what only it referred to. The totals of days that are over stay, as do
/// backups and exports that somebody has. With `keep_out` what it reports from now on is not kept.
///
/// # Errors
/// When a file cannot be written, or was made by a newer version; the message names it. It is removed from all others then,
/// and doing it again goes on.
pub fn forget(store: &Store, id: Id, keep_out: bool) -> Result<Forgotten> {
    let _removing = store.removing(PATIENCE)?;
    let file = store.shared();
    let mut shared =
        schema::open(&file, schema::SHARED, true).with_context(|| format!("opening {}", file.display()))?;
    if keep_out {
        shared.execute("INSERT OR IGNORE INTO kept_out VALUES (?)", [hash(id.0)])?;
    }
    // Held to the end: nobody adds to it meanwhile. Who receives takes this file first, too.
    let transaction = shared.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(number) = number(&transaction, id)? else {
        return Ok(Forgotten { known: false, damaged: store.moved_aside()? });
    };
    let (mut damaged, mut failed) = (store.moved_aside()?, Vec::new());
    let mut referred = Numbers::default();
    referred[0].insert(number);
    for day in store.days()? {
        let file = store.day(day);
        match forget_on(&file, number, &mut referred) {
            Ok(()) => {}
            Err(error) if retention::is_damage(&error) => damaged.push(file),
            Err(error) => failed.push(format!("{}: {error:#}", file.display())),
        }
    }
    if !failed.is_empty() {
        let what = format!("it is removed, but not from {}", failed.join("; nor from "));
        return Err(Advised::new(what, "see to these files, and forget it again").into());
    }
    retention::sweep(&transaction, store, referred)?;
    transaction.commit()?;
    cut(&shared)?;
    Ok(Forgotten { known: true, damaged })
}

/// Remove it from a day, and note to which rows of the shared file it referred there.
fn forget_on(file: &Path, number: i64, referred: &mut Numbers) -> Result<()> {
    let connection = schema::open(file, schema::DAY, false)?;
    let mut statement =
        connection.prepare("SELECT plugins, achievements, environment FROM report WHERE installation = ?")?;
    let mut rows = statement.query([number])?;
    while let Some(row) = rows.next()? {
        let [_, lists, environments] = &mut *referred;
        lists.extend([row.get::<_, Option<i64>>(0)?, row.get(1)?].into_iter().flatten());
        environments.extend(row.get::<_, Option<i64>>(2)?);
    }
    drop(rows);
    drop(statement);
    connection.execute("DELETE FROM ping WHERE installation = ?", params![number])?;
    connection.execute("DELETE FROM report WHERE installation = ?", params![number])?;
    cut(&connection)
}

/// Put what is written into the file, and empty the log beside it: there may be what was removed.
fn cut(connection: &Connection) -> Result<()> {
    let blocked: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    anyhow::ensure!(!blocked, "the log beside it is in use; do it again");
    Ok(())
}
