//! One day's file, for writing: all pings of an installation with one version are one row, every other report is a row of
//! its own.

use super::{Store, schema};
use crate::door::Report;
use crate::geo::Place;
use crate::id::Id;
use crate::log;
use crate::store::shared::Shared;
use anyhow::{Context, Result};
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The event of which only counts and times are kept: 96 of 97 reports are such.
pub const PING: &str = "ping";

/// Names that no rule knows are counted each up to so many a day; what is beyond is counted together, under no name.
const ODD_NAMES: usize = 1000;

/// Events whose fields are the same again and again: they are kept once, as an environment.
const REPEATED: [&str; 4] = ["pong", "startup", "webui_load", "printer_connected"];

/// In the table of refusals: reports of who was forgotten and asked to be kept out.
pub(crate) const KEPT_OUT: &str = "kept_out";

/// How far logs were taken, by the digests of their first lines, with that of all bytes until then. Most days have no such
/// table, as their reports came in live. The first version's has no digest.
const IMPORTED: &str = "CREATE TABLE IF NOT EXISTS imported
    (source BLOB PRIMARY KEY, upto INTEGER NOT NULL, digest BLOB) WITHOUT ROWID";

/// How far a log was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Everything that begins before this byte.
    pub upto: u64,
    /// The SHA-256 of all lines that begin before it; none if the store's first version wrote it.
    pub digest: Option<[u8; 32]>,
}

/// Pings of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pings {
    /// A bit for each quarter of an hour in which there was one.
    pub quarters: u128,
    /// How many there were.
    pub count: u32,
    /// The second of the day in which the first was.
    pub first: u32,
    /// And the last.
    pub last: u32,
}

impl Pings {
    /// One, in this second of the day.
    pub fn one(second: u32) -> Self {
        Self { quarters: 1 << (second / 900), count: 1, first: second, last: second }
    }
}

/// A day's file, for writing.
pub(crate) struct Day {
    pub(crate) day: Date,
    connection: Connection,
    names: HashMap<String, i64>,
    places: HashMap<String, i64>,
    odd: HashSet<(String, String)>,
}

impl Day {
    /// Open a day's file, and make it unless it exists. One that is damaged is moved aside: it costs that day.
    pub(crate) fn open(store: &Store, day: Date) -> Result<Self> {
        let file = store.day(day);
        let opened = Self::open_file(store, day);
        let Err(error) = opened else { return opened };
        if !super::retention::is_damage(&error) {
            return Err(error.context(format!("opening {}", file.display())));
        }
        let aside = glassbox_util::files::move_aside(&file)?;
        for end in ["-wal", "-shm"] {
            glassbox_util::files::remove(&store.day(day).with_extension(format!("sqlite{end}")))?;
        }
        log(format_args!(
            "{} is damaged; it was moved to {}, and the day begins anew",
            file.display(),
            aside.display()
        ));
        Self::open_file(store, day).with_context(|| format!("opening {}", file.display()))
    }

    fn open_file(store: &Store, day: Date) -> Result<Self> {
        let file = store.day(day);
        let is_new = !file.exists();
        let connection = schema::open(&file, schema::DAY, false)?;
        if !is_new {
            let found: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
            anyhow::ensure!(found == "ok", super::retention::Damage(found));
        }
        let mut opened = Self { day, names: HashMap::new(), places: HashMap::new(), odd: HashSet::new(), connection };
        opened.names = opened.read("SELECT text, number FROM name", |row| Ok((row.get(0)?, row.get(1)?)))?;
        opened.places =
            opened.read("SELECT continent, country, region, city, latitude, longitude, number FROM place", |row| {
                let coordinates: Option<_> = row.get::<_, Option<f64>>(4)?.zip(row.get(5)?);
                let [continent, country, region, city] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
                Ok((key(&Place { continent, country, region, city, coordinates }), row.get(6)?))
            })?;
        opened.odd = opened.read("SELECT kind, name FROM odd", |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(opened)
    }

    fn read<T, All: FromIterator<T>>(
        &self,
        sql: &str,
        row: impl FnMut(&rusqlite::Row) -> rusqlite::Result<T>,
    ) -> Result<All> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn begin(&mut self) -> Result<()> {
        schema::begin(&self.connection).map(drop)
    }

    pub(crate) fn commit(&mut self) -> Result<()> {
        schema::commit(&self.connection)
    }

    /// The day is over: everything is in its one file, which can be copied.
    pub(crate) fn close(self) -> Result<()> {
        // With a reader in another process this has to wait for the next start.
        let _ = self.connection.pragma_update(None, "journal_mode", "delete");
        Ok(self.connection.close().map_err(|(_, error)| error)?)
    }

    /// Add a report that arrived in this second of the day. False if its installation is to be kept out, which is counted.
    pub(crate) fn write(&mut self, shared: &mut Shared, second: u32, report: &Report, place: &Place) -> Result<bool> {
        let Some(installation) = shared.installation(report.installation)? else {
            self.count_refused(KEPT_OUT, 1)?;
            return Ok(false);
        };
        let version = self.name(&report.version)?;
        let place = self.place(place)?;
        if report.event == PING {
            self.add(installation, version, place, &Pings::one(second))?;
            return Ok(true);
        }
        let event = self.name(&report.event)?;
        let mut fields = report.fields.clone();
        let mut list = |name| fields.shift_remove(name).map(|value| shared.list(&joined(&value))).transpose();
        let (plugins, achievements) = (list("plugins")?, list("achievements")?);
        let text = (!fields.is_empty()).then(|| Value::Object(fields).to_string());
        let repeated = REPEATED.contains(&report.event.as_str());
        let environment = text.as_deref().filter(|_| repeated).map(|text| shared.environment(text)).transpose()?;
        let text = text.filter(|_| !repeated);
        let add = "INSERT INTO report
            (installation, second, event, version, place, environment, plugins, achievements, fields)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let mut add = self.connection.prepare_cached(add)?;
        add.execute(params![installation, second, event, version, place, environment, plugins, achievements, text])?;
        Ok(true)
    }

    /// Add pings of an installation with one version.
    pub(crate) fn write_pings(
        &mut self,
        shared: &mut Shared,
        id: Id,
        version: &str,
        pings: &Pings,
        place: &Place,
    ) -> Result<()> {
        let Some(installation) = shared.installation(id)? else { return Ok(()) };
        let (version, place) = (self.name(version)?, self.place(place)?);
        self.add(installation, version, place, pings)
    }

    fn add(&mut self, installation: i64, version: i64, place: i64, pings: &Pings) -> Result<()> {
        let add = "INSERT INTO ping (installation, version, early, late, pings, first, last, place)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            ON CONFLICT (installation, version) DO UPDATE SET
                early = early | ?3, late = late | ?4, pings = pings + ?5,
                place = iif(last <= ?7, ?8, place), first = min(first, ?6), last = max(last, ?7)";
        let half = |shift: u32| i64::try_from(pings.quarters >> shift & ((1 << 48) - 1));
        let (early, late) = (half(0)?, half(48)?);
        let mut add = self.connection.prepare_cached(add)?;
        add.execute(params![installation, version, early, late, pings.count, pings.first, pings.last, place])?;
        Ok(())
    }

    /// How far a log was taken for this day; none if nothing of it was.
    pub(crate) fn imported(&self, source: &[u8; 32]) -> Result<Option<Taken>> {
        self.connection.execute_batch(IMPORTED)?;
        if !self.connection.column_exists(None, "imported", "digest")? {
            self.connection.execute_batch("ALTER TABLE imported ADD COLUMN digest BLOB")?;
        }
        let sql = "SELECT upto, digest FROM imported WHERE source = ?";
        let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
        let found = self.connection.query_row(sql, [source], row).optional()?;
        found.map(|(upto, digest)| Ok(Taken { upto: upto.try_into()?, digest })).transpose()
    }

    pub(crate) fn set_imported(&self, source: &[u8; 32], taken: &Taken) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO imported (source, upto, digest) VALUES (?, ?, ?)";
        self.connection.execute(sql, params![source, i64::try_from(taken.upto)?, taken.digest])?;
        Ok(())
    }

    /// Whether there are reports, and none came from a log.
    pub(crate) fn has_live(&self) -> Result<bool> {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM imported)
            AND (EXISTS (SELECT 1 FROM ping) OR EXISTS (SELECT 1 FROM report))";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Count requests that are no reports.
    pub(crate) fn count_refused(&mut self, reason: &str, count: u64) -> Result<()> {
        let count = i64::try_from(count)?;
        let add = "INSERT INTO refused (reason, count) VALUES (?1, ?2)
            ON CONFLICT DO UPDATE SET count = count + ?2";
        self.connection.prepare_cached(add)?.execute(params![reason, count])?;
        Ok(())
    }

    /// Count a name that no rule knows, or a value that does not fit.
    pub(crate) fn count_odd(&mut self, second: u32, kind: &str, name: &str) -> Result<()> {
        let mut key = (kind.to_string(), name.to_string());
        if !self.odd.contains(&key) && self.odd.len() >= ODD_NAMES {
            key.1.clear();
        }
        let add = "INSERT INTO odd (kind, name, count, last) VALUES (?1, ?2, 1, ?3)
            ON CONFLICT DO UPDATE SET count = count + 1, last = max(last, ?3)";
        self.connection.prepare_cached(add)?.execute(params![key.0, key.1, second])?;
        self.odd.insert(key);
        Ok(())
    }

    fn name(&mut self, text: &str) -> Result<i64> {
        if let Some(number) = self.names.get(text) {
            return Ok(*number);
        }
        let add = "INSERT INTO name (text) VALUES (?) RETURNING number";
        let number = self.connection.prepare_cached(add)?.query_row([text], |row| row.get(0))?;
        self.names.insert(text.into(), number);
        Ok(number)
    }

    fn place(&mut self, place: &Place) -> Result<i64> {
        let key = key(place);
        if let Some(number) = self.places.get(&key) {
            return Ok(*number);
        }
        let (latitude, longitude) = place.coordinates.unzip();
        let add = "INSERT INTO place (continent, country, region, city, latitude, longitude)
            VALUES (?, ?, ?, ?, ?, ?) RETURNING number";
        let values = params![place.continent, place.country, place.region, place.city, latitude, longitude];
        let number = self.connection.prepare_cached(add)?.query_row(values, |row| row.get(0))?;
        self.places.insert(key, number);
        Ok(number)
    }
}

/// A place as one text. No part of one has a control character.
fn key(place: &Place) -> String {
    let Place { continent, country, region, city, coordinates } = place;
    format!("{continent}\n{country}\n{region}\n{city}\n{coordinates:?}")
}

/// A list as one text, also if its key came more than once.
fn joined(value: &Value) -> String {
    match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        value => value.as_str().unwrap_or_default().into(),
    }
}
