//! The tables of the store's two kinds of files, and how older files become newer ones. The schema's number is SQLite's
//! `user_version`; each entry of a list takes a file from its place in the list to the next.

use anyhow::{Result, bail};
use glassbox_util::Advised;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// A day: everything that came in on it, in numbers that [`SHARED`] and its own tables explain.
pub(crate) const DAY: &[&str] = &["
    -- Versions of OctoPrint and names of events.
    CREATE TABLE name (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
    CREATE TABLE place (
        number INTEGER PRIMARY KEY, continent TEXT NOT NULL, country TEXT NOT NULL, region TEXT NOT NULL,
        city TEXT NOT NULL, latitude REAL, longitude REAL
    );
    -- All pings of an installation with one version: bits of quarters of an hour (48 in each half of the day), how many,
    -- the first and the last second of the day.
    CREATE TABLE ping (
        installation INTEGER NOT NULL, version INTEGER NOT NULL, early INTEGER NOT NULL, late INTEGER NOT NULL,
        pings INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, place INTEGER NOT NULL,
        PRIMARY KEY (installation, version)
    ) WITHOUT ROWID;
    -- Every other report. What is the same again and again is an environment; the rest is JSON.
    CREATE TABLE report (
        number INTEGER PRIMARY KEY, installation INTEGER NOT NULL, second INTEGER NOT NULL, event INTEGER NOT NULL,
        version INTEGER NOT NULL, place INTEGER NOT NULL, environment INTEGER, plugins INTEGER, achievements INTEGER,
        fields TEXT
    );
    CREATE TABLE refused (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
    -- Names that no rule knows, and fields whose value does not fit.
    CREATE TABLE odd (kind TEXT NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY (kind, name)) WITHOUT ROWID;
"];

/// What all days share. Numbers are never given twice, so that a day that comes back from a backup means no other.
pub(crate) const SHARED: &[&str] = &["
    CREATE TABLE installation (number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE);
    -- Lists of plugins and of achievements, and environments: fields as JSON. The hash finds one that is known.
    CREATE TABLE list (number INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE, text TEXT NOT NULL);
    CREATE TABLE environment (number INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE, text TEXT NOT NULL);
    -- A day's totals stay when the day goes.
    CREATE TABLE total (
        day TEXT PRIMARY KEY, installations INTEGER NOT NULL, pings INTEGER NOT NULL, reports INTEGER NOT NULL,
        print_seconds INTEGER NOT NULL, refused INTEGER NOT NULL
    ) WITHOUT ROWID;
", "
    -- Installations that were forgotten and asked to be kept out: half of the SHA-256 of each id, as no file may hold the id.
    CREATE TABLE kept_out (hash BLOB PRIMARY KEY) WITHOUT ROWID;
"];

/// How long to wait for another process that writes: `forget` in a large store takes seconds.
const BUSY: Duration = Duration::from_secs(30);

/// Open a file of the store for writing, and make it or bring it up to date.
///
/// # Errors
/// When it cannot be opened, is damaged, or was made by a newer version.
pub(crate) fn open(file: &Path, schema: &[&str], durable: bool) -> Result<Connection> {
    drop(glassbox_util::files::open_own(file)?);
    let mut connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    // What is deleted is overwritten: a forgotten id is in no byte of a file.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A crash of the process loses nothing that was committed. One of the machine may lose the end of a day, but never the
    // meaning of a number, so the shared file waits for the disk.
    connection.pragma_update(None, "synchronous", if durable { "full" } else { "normal" })?;
    connection.set_prepared_statement_cache_capacity(32);
    if version(&connection)? != schema.len() {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let at = version(&transaction)?;
        if at > schema.len() {
            let what = format!("{} was made by a newer version", file.display());
            bail!(Advised::new(what, "use that version, or another folder for the data"));
        }
        for step in &schema[at..] {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", u32::try_from(schema.len())?)?;
        transaction.commit()?;
    }
    Ok(connection)
}

/// Open a file of the store for reading. Who writes is not held up.
///
/// # Errors
/// When it cannot be opened, is damaged, or is of another version.
pub(crate) fn open_to_read(file: &Path, schema: &[&str]) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    let at = version(&connection)?;
    if at != schema.len() {
        let what = format!("{} has the schema {at}, and this version reads {}", file.display(), schema.len());
        bail!(Advised::new(what, "run 'glassbox-collector run' of this version once, or use that version"));
    }
    Ok(connection)
}

/// Begin a transaction, unless one has begun: then false.
pub(crate) fn begin(connection: &Connection) -> Result<bool> {
    let begins = connection.is_autocommit();
    if begins {
        connection.execute_batch("BEGIN IMMEDIATE")?;
    }
    Ok(begins)
}

/// Commit what has begun, if anything has.
pub(crate) fn commit(connection: &Connection) -> Result<()> {
    if !connection.is_autocommit() {
        connection.execute_batch("COMMIT")?;
    }
    Ok(())
}

fn version(connection: &Connection) -> Result<usize> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))? as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_is_brought_up_to_date_and_a_newer_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shared.sqlite");
        let older = open(&file, &SHARED[..1], true).unwrap();
        older.execute("INSERT INTO list (hash, text) VALUES (x'00', 'a')", []).unwrap();
        drop(older);
        assert!(open_to_read(&file, SHARED).unwrap_err().to_string().contains("has the schema 1"));
        let newer = open(&file, SHARED, true).unwrap();
        let text: String = newer.query_row("SELECT text FROM list", [], |row| row.get(0)).unwrap();
        assert_eq!(text, "a");
        newer.execute("INSERT INTO kept_out (hash) VALUES (x'00')", []).unwrap();
        drop(newer);
        let refused = open(&file, &SHARED[..1], true).unwrap_err().to_string();
        assert!(refused.contains("was made by a newer version"), "{refused}");
    }
}
