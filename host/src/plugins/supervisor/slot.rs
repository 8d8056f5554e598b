//! What the supervisor knows of one plugin file, and of each site's instance of it.

use crate::home::Home;
use crate::plugins::context::OctoPrint;
use crate::plugins::messages::Order;
use crate::plugins::worker::{self, Worker};
use glassbox_sandbox::Plugin;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// One plugin file.
#[derive(Default)]
pub(super) struct Slot {
    /// Those who run it, one for each site, by number.
    pub(super) seats: Vec<Seat>,
    /// Digests that failed for all: not to be tried again before grants change.
    pub(super) failed: Vec<String>,
    /// What the file looked like when it was looked at.
    pub(super) seen: Option<Seen>,
    /// Whether the loader is busy with it, and whether to look again after that.
    pub(super) loading: bool,
    pub(super) again: bool,
    /// A failure that may be a file half written, and when to look again.
    pub(super) suspect: Option<(String, Option<Instant>)>,
    /// When to look again at what waits for a time to come.
    pub(super) early: Option<Instant>,
    /// What was last said, so that it is said once.
    pub(super) said: Option<String>,
}

/// A file from outside: as long as this is the same, its content is.
type Look = (u64, Option<std::time::SystemTime>, u64, i64);

/// A plugin's file, and what auditors say about it.
pub(super) type Seen = (Look, Option<Look>);

/// A site's instance of it.
#[derive(Default)]
pub(super) struct Seat {
    pub(super) worker: Option<Worker>,
    /// The version that runs.
    pub(super) running: Option<Arc<Plugin>>,
    /// The version that was handed to the worker.
    pub(super) handed: Option<Arc<Plugin>>,
    /// Whether its worker has not said yet that it runs.
    pub(super) starting: bool,
    /// Digests that failed here: not to be tried again before settings or grants change.
    pub(super) failed: Vec<String>,
    /// What was last said, so that it is said once.
    pub(super) said: Option<String>,
}

impl Slot {
    pub(super) fn new(sites: usize) -> Self {
        Self { seats: (0..sites).map(|_| Seat::default()).collect(), ..Self::default() }
    }

    /// Whether a seat waits for the loader or for its worker.
    pub(super) fn is_busy(&self) -> bool {
        self.loading || self.seats.iter().any(|seat| seat.starting)
    }

    /// Whether it runs anywhere.
    pub(super) fn works(&self) -> bool {
        self.seats.iter().any(|seat| seat.worker.is_some())
    }

    /// A version that runs.
    pub(super) fn running(&self) -> Option<&Arc<Plugin>> {
        self.seats.iter().find_map(|seat| seat.running.as_ref())
    }

    /// What is known to each site, by number.
    pub(super) fn known(&self) -> Vec<(usize, Vec<String>)> {
        let known = |seat: &Seat| {
            let handed = seat.handed.iter().map(|plugin| plugin.digest.clone());
            handed.chain(seat.failed.iter().chain(&self.failed).cloned()).collect()
        };
        self.seats.iter().map(known).enumerate().collect()
    }

    /// There is nothing to say any more.
    pub(super) fn hush(&mut self) {
        self.said = None;
        self.seats.iter_mut().for_each(|seat| seat.said = None);
    }

    /// Say it, unless that was the last thing that was said.
    pub(super) fn say(&mut self, name: &str, what: &str, is_error: bool) -> bool {
        let said = is_new(&mut self.said, what);
        match is_error {
            true if said => tracing::error!(about = name, "{what}"),
            false if said => tracing::warn!(plugin = name, "{what}"),
            _ => {}
        }
        said
    }
}

impl Seat {
    /// Say it, unless that was the last thing that was said.
    pub(super) fn say(&mut self, site: &OctoPrint, name: &str, what: &str) -> bool {
        let said = is_new(&mut self.said, what);
        if said {
            tracing::error!(octoprint = site.name, about = name, "{what}");
        }
        said
    }

    /// Start a worker, or have the one that there is take the new version.
    pub(super) fn hand(&mut self, site: &Arc<OctoPrint>, plugin: Arc<Plugin>) {
        self.handed = Some(plugin.clone());
        if let Some(worker) = &self.worker {
            return worker.inbox.order(Order::Replace(plugin));
        }
        let name = plugin.name.clone();
        match worker::start(plugin, site) {
            Ok(worker) => {
                site.router.attach(&name, worker.inbox.clone());
                self.worker = Some(worker);
                self.starting = true;
            }
            Err(error) => {
                self.handed = None;
                self.say(site, &name, &format!("{error:#}"));
            }
        }
    }

    /// Stop it; the worker, if there was one, is delivering its last.
    pub(super) fn retire(&mut self, site: &OctoPrint, name: &str, order: Order) -> Option<Worker> {
        (self.running, self.handed, self.starting) = (None, None, false);
        self.failed.clear();
        let worker = self.worker.take()?;
        site.router.detach(name);
        if matches!(order, Order::Revoke) {
            worker.close(&site.label(name));
        }
        worker.inbox.order(order);
        Some(worker)
    }
}

/// Whether it was not the last thing that was said; it is now.
fn is_new(said: &mut Option<String>, what: &str) -> bool {
    let is_new = said.as_deref() != Some(what);
    if is_new {
        *said = Some(what.into());
    }
    is_new
}

/// What the files look like now; none if there is no plugin.
pub(super) fn seen(home: &Home, name: &str) -> Option<Seen> {
    Some((look(&home.plugin_file(name))?, look(&home.attestations_file(name))))
}

fn look(file: &Path) -> Option<Look> {
    let metadata = std::fs::metadata(file).ok()?;
    #[cfg(unix)]
    let (inode, changed) = {
        use std::os::unix::fs::MetadataExt;
        // Also what `chmod` and `cp -p` do.
        (metadata.ino(), metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec()))
    };
    #[cfg(not(unix))]
    let (inode, changed) = (0, 0);
    Some((metadata.len(), metadata.modified().ok(), inode, changed))
}
