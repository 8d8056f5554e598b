//! Where an address roughly is. The database is read into memory, not mapped: a mapped file that somebody overwrites in
//! place would kill the process. It may be exchanged at any time; whatever is wrong with it costs no report, only places.

use crate::address::Address;
use crate::log;
use glassbox_util::files;
use maxminddb::Reader;
use serde::Deserialize;
use std::fs::Metadata;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// GeoLite2 City has 60 MB, DB-IP's city file 130.
const LARGEST: usize = 512 << 20;

/// How often the file is looked at, while reports come in: often enough for who has just replaced it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A name in a place is a city's, not a story.
const NAME_CHARS: usize = 128;

/// A rough place. Whatever is not known is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// Two letters: `EU`.
    pub continent: String,
    /// Two letters: `SE`.
    pub country: String,
    /// A name, or a code where there is none: `Östergötland County`.
    pub region: String,
    /// A name: `Linköping`.
    pub city: String,
    /// Latitude and longitude, if they are kept.
    pub coordinates: Option<(f64, f64)>,
}

/// The parts of GeoLite2 City that are kept; all may be missing, as in a database of countries.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    continent: Option<Part<'a>>,
    country: Option<Part<'a>>,
    registered_country: Option<Part<'a>>,
    subdivisions: Option<Vec<Part<'a>>>,
    city: Option<Part<'a>>,
    location: Option<Location>,
}

#[derive(Default, Deserialize)]
struct Part<'a> {
    code: Option<&'a str>,
    iso_code: Option<&'a str>,
    #[serde(borrow)]
    names: Option<Names<'a>>,
}

#[derive(Deserialize)]
struct Names<'a> {
    en: Option<&'a str>,
}

#[derive(Deserialize)]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// What is known of the database's file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What kind it is and when it was built, in seconds since 1970; none if none is in use.
    pub database: Option<(String, u64)>,
    /// That the file cannot be used, and why. What was in use before stays in use.
    pub problem: Option<String>,
}

impl State {
    /// How old the database is, in seconds; none if none is in use.
    pub fn age(&self, now: jiff::Timestamp) -> Option<i64> {
        let (_, built) = self.database.as_ref()?;
        Some(now.as_second().saturating_sub(i64::try_from(*built).unwrap_or_default()))
    }
}

/// Looks up places.
pub struct Locator {
    file: Option<PathBuf>,
    coordinates: bool,
    reader: RwLock<Option<Arc<Reader<Vec<u8>>>>>,
    seen: Mutex<Seen>,
    loading: AtomicBool,
    state: Mutex<State>,
    /// Look-ups that the database failed at.
    failed: AtomicU64,
}

/// The file as it was looked at last.
struct Seen {
    at: Instant,
    file: Option<(SystemTime, u64, u64)>,
}

impl Locator {
    /// With a database, or without one.
    pub fn new(file: Option<&Path>, coordinates: bool) -> Arc<Self> {
        let locator = Self {
            file: file.map(Into::into),
            coordinates,
            reader: RwLock::default(),
            seen: Mutex::new(Seen { at: Instant::now(), file: None }),
            loading: AtomicBool::new(false),
            state: Mutex::default(),
            failed: AtomicU64::new(0),
        };
        if let Some(file) = &locator.file {
            locator.set_seen(stamp(file));
            locator.load(file);
        }
        Arc::new(locator)
    }

    /// Where this is; all is empty if that is not known.
    pub fn locate(self: &Arc<Self>, address: &Address) -> Place {
        self.look_again();
        let Some(reader) = self.reader.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone() else {
            return Place::default();
        };
        // Its reader answers damaged files with errors; should it panic at one after all, that costs no report.
        let found = catch_unwind(AssertUnwindSafe(|| look_up(&reader, address, self.coordinates)));
        found.ok().flatten().unwrap_or_else(|| {
            self.failed.fetch_add(1, Relaxed);
            Place::default()
        })
    }

    /// How the database is.
    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Tell the operator if the file cannot be used.
    pub fn log_problem(&self) {
        if let Some(problem) = self.state().problem {
            log(format_args!("{problem}"));
        }
    }

    /// How many look-ups the database failed at.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Take a changed file, in a thread of its own: nobody waits for 130 MB.
    fn look_again(self: &Arc<Self>) {
        let Some(file) = &self.file else { return };
        {
            let Ok(mut seen) = self.seen.try_lock() else { return };
            if seen.at.elapsed() < LOOK_AGAIN || self.loading.load(Relaxed) {
                return;
            }
            seen.at = Instant::now();
            let now = stamp(file);
            if now == seen.file {
                return;
            }
            seen.file = now;
            self.loading.store(true, Relaxed);
        }
        let locator = Arc::clone(self);
        let loader = std::thread::Builder::new().name("places".into());
        let started = loader.spawn(move || {
            if let Some(file) = &locator.file {
                locator.load(file);
                locator.log_problem();
            }
            locator.loading.store(false, Relaxed);
        });
        if started.is_err() {
            self.loading.store(false, Relaxed);
            self.set_seen(None);
        }
    }

    fn set_seen(&self, stamp: Option<(SystemTime, u64, u64)>) {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).file = stamp;
    }

    fn load(&self, file: &Path) {
        let read = files::read_bounded(file, LARGEST).map_err(|error| error.to_string());
        let opened = read.and_then(|bytes| {
            let opened = catch_unwind(|| Reader::from_source(bytes).map_err(|error| error.to_string()));
            opened.unwrap_or_else(|_| Err("it is damaged".into()))
        });
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match opened {
            Ok(reader) => {
                let metadata = reader.metadata();
                let database = Some((metadata.database_type.clone(), metadata.build_epoch));
                *state = State { database, problem: None };
                *self.reader.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::new(reader));
            }
            Err(problem) => {
                state.problem = Some(format!("the database of places {} cannot be used: {problem}", file.display()));
            }
        }
    }
}

/// What changes when a file is replaced or overwritten.
fn stamp(file: &Path) -> Option<(SystemTime, u64, u64)> {
    #[cfg(unix)]
    let inode = |metadata: &Metadata| std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = |_: &Metadata| 0;
    let metadata = file.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len(), inode(&metadata)))
}

/// None if the database fails at it; an empty place if it just does not know.
fn look_up(reader: &Reader<Vec<u8>>, address: &Address, coordinates: bool) -> Option<Place> {
    // A database of IPv4 only knows nothing of others.
    let Ok(found) = reader.lookup(address.get()) else {
        return (address.get().is_ipv6() && reader.metadata().ip_version == 4).then(Place::default);
    };
    let Some(record) = found.decode::<Record>().ok()? else { return Some(Place::default()) };
    let cut = |text: &str| text.chars().take(NAME_CHARS).filter(|c| !c.is_control()).collect::<String>();
    let code = |part: &Part| part.code.or(part.iso_code).map(cut).unwrap_or_default();
    let name = |part: &Part| part.names.as_ref().and_then(|names| names.en).or(part.iso_code).map(cut);
    let location = record.location.filter(|_| coordinates);
    let region = record.subdivisions.as_ref().and_then(|all| all.first());
    Some(Place {
        continent: record.continent.as_ref().map(code).unwrap_or_default(),
        country: record.country.or(record.registered_country).as_ref().map(code).unwrap_or_default(),
        region: region.and_then(name).unwrap_or_default(),
        city: record.city.as_ref().and_then(name).unwrap_or_default(),
        coordinates: location.and_then(|location| location.latitude.zip(location.longitude)),
    })
}
