//! The one that writes: reports of any day, in transactions. Nothing is kept of a transaction that fails, and the next one
//! begins with fresh connections.

use super::Store;
use super::day::{Day, Pings, Taken};
use super::shared::{self, Shared};
use crate::door::{Odd, Report};
use crate::geo::Place;
use crate::id::Id;
use anyhow::{Context, Result};
use jiff::civil::Date;
use std::time::Duration;

/// Writes reports.
pub struct Writer {
    store: Store,
    shared: Option<Shared>,
    day: Option<Day>,
    /// Whether the numbers that may be given were looked at.
    raised: bool,
}

impl Writer {
    /// For a store. Nothing is opened yet.
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), shared: None, day: None, raised: false }
    }

    /// Open the shared file, to see at once whether that is possible.
    ///
    /// # Errors
    /// When it cannot be opened, is damaged, or is missing though there are days; the message names it.
    pub fn open(&mut self) -> Result<()> {
        if self.shared.is_none() {
            shared::check(&self.store)?;
            let file = self.store.shared();
            let shared = Shared::open(&file).with_context(|| format!("opening {}", file.display()))?;
            // It is the same file whenever it is opened again, as after each transaction that fails.
            if !self.raised {
                shared::raise(shared.connection(), &self.store)?;
                self.raised = true;
            }
            self.shared = Some(shared);
        }
        Ok(())
    }

    /// Open a day's file, if there is one, and look whether it is damaged: of a large one that takes a while.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn open_existing(&mut self, day: Date) -> Result<()> {
        if self.day.is_none() && self.store.day(day).exists() {
            self.day = Some(Day::open(&self.store, day)?);
        }
        Ok(())
    }

    /// Add a report that arrived on this day, in this second of it. False if its installation is to be kept out.
    ///
    /// # Errors
    /// When the disk is full, say. The whole transaction is to be [given up](Self::give_up).
    pub fn write(&mut self, day: Date, second: u32, report: &Report, place: &Place) -> Result<bool> {
        let (shared, day) = self.begin(day)?;
        day.write(shared, second, report, place)
    }

    /// Add pings of an installation on this day, all with one version.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn write_pings(&mut self, day: Date, id: Id, version: &str, pings: &Pings, place: &Place) -> Result<()> {
        let (shared, day) = self.begin(day)?;
        day.write_pings(shared, id, version, pings, place)
    }

    /// Count requests that are no reports.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn count_refused(&mut self, day: Date, reason: &str, count: u64) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        self.begin(day)?.1.count_refused(reason, count)
    }

    /// Count what was odd about a report.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn count_odd(&mut self, day: Date, second: u32, odd: &[Odd]) -> Result<()> {
        let day = self.begin(day)?.1;
        odd.iter().try_for_each(|odd| day.count_odd(second, odd.kind, &odd.name))
    }

    fn begin(&mut self, day: Date) -> Result<(&mut Shared, &mut Day)> {
        if self.day.as_ref().is_some_and(|open| open.day != day) {
            self.commit()?;
            self.close_day()?;
        }
        self.open()?;
        let shared = self.shared.as_mut().context("it was just opened")?;
        // Always in this order, so that two processes never wait for each other.
        shared.begin()?;
        if self.day.is_none() {
            self.day = Some(Day::open(&self.store, day)?);
        }
        let day = self.day.as_mut().context("it was just opened")?;
        day.begin()?;
        Ok((shared, day))
    }

    /// Make sure of all that was written: the shared file first, as the day refers to it.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn commit(&mut self) -> Result<()> {
        self.shared.as_mut().map_or(Ok(()), Shared::commit)?;
        self.day.as_mut().map_or(Ok(()), Day::commit)
    }

    /// Give up what was written since the last commit.
    pub fn give_up(&mut self) {
        // Closing a connection rolls back; numbers that it gave out are forgotten with it.
        self.day = None;
        self.shared = None;
    }

    /// The day that is being written, if any.
    pub fn open_day(&self) -> Option<Date> {
        self.day.as_ref().map(|open| open.day)
    }

    /// How far a log was taken for this day; none if nothing of it was.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn imported(&mut self, day: Date, source: &[u8; 32]) -> Result<Option<Taken>> {
        self.begin(day)?.1.imported(source)
    }

    /// Remember that, in the transaction of what was taken.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn set_imported(&mut self, day: Date, source: &[u8; 32], taken: &Taken) -> Result<()> {
        self.begin(day)?.1.set_imported(source, taken)
    }

    /// Whether a day has reports, and none came from a log.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn has_live(&mut self, day: Date) -> Result<bool> {
        self.begin(day)?.1.has_live()
    }

    /// The day is over.
    ///
    /// # Errors
    /// When its file cannot be finished.
    pub fn close_day(&mut self) -> Result<()> {
        let Some(day) = self.day.take() else { return Ok(()) };
        let date = day.day;
        day.close()?;
        self.total(date)
    }

    /// Make the totals of a day, which stay when it goes.
    fn total(&mut self, date: Date) -> Result<()> {
        self.open()?;
        let shared = self.shared.as_mut().context("it was just opened")?;
        shared.begin()?;
        super::retention::total(shared.connection(), &self.store, date)?;
        shared.commit()
    }

    /// Remove days that are too old, and what only they referred to.
    ///
    /// # Errors
    /// When a file cannot be removed or read.
    pub fn retain(&mut self, today: Date, days: u32) -> Result<()> {
        self.commit()?;
        self.open()?;
        // Not while a backup is made: whoever receives does not wait for one, and the next day is as good.
        let _removing = self.store.removing(Duration::ZERO)?;
        let open = self.day.as_ref().map(|day| day.day);
        let shared = self.shared.as_mut().context("it was just opened")?;
        shared.begin()?;
        let done = super::retention::retain(shared.connection(), &self.store, today, days, open);
        shared.commit()?;
        // The numbers that are remembered may be gone.
        self.give_up_shared();
        done
    }

    fn give_up_shared(&mut self) {
        self.shared = None;
    }
}
