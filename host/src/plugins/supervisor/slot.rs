//! What the supervisor knows of one plugin file ([`PluginSlot`]), and of its instance for each OctoPrint
//! ([`InstanceSlot`]). When something happens to them is decided in the supervisor itself.

use crate::home::Home;
use crate::home::running::{self, Running};
use crate::home::state::Hidden;
use crate::plugins::context::OctoPrint;
use crate::plugins::messages::Order;
use crate::plugins::worker::{self, Worker};
use glassbox_sandbox::Plugin;
use glassbox_util::Once;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One plugin file.
#[derive(Default)]
pub(super) struct PluginSlot {
    /// Its instances, one for each OctoPrint, by index.
    pub(super) instances: Vec<InstanceSlot>,
    /// Digests of versions that could not be loaded at all; not tried again before the grants change.
    pub(super) failed: Vec<String>,
    /// The stamps of the files when they were last loaded.
    pub(super) stamps: Option<Stamps>,
    /// Whether the loader is at work on it.
    pub(super) loading: bool,
    /// Whether it changed meanwhile, and must be loaded again after that.
    pub(super) load_again: bool,
    /// Why loading failed, if the file may just be half written; and when to try again, unless that is under way.
    pub(super) suspect: Option<(String, Option<Instant>)>,
    /// When to load it again by itself: an attestation is not valid yet, or its state cannot be read now.
    pub(super) recheck: Option<Instant>,
    /// What was last logged about it.
    pub(super) said: Once,
}

/// Where a state cannot be read now, it is tried again after this.
const HIDDEN_AGAIN: Duration = Duration::from_secs(5);

/// Why a plugin is stopped that may not run any more.
pub(super) const REVOKED: &str = "its grant was revoked, or cannot be read";

/// What tells whether a file changed: as long as its stamp is the same, so is its content.
type Stamp = (u64, Option<std::time::SystemTime>, u64, i64);

/// The stamps of a plugin's file and of its attestations.
pub(super) type Stamps = (Stamp, Option<Stamp>);

/// A plugin's instance for one OctoPrint.
#[derive(Default)]
pub(super) struct InstanceSlot {
    pub(super) worker: Option<Worker>,
    /// The version that runs, as the worker reported it.
    pub(super) running: Option<Arc<Plugin>>,
    /// The version that the worker was last told to run.
    pub(super) assigned: Option<Arc<Plugin>>,
    /// Whether the worker has not yet reported that it runs.
    pub(super) starting: bool,
    /// Digests of versions that failed here; not tried again before settings or grants change.
    pub(super) failed: Vec<String>,
    /// What was last logged about it.
    pub(super) said: Once,
}

impl PluginSlot {
    pub(super) fn new(octoprints: usize) -> Self {
        Self { instances: (0..octoprints).map(|_| InstanceSlot::default()).collect(), ..Self::default() }
    }

    /// Whether it waits for the loader or for a worker to start.
    pub(super) fn is_busy(&self) -> bool {
        self.loading || self.instances.iter().any(|instance| instance.starting)
    }

    /// Whether it has a worker for any OctoPrint.
    pub(super) fn has_worker(&self) -> bool {
        self.instances.iter().any(|instance| instance.worker.is_some())
    }

    /// A version that runs for any OctoPrint.
    pub(super) fn running(&self) -> Option<&Arc<Plugin>> {
        self.instances.iter().find_map(|instance| instance.running.as_ref())
    }

    /// The OctoPrints by index, each with the digests that need not be loaded for it.
    pub(super) fn known(&self) -> Vec<(usize, Vec<String>)> {
        let known = |instance: &InstanceSlot| {
            let assigned = instance.assigned.iter().map(|plugin| plugin.digest.clone());
            assigned.chain(instance.failed.iter().chain(&self.failed).cloned()).collect()
        };
        self.instances.iter().map(known).enumerate().collect()
    }

    /// Tell `status` why no version of it runs, where none does.
    pub(super) fn say_stopped(&self, octoprints: &[Arc<OctoPrint>], name: &str, reason: &str) {
        for (instance, octoprint) in self.instances.iter().zip(octoprints).filter(|(one, _)| one.worker.is_none()) {
            instance.say_stopped(octoprint, name, "", reason);
        }
    }

    /// A version failed for this OctoPrint. It is not tried again before settings or grants change, unless what was in the
    /// way may pass by itself.
    pub(super) fn failed_for(&mut self, number: usize, digest: &str, error: &anyhow::Error) {
        match error.is::<Hidden>() {
            true => self.recheck = Some(Instant::now() + HIDDEN_AGAIN),
            false => self.instances[number].failed.push(digest.into()),
        }
    }

    /// Have its instances look again at whether they may send.
    pub(super) fn look_again(&self) {
        self.instances.iter().filter_map(|instance| instance.worker.as_ref()).for_each(|one| one.look_again.order());
    }

    /// All is well: whatever goes wrong next is logged, even if it was logged before.
    pub(super) fn forget_said(&mut self) {
        self.said.forget();
        self.instances.iter_mut().for_each(|instance| instance.said.forget());
    }

    /// Log something about it, unless that was logged last; returns whether it was.
    pub(super) fn say(&mut self, name: &str, what: &str, is_error: bool) -> bool {
        let is_new = self.said.is_new(what);
        match is_error {
            true if is_new => tracing::error!(about = name, "{what}"),
            false if is_new => tracing::warn!(plugin = name, "{what}"),
            _ => {}
        }
        is_new
    }
}

impl InstanceSlot {
    /// Log an error, unless that was logged last; returns whether it was.
    pub(super) fn say(&mut self, octoprint: &OctoPrint, name: &str, what: &str) -> bool {
        let is_new = self.said.is_new(what);
        if is_new {
            tracing::error!(octoprint = octoprint.name, about = name, "{what}");
        }
        is_new
    }

    /// Tell `status` that no version runs, and why not.
    pub(super) fn say_stopped(&self, octoprint: &OctoPrint, name: &str, digest: &str, reason: &str) {
        let stopped = Running { digest: digest.into(), stopped: Some(reason.into()), worker: 0 };
        // If that fails, `status` may say that reports are sent while none are, which does no harm.
        let _ = running::write(&octoprint.home, name, &stopped);
    }

    /// Run this version: start a worker, or order the one that there is to take it.
    pub(super) fn assign(&mut self, octoprint: &Arc<OctoPrint>, plugin: Arc<Plugin>) {
        self.assigned = Some(plugin.clone());
        if let Some(worker) = &self.worker {
            return worker.event_queue.order(Order::Replace(plugin));
        }
        let name = plugin.name.clone();
        match worker::start(plugin, octoprint) {
            Ok(worker) => {
                octoprint.router.attach(&name, worker.event_queue.clone());
                self.worker = Some(worker);
                self.starting = true;
            }
            Err(error) => {
                self.assigned = None;
                self.say(octoprint, &name, &format!("{error:#}"));
            }
        }
    }

    /// Order the worker to end, and give it away; it may still be delivering. None if there was none.
    pub(super) fn retire(&mut self, octoprint: &OctoPrint, name: &str, order: Order) -> Option<Worker> {
        (self.running, self.assigned, self.starting) = (None, None, false);
        self.failed.clear();
        let worker = self.worker.take()?;
        octoprint.router.detach(name);
        if matches!(order, Order::Revoke) {
            worker.close(&octoprint.label(name), REVOKED);
            self.say_stopped(octoprint, name, "", REVOKED);
        }
        worker.event_queue.order(order);
        Some(worker)
    }
}

/// The stamps of a plugin's files now; none if there is no such plugin.
pub(super) fn stamps(home: &Home, name: &str) -> Option<Stamps> {
    Some((stamp(&home.plugin_file(name))?, stamp(&home.attestations_file(name))))
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    #[cfg(unix)]
    let (inode, changed) = {
        use std::os::unix::fs::MetadataExt;
        // The change time also shows `chmod` and `cp -p`.
        (metadata.ino(), metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec()))
    };
    #[cfg(not(unix))]
    let (inode, changed) = (0, 0);
    Some((metadata.len(), metadata.modified().ok(), inode, changed))
}
