//! Keeps what runs in step with the home's files: which plugins there are, what was granted, what
//! the settings and the configuration say. It looks at the files and never believes a
//! notification; it waits for nothing but news, so that no plugin can hold it up.

mod slot;

use crate::grants;
use crate::home::Stored;
use crate::journal::What;
use crate::ledger;
use crate::loader::{Answer, Job, Verdict};
use crate::outbox::Tally;
use crate::roots::Roots;
use crate::router::Router;
use crate::running::short;
use crate::watch::Folder;
use crate::worker::{self, Order, Shared};
use anyhow::Result;
use glassbox_sandbox::Plugin;
use slot::{Slot, seen};
use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Changes of a plugin's file are looked at when there were none for so long ..
const QUIET: Duration = Duration::from_millis(20);
/// .. but not later than this after the first: somebody may write all the time.
const LATEST: Duration = Duration::from_millis(200);

/// A new file that cannot be loaded may be half written: it is looked at again after this, and
/// only then is anything said.
const SETTLE: Duration = Duration::from_millis(500);

/// The end takes no longer than this: events that wait, then reports that wait, five seconds each, and a
/// call that has just begun.
const LAST: Duration = Duration::from_secs(15);

/// News for the supervisor.
pub enum Control {
    /// Something in a folder changed.
    Changed(Folder),
    /// The loader looked at a file.
    Loaded(Answer),
    /// A plugin runs this version.
    Runs(String, Arc<Plugin>),
    /// The version with this digest failed, and this one runs on.
    PutBack(String, String, Arc<Plugin>),
    /// A plugin did not start.
    Unstarted(String, String, anyhow::Error),
    /// The source of events has ended.
    SourceEnded(Result<()>),
    /// The user, or the system, wants an end.
    Signal,
}

/// All plugins of a home.
pub struct Supervisor {
    shared: Shared,
    router: Router,
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
    pub fn new(shared: Shared, router: Router, loader: Sender<Job>) -> Self {
        Self {
            shared,
            router,
            loader,
            slots: BTreeMap::new(),
            ending: Vec::new(),
            due: None,
            ever_ran: 0,
            started: false,
            missing: false,
        }
    }

    /// Plugins that ran, and plugin files that could not be loaded.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.ever_ran, self.slots.values().filter(|slot| slot.worker.is_none()).count())
    }

    /// Whether every file that was there at the start was looked at.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.slots.values().all(|slot| !slot.loading && !slot.starting)
    }

    /// The start is over: files that come now may be half written.
    pub fn started(&mut self) {
        self.started = true;
    }

    /// How long there is nothing to do but to wait for news.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        let suspects = self.slots.values().filter_map(|slot| slot.suspect.as_ref().and_then(|(_, at)| *at));
        let next = suspects.chain(self.due.map(|(at, _)| at)).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Something changed.
    pub fn changed(&mut self, folder: Folder) {
        match folder {
            Folder::Plugins => {
                let now = Instant::now();
                let since = self.due.map_or(now, |(_, since)| since);
                self.due = Some(((now + QUIET).min(since + LATEST), since));
            }
            Folder::Grants => self.grants_changed(),
            Folder::Settings => self.settings_changed(),
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
            if self.retire(&name, Order::Remove) {
                self.write(What::Removed, &name, None, "its file is gone");
                tracing::info!(plugin = name, "its file is gone, and it was stopped");
            }
            self.slots.remove(&name);
        }
        for name in names {
            let seen = seen(&self.shared.home, &name);
            let slot = self.slots.entry(name.clone()).or_default();
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
        let handed = slot.handed.as_ref().map(|plugin| plugin.digest.clone());
        let job = Job { name: name.into(), known: handed.into_iter().chain(slot.failed.iter().cloned()).collect() };
        slot.loading = self.loader.send(job).is_ok();
    }

    /// The loader has looked.
    pub fn loaded(&mut self, answer: Answer) {
        let Answer { name, digest, verdict } = answer;
        let Some(slot) = self.slots.get_mut(&name) else { return };
        slot.loading = false;
        let suspect = slot.suspect.take();
        if std::mem::take(&mut slot.again) {
            return self.look(&name);
        }
        match verdict {
            Verdict::Known => slot.said = None,
            Verdict::Ready(plugin) => {
                slot.said = None;
                self.hand(&name, plugin);
            }
            Verdict::Waiting(standing) => {
                let running =
                    slot.running.as_ref().map(|plugin| format!("; version {} runs on", short(&plugin.digest)));
                if let Some(advice) = standing.advice(&name)
                    && slot.say(&name, format!("{advice}{}", running.unwrap_or_default()), false)
                {
                    self.write(What::Waiting, &name, digest, &advice);
                }
            }
            Verdict::Failed(error) => {
                let reason = format!("{error:#}");
                // At the start nobody is writing; later it may be half a file.
                if self.started && suspect.is_none_or(|(before, _)| before != reason) {
                    slot.suspect = Some((reason, Some(Instant::now() + SETTLE)));
                    return;
                }
                slot.failed.extend(digest.clone());
                let running = slot.running.as_ref().map(|p| format!("\n  (version {} runs on)", short(&p.digest)));
                if slot.say(&name, format!("{reason}{}", running.unwrap_or_default()), true) {
                    // What the component itself says stays out of the journal: it may hold anything.
                    self.write(What::Refused, &name, digest, &error.to_string());
                }
            }
        }
    }

    /// Start a plugin, or have its worker take the new version.
    fn hand(&mut self, name: &str, plugin: Arc<Plugin>) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        slot.handed = Some(plugin.clone());
        if let Some(worker) = &slot.worker {
            return worker.inbox.order(Order::Replace(plugin));
        }
        match worker::start(plugin, &self.shared) {
            Ok(worker) => {
                self.router.attach(name, &worker.inbox);
                slot.worker = Some(worker);
                slot.starting = true;
            }
            Err(error) => {
                slot.handed = None;
                slot.say(name, format!("{error:#}"), true);
            }
        }
    }

    /// A plugin runs this version.
    pub fn runs(&mut self, name: &str, plugin: Arc<Plugin>) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        if std::mem::take(&mut slot.starting) {
            self.ever_ran += 1;
        }
        slot.running = Some(plugin);
    }

    /// The version with this digest failed; `plugin` runs on.
    pub fn put_back(&mut self, name: &str, bad: String, plugin: Arc<Plugin>) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        slot.failed.push(bad);
        slot.running = Some(plugin);
    }

    /// A plugin did not start.
    pub fn unstarted(&mut self, name: &str, digest: String, error: &anyhow::Error) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        // Not that of a worker that was stopped meanwhile.
        if !slot.starting || slot.handed.as_ref().is_none_or(|handed| handed.digest != digest) {
            return;
        }
        (slot.starting, slot.handed, slot.worker) = (false, None, None);
        slot.failed.push(digest.clone());
        self.router.detach(name);
        if slot.say(name, format!("{error:#}"), true) {
            self.write(What::Refused, name, Some(digest), &error.to_string());
        }
    }

    fn grants_changed(&mut self) {
        let running: Vec<_> =
            self.slots.iter().filter_map(|(name, slot)| Some((name.clone(), slot.running.clone()?))).collect();
        for (name, plugin) in running {
            let granted = match grants::read(&self.shared.home, &name) {
                Ok(granted) => granted,
                // Perhaps half written; what runs, runs on.
                Err(error) => {
                    tracing::warn!(about = name, "{error:#}");
                    continue;
                }
            };
            let standing = grants::standing(plugin.policy.manifest(), granted.as_ref());
            if let Some(advice) = standing.advice(&name)
                && self.retire(&name, Order::Revoke)
            {
                self.write(What::Revoked, &name, Some(plugin.digest.clone()), "its grant was taken back");
                tracing::info!(plugin = name, "its grant was taken back, and it was stopped; {advice}");
            }
        }
        self.look_again(true);
    }

    /// What failed may do now; with `all`, what runs may be exchanged for what waited.
    fn look_again(&mut self, all: bool) {
        let mut names = Vec::new();
        for (name, slot) in &mut self.slots {
            if all || slot.worker.is_none() || !slot.failed.is_empty() {
                slot.failed.clear();
                names.push(name.clone());
            }
        }
        names.iter().for_each(|name| self.look(name));
    }

    fn settings_changed(&mut self) {
        for (name, slot) in &mut self.slots {
            let Some(worker) = &slot.worker else { continue };
            // A no holds at once, also while the plugin is busy.
            let settings = self.shared.home.settings(name);
            if settings.is_ok_and(|settings| matches!(settings, Stored::Good(settings) if !settings.enabled())) {
                worker.close(name);
            }
            worker.settings_changed();
        }
        // Some may have failed for their settings.
        self.look_again(false);
    }

    fn config_changed(&mut self) {
        let config = self.shared.home.config();
        let config = match config.and_then(|config| Ok((Roots::load(config.ca_file.as_deref())?, config))) {
            Ok((roots, config)) => (config, roots),
            Err(error) => return tracing::warn!("the last good configuration holds: {error:#}"),
        };
        let mut shared = self.shared.config.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.0 != config.0 {
            if shared.0.octoprint != config.0.octoprint {
                tracing::warn!("which OctoPrint is followed changes when glassbox is started again");
            }
            *shared = config;
            drop(shared);
            tracing::info!("the configuration changed");
            self.slots.values().filter_map(|slot| slot.worker.as_ref()).for_each(|worker| {
                worker.inbox.order(Order::Config);
            });
        }
    }

    fn write(&self, what: What, plugin: &str, component: Option<String>, reason: &str) {
        ledger::note(&self.shared.journal, what, plugin, component, reason);
    }

    /// Stop a plugin; false if it did not run.
    fn retire(&mut self, name: &str, order: Order) -> bool {
        let Some(slot) = self.slots.get_mut(name) else { return false };
        (slot.running, slot.handed, slot.starting) = (None, None, false);
        slot.failed.clear();
        let Some(worker) = slot.worker.take() else { return false };
        self.router.detach(name);
        if matches!(order, Order::Revoke) {
            worker.close(name);
        }
        worker.inbox.order(order);
        self.ending.push(worker.thread);
        true
    }

    /// The end: every plugin hears it after its last event. Returns what became of all requests.
    #[must_use]
    pub fn finish(mut self) -> Tally {
        self.router.end();
        self.ending.extend(self.slots.into_values().filter_map(|slot| slot.worker).map(|worker| worker.thread));
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
