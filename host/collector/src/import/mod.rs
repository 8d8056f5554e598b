//! Reports that another server has logged, taken through the same door and into the same store as live ones, with their own
//! times and addresses. How far a log was taken is written with the reports themselves, day by day, so that whatever ends an
//! import, the same file or a longer copy of it goes on where that was, and nothing counts twice.

mod nginx;

pub use nginx::NoReport;

use crate::address::Address;
use crate::door::{Door, Incoming, Refusal};
use crate::geo::Locator;
use crate::store::Store;
use crate::store::day::Taken;
use crate::store::retention;
use crate::store::writer::Writer;
use anyhow::{Context, Result};
use glassbox_util::Advised;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use nginx::Line;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read};
use std::sync::Arc;

/// The longest line that is read: a head of 16 KB and a body of 64 KB, every byte written as four.
const LINE: u64 = 4 * (80 << 10);

/// Lines between two commits.
const COMMIT_LINES: u64 = 5000;

/// What came of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// Reports that were taken, by event.
    pub reports: BTreeMap<String, u64>,
    /// Lines that are no reports, by reason.
    pub others: BTreeMap<&'static str, u64>,
    /// Lines that were taken before.
    pub before: u64,
}

/// Takes logs into a store.
pub struct Importer {
    door: Door,
    locator: Arc<Locator>,
    writer: Writer,
    merge: bool,
    /// The first day that is kept.
    first: Date,
    now: Timestamp,
}

/// A log that is being taken.
struct Log {
    /// The first line's digest: a longer copy of a log begins with it.
    source: [u8; 32],
    /// Of all lines so far, which are those that a longer copy begins with.
    digest: Sha256,
    /// The day that is being written, and how far in the log everything of it is.
    day: Option<(Date, Taken)>,
    /// How far each day was written before, and whether this log was seen to be the same until there.
    before: HashMap<Date, (Taken, bool)>,
}

impl Importer {
    /// For a store. With `merge`, reports are added to days that have live ones. Days that would go at once are left out.
    pub fn new(
        store: &Store,
        door: Door,
        locator: Arc<Locator>,
        merge: bool,
        retention_days: u32,
        now: Timestamp,
    ) -> Self {
        let today = now.to_zoned(TimeZone::UTC).date();
        let first = retention::first_kept(today, retention_days);
        Self { door, locator, writer: Writer::new(store), merge, first, now }
    }

    /// Take a log. `progress` is told now and then how many bytes are read.
    ///
    /// # Errors
    /// When it cannot be read, the store cannot be written, or a day has live reports. What was taken until then stays, and
    /// is not taken again.
    pub fn take(&mut self, log: impl BufRead, progress: impl Fn(u64)) -> Result<Imported> {
        let mut done = Imported::default();
        let taken = self.lines(log, &mut done, &progress);
        if taken.is_err() {
            self.writer.give_up();
        }
        taken.map(|()| done)
    }

    fn lines(&mut self, mut log: impl BufRead, done: &mut Imported, progress: &impl Fn(u64)) -> Result<()> {
        let (mut at, mut number, mut line) = (0, 0_u64, Vec::new());
        let mut state: Option<Log> = None;
        loop {
            line.clear();
            let read = (&mut log).take(LINE).read_until(b'\n', &mut line).context("reading the log")? as u64;
            if read == 0 || (!line.ends_with(b"\n") && read < LINE) {
                // A line without its end is still being written; a longer copy has all of it.
                if read > 0 {
                    count(done, "the last, which has no end yet; a longer copy will have it");
                }
                break;
            }
            let state = state.get_or_insert_with(|| Log {
                source: Sha256::digest(&line).into(),
                digest: Sha256::new(),
                day: None,
                before: HashMap::new(),
            });
            state.digest.update(&line);
            let begin = at;
            at += read;
            if line.ends_with(b"\n") {
                let text = line.trim_ascii_end();
                self.line(state, begin, text, done).with_context(|| format!("line {}", number + 1))?;
            } else {
                *done.others.entry("too long").or_default() += 1;
                at += log.skip_until(b'\n').context("reading the log")? as u64;
            }
            number += 1;
            if number % COMMIT_LINES == 0 {
                self.commit(state)?;
                progress(at);
            }
        }
        if let Some(mut state) = state {
            self.commit(&mut state)?;
        }
        // Days that have ended have totals from now on; today's goes on.
        let today = self.now.to_zoned(TimeZone::UTC).date();
        if self.writer.open_day().is_some_and(|day| day < today) {
            self.writer.close_day()?;
        }
        Ok(())
    }

    fn line(&mut self, log: &mut Log, at: u64, text: &[u8], done: &mut Imported) -> Result<()> {
        let latest = self.now.checked_add(1.hour())?;
        let dated = Line::parse(text).and_then(|line| match line.at.to_zoned(TimeZone::UTC).date() {
            _ if line.at > latest => Err(NoReport::Time),
            day if day < self.first => Err(NoReport::Old),
            day => Ok((line, day)),
        });
        let (line, day) = match dated {
            Ok(dated) => dated,
            Err(why) => {
                count(done, why.name());
                return Ok(());
            }
        };
        self.turn_to(log, day)?;
        if log.was_taken(day, at)? {
            done.before += 1;
            return Ok(());
        }
        let second = u32::try_from(line.at.as_second().rem_euclid(86_400))?;
        let form = if line.is_post { &line.body[..] } else { line.query.as_bytes() };
        match self.door.take(&Incoming { path: &line.path, form, user_agent: &line.user_agent }) {
            Ok((report, odd)) => {
                let place = line.address.map(|address| self.locator.locate(&Address::new(address)));
                self.writer.write(day, second, &report, &place.unwrap_or_default())?;
                self.writer.count_odd(day, second, &odd)?;
                *done.reports.entry(report.event).or_default() += 1;
            }
            Err(refusal) => {
                self.writer.count_refused(day, refusal.name(), 1)?;
                count(done, refused(refusal));
            }
        }
        let digest = Some(log.digest.clone().finalize().into());
        log.day = Some((day, Taken { upto: at + 1, digest }));
        Ok(())
    }

    /// Write this day from now on.
    fn turn_to(&mut self, log: &mut Log, day: Date) -> Result<()> {
        if log.day.is_some_and(|(open, _)| open != day) {
            self.commit(log)?;
            log.day = None;
        }
        if log.before.contains_key(&day) {
            return Ok(());
        }
        let taken = self.writer.imported(day, &log.source)?;
        if taken.is_none() && !self.merge && self.writer.has_live(day)? {
            let what = format!("{day} has reports that did not come from a log");
            return Err(Advised::new(what, "if these are others, add them with --merge").into());
        }
        let is_seen = taken.is_none_or(|taken| taken.digest.is_none());
        log.before.insert(day, (taken.unwrap_or(Taken { upto: 0, digest: None }), is_seen));
        Ok(())
    }

    fn commit(&mut self, log: &mut Log) -> Result<()> {
        if let Some((day, taken)) = log.day {
            self.writer.set_imported(day, &log.source, &taken)?;
            log.before.insert(day, (taken, true));
        }
        self.writer.commit()
    }
}

impl Log {
    /// Whether the line that begins at this byte was taken before.
    ///
    /// # Errors
    /// When what was taken before was not what this log begins with.
    fn was_taken(&mut self, day: Date, at: u64) -> Result<bool> {
        let Some((taken, is_seen)) = self.before.get_mut(&day) else { return Ok(false) };
        if taken.upto == at + 1 {
            *is_seen = *is_seen || taken.digest == Some(self.digest.clone().finalize().into());
        }
        if taken.upto <= at + 1 && !*is_seen {
            let what = "a log with the same first line was taken before, and is not what this one begins with";
            return Err(Advised::new(what, "give that log again as it was, or a longer copy of it").into());
        }
        Ok(taken.upto > at)
    }
}

fn count(done: &mut Imported, why: &'static str) {
    *done.others.entry(why).or_default() += 1;
}

fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::UserAgent => "not from OctoPrint",
        Refusal::Id => "no id",
        _ => "another path",
    }
}
