//! The thread that keeps what comes in: a bounded queue in front, one transaction for many reports. A report that was
//! answered is on the disk at most [`COMMIT_AFTER`] later; a crash loses no more than that.

use super::Store;
use super::clock::{BELIEVED_AFTER, Clock};
use super::counters::Counters;
use super::day::KEPT_OUT;
use super::retention::is_damage;
use super::writer::Writer;
use crate::door::{Odd, Refusal, Report};
use crate::geo::Place;
use crate::log;
use crate::thread::vital;
use anyhow::{Context, Result};
use glassbox_util::PerMinute;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a report waits at most until it is on the disk: nobody misses a fifth of a second, and a disk can do some a
/// second.
pub const COMMIT_AFTER: Duration = Duration::from_millis(200);

/// For so much of that a transaction is collected; the rest is for writing it, and the one before, as what comes in meanwhile
/// waits for both.
const COLLECT_FOR: Duration = Duration::from_millis(100);

/// Meanwhile it looks so often for what has come in: to be woken up for each report cost more than to write it.
const COLLECT_EVERY: Duration = Duration::from_millis(10);

/// And up to how many reports: as many take about 50 ms to write.
const COMMIT_REPORTS: usize = 5000;

/// Reports that may wait: ten seconds of the highest rate, or some minutes of the usual one while a store is swept.
const QUEUE: usize = 100_000;

/// And their size, as one report may have 64 KB.
const QUEUE_BYTES: usize = 64 << 20;

/// In a day's table of refusals: reports that could not be written.
const LOST: &str = "lost";

/// What a report takes in memory beside its fields.
const REPORT_BYTES: usize = 512;

/// What the keeper is told.
enum Message {
    Report(Box<Arrived>),
    Refused(i64, Refusal),
    /// A day has ended, even if nothing comes in.
    Day(i64),
    /// Say so when what came before is committed.
    Commit(Sender<()>),
    Stop,
}

/// A report that has arrived.
struct Arrived {
    at: i64,
    kept: Kept,
    since: Instant,
    bytes: usize,
}

/// What is to be kept.
pub struct Kept {
    /// The report.
    pub report: Report,
    /// Its kind, as the manifest has it; for counting.
    pub kind: String,
    /// Where it came from.
    pub place: Place,
    /// What was odd about it.
    pub odd: Vec<Odd>,
}

/// The way in.
#[derive(Clone)]
pub struct Keeper {
    queue: SyncSender<Message>,
    /// What has happened since the start.
    pub counters: Arc<Counters>,
}

/// The thread.
pub struct Keeping(JoinHandle<()>);

impl Keeper {
    /// Start the thread.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn start(store: &Store, retention_days: u32) -> Result<(Self, Keeping)> {
        let (queue, received) = sync_channel(QUEUE);
        let counters = Arc::new(Counters::default());
        let mut writer = Writer::new(store);
        writer.open()?;
        // What has begun is not left again, should the clock have jumped back meanwhile.
        let today = store.days()?.last().copied();
        let now = Timestamp::now().to_zoned(TimeZone::UTC).date();
        // Before anybody is answered: a report that waits for it would be lost in a crash.
        if let Some(day) = today.filter(|day| *day >= now)
            && let Err(error) = writer.open_existing(day)
        {
            log(format_args!("{day} cannot be written now: {error:#}"));
            writer.give_up();
        }
        let mut thread = Thread {
            writer,
            today,
            retention_days,
            counters: Arc::clone(&counters),
            complaints: PerMinute::new(1),
            noted: (0, 0),
            turned: false,
            clock: Clock::new(Instant::now(), Timestamp::now().as_second()),
            retain_from: None,
        };
        let thread = vital("keeper", move || thread.run(&received)).context("starting a thread")?;
        Ok((Self { queue, counters }, Keeping(thread)))
    }

    /// Keep a report. It is on the disk at most [`COMMIT_AFTER`] after its turn.
    ///
    /// # Errors
    /// When too many wait already.
    pub fn keep(&self, at: Timestamp, kept: Kept) -> Result<(), Refusal> {
        let text = |value: &serde_json::Value| value.as_str().map_or(32, str::len);
        let bytes = REPORT_BYTES + kept.report.fields.values().map(text).sum::<usize>() + kept.odd.len() * 96;
        if self.counters.waiting_bytes.load(Relaxed) + bytes > QUEUE_BYTES {
            self.counters.refuse(Refusal::Busy.name());
            return Err(Refusal::Busy);
        }
        self.counters.waiting_bytes.fetch_add(bytes, Relaxed);
        self.counters.waiting.inc();
        let arrived = Arrived { at: at.as_second(), kept, since: Instant::now(), bytes };
        match self.queue.try_send(Message::Report(Box::new(arrived))) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.counters.waiting_bytes.fetch_sub(bytes, Relaxed);
                self.counters.waiting.dec();
                self.counters.refuse(Refusal::Busy.name());
                Err(Refusal::Busy)
            }
        }
    }

    /// Count a request that is no report. While too much waits it is not counted, and [`Refusal::Busy`] is already.
    pub fn count(&self, at: Timestamp, refusal: Refusal) {
        if refusal == Refusal::Busy {
            return;
        }
        self.counters.refuse(refusal.name());
        let _ = self.queue.try_send(Message::Refused(at.as_second(), refusal));
    }

    /// Say that a day has begun, so that the one before ends even if nothing comes in.
    pub fn day(&self, at: Timestamp) {
        let _ = self.queue.try_send(Message::Day(at.as_second()));
    }

    /// Wait until all that came in before is on the disk: about [`COMMIT_AFTER`], as nothing is committed for the sake of
    /// this, which strangers can ask for.
    pub fn commit(&self) {
        let (done, wait) = channel();
        if self.queue.send(Message::Commit(done)).is_ok() {
            let _ = wait.recv();
        }
    }
}

impl Keeping {
    /// Write what waits, and end.
    pub fn stop(self, keeper: &Keeper) {
        // It fails only if the thread is gone, and then the process ends.
        let _ = keeper.queue.send(Message::Stop);
        let _ = self.0.join();
    }
}

struct Thread {
    writer: Writer,
    today: Option<Date>,
    retention_days: u32,
    counters: Arc<Counters>,
    complaints: PerMinute,
    /// How many that were turned away, and lost, the store knows of.
    noted: (u64, u64),
    /// Whether a part of this batch is on the disk already, as a day has ended within it.
    turned: bool,
    clock: Clock,
    /// When old days may be removed that are not yet.
    retain_from: Option<Instant>,
}

impl Thread {
    fn run(&mut self, received: &Receiver<Message>) {
        let mut go_on = true;
        while go_on {
            let Ok(first) = received.recv() else { return };
            let mut batch = vec![first];
            let until = Instant::now() + COLLECT_FOR;
            let urgent = |message: &Message| matches!(message, Message::Stop | Message::Day(_));
            while batch.len() < COMMIT_REPORTS && !batch.last().is_some_and(urgent) {
                match received.try_recv() {
                    Ok(message) => batch.push(message),
                    Err(TryRecvError::Empty) if Instant::now() < until => std::thread::sleep(COLLECT_EVERY),
                    Err(_) => break,
                }
            }
            go_on = !matches!(batch.last(), Some(Message::Stop));
            self.keep(batch);
        }
        // Whatever could not be finished is finished at the next start.
        let _ = self.writer.commit();
    }

    /// Write a batch; once more with fresh connections if that fails, as a damaged file is moved aside when it is opened.
    fn keep(&mut self, batch: Vec<Message>) {
        let reports = batch.iter().filter(|message| matches!(message, Message::Report(_))).count();
        let mut written = self.write(&batch);
        // Not if a part of it is on the disk already, as it is when a day has ended within it: nothing is kept twice.
        if written.as_ref().is_err_and(is_damage) && !self.turned {
            written = self.write(&batch);
        }
        let bytes = batch.iter().map(|message| match message {
            Message::Report(arrived) => arrived.bytes,
            _ => 0,
        });
        self.counters.waiting_bytes.fetch_sub(bytes.sum(), Relaxed);
        self.counters.waiting.dec_by(i64::try_from(reports).unwrap_or_default());
        match written {
            Ok(kept_out) => self.count_kept(&batch, &kept_out),
            Err(error) => {
                if self.complaints.allows() {
                    log(format_args!("{reports} reports cannot be kept: {error:#}"));
                }
                self.counters.lost.inc_by(u64::try_from(reports).unwrap_or_default());
            }
        }
        for message in batch {
            if let Message::Commit(done) = message {
                // Whoever asked may have gone.
                let _ = done.send(());
            }
        }
    }

    /// Count what is on the disk now.
    fn count_kept(&self, batch: &[Message], kept_out: &HashSet<usize>) {
        for (at, message) in batch.iter().enumerate() {
            let Message::Report(arrived) = message else { continue };
            if kept_out.contains(&at) {
                self.counters.refuse(KEPT_OUT);
                continue;
            }
            self.counters.reports.get_or_create(&[("kind", arrived.kept.kind.clone())]).inc();
            self.counters.commit_delay.observe(arrived.since.elapsed().as_secs_f64());
        }
    }

    /// Write a batch. Returns the places in it of reports whose installations are to be kept out.
    fn write(&mut self, batch: &[Message]) -> Result<HashSet<usize>> {
        self.turned = false;
        let mut kept_out = HashSet::new();
        let (busy, lost) = (self.counters.refused(Refusal::Busy.name()), self.counters.lost.get());
        let written = batch.iter().enumerate().try_for_each(|(at, message)| match message {
            Message::Report(arrived) => {
                let (day, second) = self.arrival(arrived.at)?;
                let Kept { report, place, odd, .. } = &arrived.kept;
                if !self.writer.write(day, second, report, place)? {
                    kept_out.insert(at);
                    return Ok(());
                }
                self.writer.count_odd(day, second, odd)
            }
            Message::Refused(at, refusal) => {
                let (day, _) = self.arrival(*at)?;
                self.writer.count_refused(day, refusal.name(), 1)
            }
            Message::Day(at) => self.arrival(*at).map(drop),
            Message::Commit(_) | Message::Stop => Ok(()),
        });
        // What was turned away or lost before is written down as soon as something can be written.
        let written = written.and_then(|()| match self.today {
            Some(day) if (busy, lost) != self.noted => {
                self.writer.count_refused(day, Refusal::Busy.name(), busy - self.noted.0)?;
                self.writer.count_refused(day, LOST, lost - self.noted.1)
            }
            _ => Ok(()),
        });
        let written = written.and_then(|()| self.writer.commit());
        match &written {
            Ok(()) => self.noted = (busy, lost),
            Err(_) => self.writer.give_up(),
        }
        written.map(|()| kept_out)
    }

    /// The day to which something belongs that arrived at this time, and the second of it. A clock that jumps back does
    /// not open a day again that has ended: until it has caught up, everything arrives in the first second of the
    /// newest day. One that jumps far ahead is believed later.
    fn arrival(&mut self, at: i64) -> Result<(Date, u32)> {
        let (at, is_ahead) = self.clock.time(Instant::now(), at);
        if is_ahead && self.complaints.allows() {
            log(format_args!(
                "the clock has jumped ahead by more than a day; it is believed when it has stayed there for an hour"
            ));
        }
        let now = Timestamp::from_second(at)?.to_zoned(TimeZone::UTC).datetime();
        let second = u32::try_from(at.rem_euclid(86_400))?;
        if self.retain_from.is_some_and(|from| from <= Instant::now()) {
            self.retain(now.date())?;
        }
        match self.today {
            Some(today) if now.date() == today => return Ok((today, second)),
            Some(today) if now.date() < today => return Ok((today, 0)),
            _ => {}
        }
        // After a while in which nothing ran, or with a clock that was wrong at the start, nothing is removed yet.
        let is_next = self.today.is_none_or(|today| today.saturating_add(2.days()) >= now.date());
        self.today = Some(now.date());
        self.turned = true;
        self.writer.commit()?;
        if let Err(error) = self.writer.close_day() {
            log(format_args!("the day before {} could not be finished: {error:#}", now.date()));
        }
        if is_next {
            self.retain(now.date())?;
        } else {
            self.retain_from = Some(Instant::now() + BELIEVED_AFTER);
            // Totals of days that ended meanwhile are made all the same.
            if let Err(error) = self.writer.retain(now.date(), 0) {
                log(format_args!("totals could not be made: {error:#}"));
            }
        }
        Ok((now.date(), second))
    }

    /// Remove what is too old.
    fn retain(&mut self, today: Date) -> Result<()> {
        self.retain_from = None;
        self.turned = true;
        self.writer.commit()?;
        if let Err(error) = self.writer.retain(today, self.retention_days) {
            log(format_args!("old days could not be removed: {error:#}"));
        }
        Ok(())
    }
}
