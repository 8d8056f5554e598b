//! `import`: take what another server has logged.

use super::arguments::Place;
use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;
use glassbox_collector::door::Door;
use glassbox_collector::geo::Locator;
use glassbox_collector::import::{Imported, Importer};
use glassbox_collector::store::Store;
use glassbox_util::files;
use glassbox_util::text::shown;
use jiff::Timestamp;
use std::fmt::Write;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};

/// How a file begins that gzip has written.
const GZIP: &[u8] = &[0x1f, 0x8b];

pub(super) fn run(place: &Place, logs: &[PathBuf], merge: bool) -> Result<()> {
    let config = place.read()?;
    let store = Store::open(&config.data)?;
    let door = Door::read(config.manifest.as_deref())?;
    // Two that take one log would each take all of it.
    let _alone = store.importing()?;
    let locator = Locator::new(config.geo_database.as_deref(), config.coordinates);
    locator.log_problem();
    let mut importer = Importer::new(&store, door, locator, merge, config.retention_days, Timestamp::now());
    for log in logs {
        let (mut bytes, mut all): (Box<dyn BufRead>, _) = if log == Path::new("-") {
            (Box::new(stdin().lock()), None)
        } else {
            let file = files::open_regular(log).with_context(|| format!("opening {}", log.display()))?;
            let length = file.metadata().map(|metadata| metadata.len()).ok();
            (Box::new(BufReader::with_capacity(1 << 20, file)), length)
        };
        // As logs are kept that have been rotated.
        if bytes.fill_buf().with_context(|| format!("reading {}", log.display()))?.starts_with(GZIP) {
            (bytes, all) = (Box::new(BufReader::with_capacity(1 << 20, MultiGzDecoder::new(bytes))), None);
        }
        let progress = |read: u64| {
            let part = all.filter(|all| *all > 0).map_or(String::new(), |all| format!(", {} %", 100 * read / all));
            super::progress(&format!("{} MB{part}", read >> 20));
        };
        let imported = importer.take(bytes, progress).with_context(|| log.display().to_string())?;
        super::print(&told(log, &imported))?;
    }
    Ok(())
}

fn told(log: &Path, imported: &Imported) -> String {
    let reports: u64 = imported.reports.values().sum();
    let mut out = format!("{}: {reports} reports\n", shown(&log.to_string_lossy()));
    // Writing to a string does not fail.
    for (event, count) in &imported.reports {
        let _ = writeln!(out, "  {count:9} {}", if event.is_empty() { "of a name that no rule knows" } else { event });
    }
    for (why, count) in &imported.others {
        let _ = writeln!(out, "  {count:9} lines are no reports: {why}");
    }
    if imported.before > 0 {
        let _ = writeln!(out, "  {:9} were taken before", imported.before);
    }
    out
}
