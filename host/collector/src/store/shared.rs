//! What all days share: installations, lists and environments, each with a number. Numbers that were looked up are
//! remembered, until another process changes the file.

use super::{Store, schema};
use crate::id::Id;
use crate::log;
use anyhow::Result;
use glassbox_util::Advised;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;

/// Numbers that are remembered of each table. 91,000 installations with 77,000 lists fit; beyond that the file is asked.
const REMEMBERED: usize = 200_000;

/// A text's hash, by which it is found.
pub(crate) type Hash = [u8; 16];

/// Whether the shared file is there, if there are days: with a new one, numbers would be given once more, and what is kept of
/// one installation would become another's.
///
/// # Errors
/// That it is missing; the message names it.
pub(crate) fn check(store: &Store) -> Result<()> {
    let file = store.shared();
    if file.exists() || store.days()?.is_empty() {
        return Ok(());
    }
    let what = format!("{} is missing, without which nobody knows of whom the days are", file.display());
    Err(Advised::new(what, "put it and the days back from one backup, or begin with an empty folder").into())
}

/// Days whose reports are looked at: newer ones have greater numbers, as a rule.
const NEWEST: usize = 2;

/// So many numbers are passed over where some are used that were not given, as there may be greater ones.
const GAP: i64 = 1_000_000;

/// To what days refer, in pings and reports; of a damaged one no number that could not be.
const USED: [(&str, &str); 3] = [
    ("installation", "max(coalesce((SELECT max(installation) FROM ping), 0), coalesce(max(installation), 0))"),
    ("list", "max(coalesce(max(plugins), 0), coalesce(max(achievements), 0))"),
    ("environment", "coalesce(max(environment), 0)"),
];

/// See that no number is given that a day refers to already, as where the file is from an older backup than the days.
pub(crate) fn raise(shared: &Connection, store: &Store) -> Result<()> {
    for day in store.days()?.into_iter().rev().take(NEWEST) {
        // One that is damaged is moved aside at its own time.
        let Ok(day) = schema::open_to_read(&store.day(day), schema::DAY) else { continue };
        for (table, used) in USED {
            let used = day.query_row(&format!("SELECT {used} FROM report"), [], |row| row.get::<_, i64>(0));
            let used = used.unwrap_or_default().min(i64::MAX / 2);
            let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0)";
            let given: i64 = shared.query_row(sql, [table], |row| row.get(0))?;
            if used > given {
                log(format_args!(
                    "{} is older than the days; what they refer to beyond it is nobody's",
                    store.shared().display()
                ));
                shared.execute("DELETE FROM sqlite_sequence WHERE name = ?", [table])?;
                shared.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", params![table, used + GAP])?;
            }
        }
    }
    Ok(())
}

/// The shared file, for writing.
pub(crate) struct Shared {
    connection: Connection,
    installations: HashMap<[u8; 16], i64>,
    lists: HashMap<Hash, i64>,
    environments: HashMap<Hash, i64>,
    /// SQLite's number of the last change by others.
    changed: i64,
}

impl Shared {
    pub(crate) fn open(file: &Path) -> Result<Self> {
        let connection = schema::open(file, schema::SHARED, true)?;
        Ok(Self {
            connection,
            installations: HashMap::new(),
            lists: HashMap::new(),
            environments: HashMap::new(),
            changed: 0,
        })
    }

    /// Begin a transaction. Until it ends, no other process writes here: who forgets an installation takes this file first.
    pub(crate) fn begin(&mut self) -> Result<()> {
        if schema::begin(&self.connection)? {
            let changed = self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
            if changed != self.changed {
                self.forget_numbers();
                self.changed = changed;
            }
        }
        Ok(())
    }

    pub(crate) fn commit(&mut self) -> Result<()> {
        schema::commit(&self.connection)
    }

    fn forget_numbers(&mut self) {
        self.installations.clear();
        self.lists.clear();
        self.environments.clear();
    }

    /// An installation's number; none if it is to be kept out. A new one is given one.
    pub(crate) fn installation(&mut self, id: Id) -> Result<Option<i64>> {
        if let Some(number) = self.installations.get(&id.0) {
            return Ok(Some(*number));
        }
        // Whoever adds one is another process or connection, and so what is remembered was forgotten.
        let mut kept_out = self.connection.prepare_cached("SELECT 1 FROM kept_out WHERE hash = ?")?;
        if kept_out.exists([hash(id.0)])? {
            return Ok(None);
        }
        let find = "SELECT number FROM installation WHERE id = ?";
        let add = "INSERT INTO installation (id) VALUES (?) RETURNING number";
        let number = self.connection.prepare_cached(find)?.query_row([id.0], |row| row.get(0)).optional()?;
        let number = match number {
            Some(number) => number,
            None => self.connection.prepare_cached(add)?.query_row([id.0], |row| row.get(0))?,
        };
        remember(&mut self.installations, id.0, number);
        Ok(Some(number))
    }

    /// The number of a list of plugins or achievements.
    pub(crate) fn list(&mut self, text: &str) -> Result<i64> {
        number(&self.connection, &mut self.lists, text, "list")
    }

    /// The number of an environment.
    pub(crate) fn environment(&mut self, text: &str) -> Result<i64> {
        number(&self.connection, &mut self.environments, text, "environment")
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

fn number(connection: &Connection, known: &mut HashMap<Hash, i64>, text: &str, table: &str) -> Result<i64> {
    let hash = hash(text);
    if let Some(number) = known.get(&hash) {
        return Ok(*number);
    }
    let find = format!("SELECT number FROM {table} WHERE hash = ?");
    let add = format!("INSERT INTO {table} (hash, text) VALUES (?, ?) RETURNING number");
    let number = connection.prepare_cached(&find)?.query_row([hash], |row| row.get(0)).optional()?;
    let number = match number {
        Some(number) => number,
        None => connection.prepare_cached(&add)?.query_row(params![hash, text], |row| row.get(0))?,
    };
    remember(known, hash, number);
    Ok(number)
}

fn remember(known: &mut HashMap<[u8; 16], i64>, key: [u8; 16], number: i64) {
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key, number);
}

/// Half of a SHA-256.
pub(crate) fn hash(of: impl AsRef<[u8]>) -> Hash {
    let mut hash = [0; 16];
    hash.copy_from_slice(&Sha256::digest(of)[..16]);
    hash
}
