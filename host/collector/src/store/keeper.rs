//! The thread that keeps what comes in: a bounded queue in front, one transaction for many reports. A report that was
//! answered is on the disk at most [`COMMIT_AFTER`] later; a crash loses no more than that.

use super::Store;
use super::retention::is_damage;
use super::writer::Writer;
use crate::door::{Odd, Refusal, Report};
use crate::geo::Place;
use anyhow::{Context, Result};
use glassbox_util::PerMinute;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a transaction is collected for: nobody misses a fifth of a second, and a disk can do five a second.
pub const COMMIT_AFTER: Duration = Duration::from_millis(200);

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
    /// Commit, and say so.
    Commit(Sender<()>),
    Stop,
}

/// A report that has arrived.
struct Arrived {
    at: i64,
    report: Report,
    place: Place,
    odd: Vec<Odd>,
    bytes: usize,
}

/// What has happened since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Reports on the disk.
    pub kept: AtomicU64,
    /// Reports that could not be written.
    pub lost: AtomicU64,
    /// Reports that were turned away because too many waited.
    pub busy: AtomicU64,
    /// Reports that wait: what a crash would lose now.
    pub waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
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
            eprintln!("{day} cannot be written now: {error:#}");
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
        };
        let name = std::thread::Builder::new().name("keeper".into());
        let thread = name.spawn(move || thread.run(&received)).context("starting a thread")?;
        Ok((Self { queue, counters }, Keeping(thread)))
    }

    /// Keep a report. It is on the disk at most [`COMMIT_AFTER`] after its turn.
    ///
    /// # Errors
    /// When too many wait already.
    pub fn keep(&self, at: Timestamp, report: Report, place: Place, odd: Vec<Odd>) -> Result<(), Refusal> {
        let text = |value: &serde_json::Value| value.as_str().map_or(32, str::len);
        let bytes = REPORT_BYTES + report.fields.values().map(text).sum::<usize>() + odd.len() * 96;
        if self.counters.waiting_bytes.load(Relaxed) + bytes > QUEUE_BYTES {
            self.counters.busy.fetch_add(1, Relaxed);
            return Err(Refusal::Busy);
        }
        self.counters.waiting_bytes.fetch_add(bytes, Relaxed);
        self.counters.waiting.fetch_add(1, Relaxed);
        let arrived = Arrived { at: at.as_second(), report, place, odd, bytes };
        match self.queue.try_send(Message::Report(Box::new(arrived))) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.counters.waiting_bytes.fetch_sub(bytes, Relaxed);
                self.counters.waiting.fetch_sub(1, Relaxed);
                self.counters.busy.fetch_add(1, Relaxed);
                Err(Refusal::Busy)
            }
        }
    }

    /// Count a request that is no report. While too much waits it is not counted, and [`Refusal::Busy`] is already.
    pub fn count(&self, at: Timestamp, refusal: Refusal) {
        if refusal == Refusal::Busy {
            return;
        }
        let _ = self.queue.try_send(Message::Refused(at.as_second(), refusal));
    }

    /// Say that a day has begun, so that the one before ends even if nothing comes in.
    pub fn day(&self, at: Timestamp) {
        let _ = self.queue.try_send(Message::Day(at.as_second()));
    }

    /// Wait until all that came in before is on the disk.
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
        // It fails only if the thread is gone.
        let _ = keeper.queue.send(Message::Stop);
        if self.0.join().is_err() {
            eprintln!("the keeper's thread has panicked");
        }
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
    /// Whether a day has ended within this batch.
    turned: bool,
}

impl Thread {
    fn run(&mut self, received: &Receiver<Message>) {
        let mut go_on = true;
        while go_on {
            let Ok(first) = received.recv() else { return };
            let mut batch = vec![first];
            let until = Instant::now() + COMMIT_AFTER;
            let urgent = |message: &Message| matches!(message, Message::Commit(_) | Message::Stop | Message::Day(_));
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
        self.counters.waiting.fetch_sub(reports, Relaxed);
        let count = u64::try_from(reports).unwrap_or_default();
        match written {
            Ok(()) => self.counters.kept.fetch_add(count, Relaxed),
            Err(error) => {
                if self.complaints.allows() {
                    eprintln!("{reports} reports cannot be kept: {error:#}");
                }
                self.counters.lost.fetch_add(count, Relaxed)
            }
        };
        for message in batch {
            if let Message::Commit(done) = message {
                // Whoever asked may have gone.
                let _ = done.send(());
            }
        }
    }

    fn write(&mut self, batch: &[Message]) -> Result<()> {
        self.turned = false;
        let [busy, lost] = [&self.counters.busy, &self.counters.lost].map(|counter| counter.load(Relaxed));
        let written = batch.iter().try_for_each(|message| match message {
            Message::Report(arrived) => {
                let (day, second) = self.arrival(arrived.at)?;
                self.writer.write(day, second, &arrived.report, &arrived.place)?;
                self.writer.count_odd(day, second, &arrived.odd)
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
        written
    }

    /// The day to which something belongs that arrived at this time, and the second of it. A clock that jumps back does
    /// not open a day again that has ended: until it has caught up, everything arrives in the first second of the
    /// newest day.
    fn arrival(&mut self, at: i64) -> Result<(Date, u32)> {
        let now = Timestamp::from_second(at)?.to_zoned(TimeZone::UTC).datetime();
        let second = u32::try_from(at.rem_euclid(86_400))?;
        match self.today {
            Some(today) if now.date() == today => return Ok((today, second)),
            Some(today) if now.date() < today => return Ok((today, 0)),
            _ => {}
        }
        self.today = Some(now.date());
        self.turned = true;
        self.writer.commit()?;
        if let Err(error) = self.writer.close_day() {
            eprintln!("the day before {} could not be finished: {error:#}", now.date());
        }
        if let Err(error) = self.writer.retain(now.date(), self.retention_days) {
            eprintln!("old days could not be removed: {error:#}");
        }
        Ok((now.date(), second))
    }
}
