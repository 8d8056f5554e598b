//! Keeps what runs in step with the home's files: which plugins there are, what was granted, what
//! the settings and the configuration say. It looks at the files and never believes a
//! notification; it waits for nothing but news, so that no plugin can hold it up.

mod changes;
pub mod main_loop;
mod slot;

use crate::delivery::send_queue::Tally;
use crate::home::instance_journal;
use crate::home::short_digest;
use crate::plugins::context::{HostContext, OctoPrint};
use crate::plugins::messages::{Answer, Folder, Job, LoadOutcome, Order};
use glassbox_journal::What;
use glassbox_sandbox::Plugin;
use slot::{Seat, Slot, seen};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Changes of a plugin's file are looked at when there were none for so long ..
const QUIET: Duration = Duration::from_millis(20);
/// .. but not later than this after the first: somebody may write all the time.
const LATEST: Duration = Duration::from_millis(200);

/// A new file that cannot be loaded may be half written: it is looked at again after this, and
/// only then is anything said.
const SETTLE: Duration = Duration::from_millis(500);

/// What an auditor said at a time that has not come yet is looked at again after this: the clock of a
/// Raspberry Pi is wrong until it has heard the time.
const EARLY: Duration = Duration::from_secs(30);

/// The end takes no longer than this: events that wait, then reports that wait, five seconds each, and a
/// call that has just begun.
const LAST: Duration = Duration::from_secs(15);

/// All plugins of a home, at all sites.
pub struct Supervisor {
    shared: HostContext,
    sites: Vec<Arc<OctoPrint>>,
    loader: Sender<Job>,
    slots: BTreeMap<String, Slot>,
    /// Workers that are delivering their last.
    ending: Vec<JoinHandle<Tally>>,
    /// When plugin files are to be looked at, and since when that is put off.
    due: Option<(Instant, Instant)>,
    ever_ran: usize,
    started: bool,
    /// Whether there was no plugin folder at the last look.
    missing: bool,
}

impl Supervisor {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(shared: HostContext, sites: Vec<Arc<OctoPrint>>, loader: Sender<Job>) -> Self {
        Self {
            shared,
            sites,
            loader,
            slots: BTreeMap::new(),
            ending: Vec::new(),
            due: None,
            ever_ran: 0,
            started: false,
            missing: false,
        }
    }

    /// Instances that ran, and plugin files of which none runs.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.ever_ran, self.slots.values().filter(|slot| !slot.works()).count())
    }

    /// Whether every file that was there at the start was looked at.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.slots.values().any(Slot::is_busy)
    }

    /// The start is over: files that come now may be half written.
    pub fn started(&mut self) {
        self.started = true;
    }

    /// How long there is nothing to do but to wait for news.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        let suspects = self.slots.values().filter_map(|slot| slot.suspect.as_ref().and_then(|(_, at)| *at));
        let early = self.slots.values().filter_map(|slot| slot.early);
        let next = suspects.chain(early).chain(self.due.map(|(at, _)| at)).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Something changed.
    pub fn changed(&mut self, folder: Folder, of: Option<&str>) {
        match folder {
            Folder::Plugins => {
                let now = Instant::now();
                let since = self.due.map_or(now, |(_, since)| since);
                self.due = Some(((now + QUIET).min(since + LATEST), since));
            }
            Folder::Grants => self.grants_changed(),
            Folder::Keys => self.look_at_all(),
            Folder::Settings => self.settings_changed(of),
            Folder::Root => self.config_changed(),
        }
    }

    /// Do what is due.
    pub fn on_time(&mut self) {
        let now = Instant::now();
        if self.due.is_some_and(|(at, _)| at <= now) {
            self.due = None;
            self.scan();
        }
        let mut late = Vec::new();
        for (name, slot) in &mut self.slots {
            if let Some((_, at)) = &mut slot.suspect
                && at.take_if(|at| *at <= now).is_some()
            {
                late.push(name.clone());
            } else if slot.early.take_if(|at| *at <= now).is_some() {
                late.push(name.clone());
            }
        }
        late.iter().for_each(|name| self.look(name));
    }

    /// Look at all plugin files.
    pub fn scan(&mut self) {
        let names = match self.shared.home.plugin_names() {
            Ok(names) => {
                self.missing = false;
                names
            }
            // Perhaps the folder is being exchanged; if it does not come back, its plugins are gone.
            Err(_) if !self.shared.home.plugins().exists() => {
                if !std::mem::replace(&mut self.missing, true) {
                    let now = Instant::now();
                    self.due = Some((now + SETTLE, now));
                    return;
                }
                Vec::new()
            }
            Err(error) => return tracing::warn!("{error:#}; what runs, runs on"),
        };
        let gone: Vec<_> = self.slots.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in gone {
            if self.retire(&name, &Order::Remove) {
                self.write(What::Removed, &name, None, "its file is gone");
                tracing::info!(plugin = name, "its file is gone, and it was stopped");
            }
            self.slots.remove(&name);
        }
        for name in names {
            let seen = seen(&self.shared.home, &name);
            let slot = self.slots.entry(name.clone()).or_insert_with(|| Slot::new(self.sites.len()));
            if slot.seen != seen || seen.is_none() {
                slot.seen = seen;
                self.look(&name);
            }
        }
    }

    /// Have the loader look at a file.
    fn look(&mut self, name: &str) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        if slot.loading {
            slot.again = true;
            return;
        }
        let policy = self.shared.config.policy();
        slot.loading = self.loader.send(Job { name: name.into(), sites: slot.known(), policy }).is_ok();
    }

    fn look_at_all(&mut self) {
        let names: Vec<_> = self.slots.keys().cloned().collect();
        names.iter().for_each(|name| self.look(name));
    }

    /// The loader has looked.
    pub fn loaded(&mut self, answer: Answer) {
        let Answer { name, digest, sites, outcome } = answer;
        let Some(slot) = self.slots.get_mut(&name) else { return };
        (slot.loading, slot.early) = (false, None);
        let suspect = slot.suspect.take().map(|(reason, _)| reason);
        if std::mem::take(&mut slot.again) {
            return self.look(&name);
        }
        match outcome {
            LoadOutcome::Known(None) => slot.hush(),
            LoadOutcome::Known(Some(advice)) => {
                let runs = |plugin: &&Arc<Plugin>| digest.as_ref() == Some(&plugin.digest);
                if let Some(plugin) = slot.running().filter(runs) {
                    let runs_on = format!("version {} runs on, but is not loaded again", short_digest(&plugin.digest));
                    if slot.say(&name, &format!("{runs_on}: {advice}"), false) {
                        self.write(What::Waiting, &name, digest, &advice);
                    }
                }
            }
            LoadOutcome::Ready(plugin, refused) => {
                slot.said = None;
                for number in sites.iter().filter(|number| !refused.iter().any(|(one, _)| one == *number)) {
                    slot.seats[*number].said = None;
                    slot.seats[*number].hand(&self.sites[*number], plugin.clone());
                }
                self.refused(&name, &plugin.digest, refused, suspect);
            }
            LoadOutcome::Waiting(advice) => self.waits(&name, digest, &advice),
            LoadOutcome::Unvouched(advice, early) => {
                slot.early = early.then(|| Instant::now() + EARLY);
                // What vouches for it may come right after it.
                if !self.may_be_half(&name, &advice, suspect) {
                    self.waits(&name, digest, &advice);
                }
            }
            LoadOutcome::Failed(error) => {
                let reason = format!("{error:#}");
                if self.may_be_half(&name, &reason, suspect) {
                    return;
                }
                let Some(slot) = self.slots.get_mut(&name) else { return };
                slot.failed.extend(digest.clone());
                let running = slot.running().map(|p| format!("\n  (version {} runs on)", short_digest(&p.digest)));
                if slot.say(&name, &format!("{reason}{}", running.unwrap_or_default()), true) {
                    // What the component itself says stays out of the journal: it may hold anything.
                    self.write(What::Refused, &name, digest, &error.to_string());
                }
            }
        }
    }

    /// Somebody has to do something before it can be loaded.
    fn waits(&mut self, name: &str, digest: Option<String>, advice: &str) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        let running = slot.running().map(|plugin| format!("; version {} runs on", short_digest(&plugin.digest)));
        if slot.say(name, &format!("{advice}{}", running.unwrap_or_default()), false) {
            self.write(What::Waiting, name, digest, advice);
        }
    }

    /// It does not start at these sites.
    fn refused(&mut self, name: &str, digest: &str, refused: Vec<(usize, anyhow::Error)>, suspect: Option<String>) {
        let reasons: Vec<_> = refused.iter().map(|(_, error)| format!("{error:#}")).collect();
        if refused.is_empty() || self.may_be_half(name, &reasons.join("\n"), suspect) {
            return;
        }
        for ((number, error), reason) in refused.into_iter().zip(reasons) {
            let Some((seat, site)) = self.seat(number, name) else { return };
            seat.failed.push(digest.into());
            let running = seat.running.as_ref().map(|p| format!("\n  (version {} runs on)", short_digest(&p.digest)));
            if seat.say(&site, name, &format!("{reason}{}", running.unwrap_or_default())) {
                self.write_of(&site, What::Refused, name, Some(digest.into()), &error.to_string());
            }
        }
    }

    /// Whether what failed may be half a file, and is looked at again: not at the start, when nobody is
    /// writing, and not for the same reason twice.
    fn may_be_half(&mut self, name: &str, reason: &str, suspect: Option<String>) -> bool {
        let may_be = self.started && suspect.is_none_or(|before| before != reason);
        if may_be && let Some(slot) = self.slots.get_mut(name) {
            slot.suspect = Some((reason.into(), Some(Instant::now() + SETTLE)));
        }
        may_be
    }

    fn seat(&mut self, number: usize, name: &str) -> Option<(&mut Seat, Arc<OctoPrint>)> {
        let site = self.sites.get(number)?.clone();
        Some((self.slots.get_mut(name)?.seats.get_mut(number)?, site))
    }

    /// A plugin runs this version.
    pub fn runs(&mut self, number: usize, name: &str, plugin: Arc<Plugin>) {
        let Some((seat, _)) = self.seat(number, name) else { return };
        seat.running = Some(plugin);
        if std::mem::take(&mut seat.starting) {
            self.ever_ran += 1;
        }
    }

    /// The version with this digest failed; `plugin` runs on.
    pub fn put_back(&mut self, number: usize, name: &str, bad: String, plugin: Arc<Plugin>) {
        let Some((seat, _)) = self.seat(number, name) else { return };
        seat.failed.push(bad);
        seat.running = Some(plugin);
    }

    /// A plugin did not start.
    pub fn unstarted(&mut self, number: usize, name: &str, digest: String, error: &anyhow::Error) {
        let Some((seat, site)) = self.seat(number, name) else { return };
        // Not that of a worker that was stopped meanwhile.
        if !seat.starting || seat.handed.as_ref().is_none_or(|handed| handed.digest != digest) {
            return;
        }
        (seat.starting, seat.handed, seat.worker) = (false, None, None);
        seat.failed.push(digest.clone());
        site.router.detach(name);
        if seat.say(&site, name, &format!("{error:#}")) {
            self.write_of(&site, What::Refused, name, Some(digest), &error.to_string());
        }
    }

    fn write(&self, what: What, plugin: &str, component: Option<String>, reason: &str) {
        instance_journal::note(&self.shared.journal, what, plugin, component, reason);
    }

    fn write_of(&self, site: &OctoPrint, what: What, plugin: &str, component: Option<String>, reason: &str) {
        instance_journal::note_of(site.name.as_deref(), &self.shared.journal, what, plugin, component, reason);
    }

    /// Stop a plugin everywhere; false if it did not run.
    fn retire(&mut self, name: &str, order: &Order) -> bool {
        if let Some(slot) = self.slots.get_mut(name) {
            slot.failed.clear();
        }
        // All of them, whether or not one of them ran.
        let ran = (0..self.sites.len()).filter(|number| self.retire_at(*number, name, order)).count();
        ran > 0
    }

    fn retire_at(&mut self, number: usize, name: &str, order: &Order) -> bool {
        let Some((seat, site)) = self.seat(number, name) else { return false };
        let Some(worker) = seat.retire(&site, name, order.clone()) else { return false };
        self.ending.push(worker.thread);
        true
    }

    /// The end: every plugin hears it after its last event. Returns what became of all requests.
    #[must_use]
    pub fn finish(mut self) -> Tally {
        self.sites.iter().for_each(|site| site.router.end());
        let seats = self.slots.into_values().flat_map(|slot| slot.seats);
        self.ending.extend(seats.filter_map(|seat| seat.worker).map(|worker| worker.thread));
        let end = Instant::now() + LAST;
        while Instant::now() < end && !self.ending.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let (ended, busy): (Vec<_>, Vec<_>) = self.ending.into_iter().partition(JoinHandle::is_finished);
        for thread in &busy {
            tracing::warn!("{} does not come to an end, and is left", thread.thread().name().unwrap_or("a plugin"));
        }
        let tallies = ended.into_iter().map(|thread| thread.join().unwrap_or_default());
        tallies.fold(Tally::default(), |all, one| Tally {
            sent: all.sent + one.sent,
            failed: all.failed + one.failed,
            dropped: all.dropped + one.dropped,
        })
    }
}
