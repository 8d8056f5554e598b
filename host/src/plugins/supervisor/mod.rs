//! Keeps what runs in step with the home's files: which plugins there are, what was granted, what the settings and
//! the configuration say. A notification only makes it read the files; it never trusts what a notification says.
//! It waits for nothing but messages, so that no plugin can hold it up.
//!
//! The flow, from a file that is dropped into `plugins/` to a plugin that runs:
//! 1. [`Supervisor::changed`]: something changed there. When no more changes come, [`Supervisor::scan`] compares
//!    the folder with the slots, and sends the loader a job for each file whose stamp is new.
//! 2. [`Supervisor::loaded`]: the loader has answered. If the file can run, each OctoPrint's instance is assigned
//!    the new version. If not, that is logged and written to the journal, once; a file that may be half written is
//!    tried once more before anything is said.
//! 3. [`Supervisor::runs`], [`Supervisor::rolled_back`], [`Supervisor::start_failed`]: the worker reports how it went.
//!
//! Changes of grants, settings and configuration are in [`changes`]; what is known of each plugin in [`slot`]; the
//! loop that receives messages in [`main_loop`].

mod changes;
pub mod main_loop;
mod slot;

use crate::delivery::send_queue::Tally;
use crate::home::HostLock;
use crate::home::instance_journal;
use crate::home::short_digest;
use crate::plugins::context::{HostContext, OctoPrint};
use crate::plugins::messages::{Answer, Folder, Job, LoadOutcome, Order};
use glassbox_journal::What;
use glassbox_sandbox::Plugin;
use slot::{InstanceSlot, PluginSlot, stamps};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The plugin folder is scanned when nothing has changed in it for this long ..
const DEBOUNCE: Duration = Duration::from_millis(20);
/// .. but at most this long after the first change, as somebody may write all the time.
const DEBOUNCE_LIMIT: Duration = Duration::from_millis(200);

/// A new file that cannot be loaded may be half written: it is loaded again after this, and only then is
/// anything logged.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// An attestation from the future is checked again after this: the clock of a Raspberry Pi is wrong until it has
/// been set over the network.
const RECHECK_AFTER: Duration = Duration::from_secs(30);

/// Stopping takes at most this long: five seconds each for events and for reports that wait, and the rest for a
/// call that has just begun.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// All plugins of a home, with their instances for all OctoPrints.
pub struct Supervisor {
    host: HostContext,
    octoprints: Vec<Arc<OctoPrint>>,
    loader: Sender<Job>,
    slots: BTreeMap<String, PluginSlot>,
    /// Threads of workers that were told to end, and may still be delivering.
    stopping: Vec<JoinHandle<Tally>>,
    /// When to scan the plugin folder, and when the first change came that has not been scanned.
    scan_due: Option<(Instant, Instant)>,
    /// How many instances ever started.
    ever_started: usize,
    /// By which others see that the host runs.
    lock: HostLock,
    /// Whether the host's start is over.
    started: bool,
    /// Whether the plugin folder was missing at the last scan.
    missing: bool,
}

impl Supervisor {
    /// A supervisor of which nothing runs yet. Jobs go to `loader`.
    pub fn new(host: HostContext, octoprints: Vec<Arc<OctoPrint>>, loader: Sender<Job>, lock: HostLock) -> Self {
        Self {
            host,
            octoprints,
            loader,
            slots: BTreeMap::new(),
            stopping: Vec::new(),
            scan_due: None,
            ever_started: 0,
            lock,
            started: false,
            missing: false,
        }
    }

    /// How many instances ever ran, and of how many plugin files no instance runs now.
    pub fn counts(&self) -> (usize, usize) {
        (self.ever_started, self.slots.values().filter(|slot| !slot.has_worker()).count())
    }

    /// Whether all files that were found are loaded, and all workers have started or failed.
    pub fn is_settled(&self) -> bool {
        !self.slots.values().any(PluginSlot::is_busy)
    }

    /// The host's start is over: files that come from now on may be half written.
    pub fn started(&mut self) {
        self.started = true;
    }

    /// How long until [`run_due`](Self::run_due) has something to do; none if only a message can bring that.
    pub fn time_until_due(&self) -> Option<Duration> {
        let suspects = self.slots.values().filter_map(|slot| slot.suspect.as_ref().and_then(|(_, at)| *at));
        let rechecks = self.slots.values().filter_map(|slot| slot.recheck);
        let next = suspects.chain(rechecks).chain(self.scan_due.map(|(at, _)| at)).min();
        let next = next.map(|next| next.saturating_duration_since(Instant::now()));
        next.into_iter().chain(self.lock.time_until_renewal()).min()
    }

    /// Something changed in a folder; if an OctoPrint is named, only in its part of it.
    pub fn changed(&mut self, folder: Folder, octoprint: Option<&str>) {
        match folder {
            Folder::Plugins => {
                let now = Instant::now();
                let since = self.scan_due.map_or(now, |(_, since)| since);
                self.scan_due = Some(((now + DEBOUNCE).min(since + DEBOUNCE_LIMIT), since));
            }
            Folder::Grants => self.grants_changed(),
            Folder::Keys => {
                self.look_again();
                self.load_all();
            }
            Folder::Settings => self.settings_changed(octoprint),
            Folder::Root => self.config_changed(),
        }
    }

    /// Do what was put off until now: scan the plugin folder, and load files again.
    pub fn run_due(&mut self) {
        if self.lock.time_until_renewal().is_some_and(|left| left.is_zero()) {
            self.renew_lock();
        }
        let now = Instant::now();
        if self.scan_due.is_some_and(|(at, _)| at <= now) {
            self.scan_due = None;
            self.scan();
        }
        let mut due = Vec::new();
        for (name, slot) in &mut self.slots {
            if let Some((_, at)) = &mut slot.suspect
                && at.take_if(|at| *at <= now).is_some()
            {
                due.push(name.clone());
            } else if slot.recheck.take_if(|at| *at <= now).is_some() {
                due.push(name.clone());
            }
        }
        due.iter().for_each(|name| self.load(name));
    }

    /// Compare the plugin folder with the slots: stop plugins whose files are gone, load files that changed.
    pub fn scan(&mut self) {
        let names = match self.host.home.plugin_names() {
            Ok(names) => {
                self.missing = false;
                names
            }
            // Perhaps the folder is just being replaced. If it does not come back, its plugins are gone.
            Err(_) if !self.host.home.plugins().exists() => {
                if !std::mem::replace(&mut self.missing, true) {
                    let now = Instant::now();
                    self.scan_due = Some((now + RETRY_AFTER, now));
                    return;
                }
                Vec::new()
            }
            Err(error) => return tracing::warn!("{error:#}; plugins that run keep running"),
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
            let stamps = stamps(&self.host.home, &name);
            let slot = self.slots.entry(name.clone()).or_insert_with(|| PluginSlot::new(self.octoprints.len()));
            if slot.stamps != stamps || stamps.is_none() {
                slot.stamps = stamps;
                self.load(&name);
            }
        }
    }

    /// Have the loader load a plugin's file. If it is at work on that already, it does so again afterwards.
    fn load(&mut self, name: &str) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        if slot.loading {
            slot.load_again = true;
            return;
        }
        let policy = self.host.config.policy();
        slot.loading = self.loader.send(Job { name: name.into(), octoprints: slot.known(), policy }).is_ok();
    }

    fn load_all(&mut self) {
        let names: Vec<_> = self.slots.keys().cloned().collect();
        names.iter().for_each(|name| self.load(name));
    }

    /// The loader has answered.
    pub fn loaded(&mut self, answer: Answer) {
        let Answer { name, digest, octoprints, outcome } = answer;
        let Some(slot) = self.slots.get_mut(&name) else { return };
        (slot.loading, slot.recheck) = (false, None);
        let suspect = slot.suspect.take().map(|(reason, _)| reason);
        if std::mem::take(&mut slot.load_again) {
            return self.load(&name);
        }
        match outcome {
            LoadOutcome::Known(None) => {
                slot.forget_said();
                slot.look_again();
            }
            LoadOutcome::Known(Some(advice)) => {
                slot.look_again();
                let runs = |plugin: &&Arc<Plugin>| digest.as_ref() == Some(&plugin.digest);
                if let Some(plugin) = slot.running().filter(runs) {
                    let digest_shown = short_digest(&plugin.digest);
                    let what = format!("version {digest_shown} runs on, and nothing of it is sent: {advice}");
                    if slot.say(&name, &what, false) {
                        self.write(What::Waiting, &name, digest, &advice);
                    }
                }
            }
            LoadOutcome::Ready(plugin, refused) => {
                slot.said.forget();
                for number in octoprints.iter().filter(|number| !refused.iter().any(|(one, _)| one == *number)) {
                    slot.instances[*number].said.forget();
                    slot.instances[*number].assign(&self.octoprints[*number], plugin.clone());
                }
                self.refused(&name, &plugin.digest, refused, suspect);
            }
            LoadOutcome::Waiting(advice) => self.waits(&name, digest, &advice),
            LoadOutcome::Unvouched(advice, early) => {
                slot.recheck = early.then(|| Instant::now() + RECHECK_AFTER);
                // Its attestations may be written right after it.
                if !self.may_be_half_written(&name, &advice, suspect) {
                    self.waits(&name, digest, &advice);
                }
            }
            LoadOutcome::Failed(error) => {
                let reason = format!("{error:#}");
                if self.may_be_half_written(&name, &reason, suspect) {
                    return;
                }
                let Some(slot) = self.slots.get_mut(&name) else { return };
                slot.failed.extend(digest.clone());
                slot.say_stopped(&self.octoprints, &name, &reason);
                if slot.say(&name, &format!("{reason}{}", still_running(slot.running())), true) {
                    // The component's own words, which may hold anything, do not go into the journal.
                    self.write(What::Refused, &name, digest, &error.to_string());
                }
            }
        }
    }

    /// Somebody has to do something, as the advice says, before it can be loaded.
    fn waits(&mut self, name: &str, digest: Option<String>, advice: &str) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        slot.say_stopped(&self.octoprints, name, advice);
        let running = slot.running().map(|plugin| format!("; version {} keeps running", short_digest(&plugin.digest)));
        if slot.say(name, &format!("{advice}{}", running.unwrap_or_default()), false) {
            self.write(What::Waiting, name, digest, advice);
        }
    }

    /// A version does not start for these OctoPrints, by index.
    fn refused(&mut self, name: &str, digest: &str, refused: Vec<(usize, anyhow::Error)>, suspect: Option<String>) {
        let reasons: Vec<_> = refused.iter().map(|(_, error)| format!("{error:#}")).collect();
        if refused.is_empty() || self.may_be_half_written(name, &reasons.join("\n"), suspect) {
            return;
        }
        for ((number, error), reason) in refused.into_iter().zip(reasons) {
            if let Some(slot) = self.slots.get_mut(name) {
                slot.failed_for(number, digest, &error);
            }
            let Some((instance, octoprint)) = self.instance(number, name) else { return };
            let running = still_running(instance.running.as_ref());
            if instance.running.is_none() {
                instance.say_stopped(&octoprint, name, digest, &reason);
            }
            if instance.say(&octoprint, name, &format!("{reason}{running}")) {
                self.write_of(&octoprint, What::Refused, name, Some(digest.into()), &error.to_string());
            }
        }
    }

    /// Whether the file may be half written, so that it is loaded again before anything is said. Not at the host's
    /// start, when nobody is writing, and not if it failed for the same reason (`suspect`) before.
    fn may_be_half_written(&mut self, name: &str, reason: &str, suspect: Option<String>) -> bool {
        let may_be = self.started && suspect.is_none_or(|before| before != reason);
        if may_be && let Some(slot) = self.slots.get_mut(name) {
            slot.suspect = Some((reason.into(), Some(Instant::now() + RETRY_AFTER)));
        }
        may_be
    }

    fn instance(&mut self, number: usize, name: &str) -> Option<(&mut InstanceSlot, Arc<OctoPrint>)> {
        let octoprint = self.octoprints.get(number)?.clone();
        Some((self.slots.get_mut(name)?.instances.get_mut(number)?, octoprint))
    }

    /// A worker reports that it runs this version.
    pub fn runs(&mut self, number: usize, name: &str, plugin: Arc<Plugin>) {
        let Some((instance, _)) = self.instance(number, name) else { return };
        instance.running = Some(plugin);
        if std::mem::take(&mut instance.starting) {
            self.ever_started += 1;
        }
    }

    /// A worker reports that the version with the digest `failed` did, and that it went back to `plugin`.
    pub fn rolled_back(&mut self, number: usize, name: &str, failed: String, plugin: Arc<Plugin>) {
        let Some((instance, _)) = self.instance(number, name) else { return };
        instance.failed.push(failed);
        instance.running = Some(plugin);
    }

    /// A worker reports that its plugin did not start; its thread has ended.
    pub fn start_failed(&mut self, number: usize, name: &str, digest: String, error: &anyhow::Error) {
        let Some((instance, octoprint)) = self.instance(number, name) else { return };
        // Ignore the report of a worker that was told to end meanwhile.
        if !instance.starting || instance.assigned.as_ref().is_none_or(|assigned| assigned.digest != digest) {
            return;
        }
        (instance.starting, instance.assigned, instance.worker) = (false, None, None);
        instance.say_stopped(&octoprint, name, &digest, &format!("{error:#}"));
        octoprint.router.detach(name);
        if instance.say(&octoprint, name, &format!("{error:#}")) {
            self.write_of(&octoprint, What::Refused, name, Some(digest.clone()), &error.to_string());
        }
        if let Some(slot) = self.slots.get_mut(name) {
            slot.failed_for(number, &digest, error);
        }
    }

    fn write(&self, what: What, plugin: &str, component: Option<String>, reason: &str) {
        instance_journal::note(&self.host.journal, what, plugin, component, reason);
    }

    fn write_of(&self, octoprint: &OctoPrint, what: What, plugin: &str, component: Option<String>, reason: &str) {
        instance_journal::note_of(octoprint.name.as_deref(), &self.host.journal, what, plugin, component, reason);
    }

    /// Stop all instances of a plugin; false if there was none.
    fn retire(&mut self, name: &str, order: &Order) -> bool {
        if let Some(slot) = self.slots.get_mut(name) {
            slot.failed.clear();
        }
        let stopped = (0..self.octoprints.len()).filter(|number| self.retire_instance(*number, name, order)).count();
        stopped > 0
    }

    fn retire_instance(&mut self, number: usize, name: &str, order: &Order) -> bool {
        let Some((instance, octoprint)) = self.instance(number, name) else { return false };
        let Some(worker) = instance.retire(&octoprint, name, order.clone()) else { return false };
        self.stopping.push(worker.thread);
        true
    }

    /// Stop everything: each plugin handles the events that wait, then delivers. Returns what became of all requests.
    pub fn finish(mut self) -> Tally {
        self.octoprints.iter().for_each(|octoprint| octoprint.router.end());
        let instances = self.slots.into_values().flat_map(|slot| slot.instances);
        self.stopping.extend(instances.filter_map(|instance| instance.worker).map(|worker| worker.thread));
        let end = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < end && !self.stopping.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let (ended, busy): (Vec<_>, Vec<_>) = self.stopping.into_iter().partition(JoinHandle::is_finished);
        for thread in &busy {
            tracing::warn!("{} does not stop; not waiting for it", thread.thread().name().unwrap_or("a plugin"));
        }
        let tallies = ended.into_iter().map(|thread| thread.join().unwrap_or_default());
        tallies.fold(Tally::default(), |all, one| Tally {
            sent: all.sent + one.sent,
            failed: all.failed + one.failed,
            dropped: all.dropped + one.dropped,
        })
    }
}

/// A line for a message about a version that failed, on which one runs in its place; empty if there is none.
fn still_running(running: Option<&Arc<Plugin>>) -> String {
    running.map_or_else(String::new, |p| format!("\n  (version {} keeps running)", short_digest(&p.digest)))
}
