//! What `status` reports: for each plugin and OctoPrint whether anything is sent and what was sent so far, and
//! for each OctoPrint whether events arrive from it.

use super::connections::{self, ConnectionReport};
use super::octoprints::{self, KnownOctoPrint};
use super::plugins::sends;
use super::policy::held_back_here;
use crate::delivery::NO_CONNECTION;
use crate::home::{BUNDLED_NAME, Home, running};
use crate::sending::Answer;
use anyhow::{Error, Result};
use glassbox_journal::chain::Chained;
use glassbox_journal::{JournalEntry, Reader, What};
use glassbox_util::Advised;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The state of a home.
#[derive(Debug)]
pub struct Status {
    /// The home folder.
    pub home: PathBuf,
    /// Whether a host runs with it.
    pub host_runs: bool,
    /// Settings that belong to no OctoPrint any more, and what to do with them.
    pub left_behind: Option<Advised>,
    /// Why `glassbox.toml` cannot be used, if it cannot, and what to do about it.
    pub unusable_config: Option<Advised>,
    /// Why it is not known what was sent so far, if it is not.
    pub unreadable_journal: Option<Error>,
    /// The plugins, by name.
    pub plugins: Vec<PluginStatus>,
    /// The connections to the OctoPrints that are followed over the network, by name.
    pub connections: Vec<ConnectionReport>,
    /// OctoPrints whose own tracker counts everything a second time, as their imported configuration says.
    pub counted_twice: Vec<Advised>,
}

/// A plugin, with its instance for each OctoPrint.
#[derive(Debug)]
pub struct PluginStatus {
    /// The plugin's name.
    pub name: String,
    /// Its instances, in the order of the OctoPrints.
    pub instances: Vec<InstanceStatus>,
    /// Its reports that do not leave by `[policy]`.
    pub held_back: Vec<String>,
    /// What the journal says of the plugin as a whole, if that is not the history of one of the instances.
    pub history: Option<History>,
}

/// A plugin's instance for one OctoPrint.
#[derive(Debug)]
pub struct InstanceStatus {
    /// The OctoPrint.
    pub octoprint: KnownOctoPrint,
    /// Whether anything is sent.
    pub sending: Answer,
    /// What the journal says of it; none if it says nothing.
    pub history: Option<History>,
}

/// What the journal says of a plugin's instance.
#[derive(Debug, Default)]
pub struct History {
    /// Reports that the server accepted.
    pub sent: u64,
    /// Reports that the server refused, or did not answer.
    pub failed: u64,
    /// Reports that were given up.
    pub dropped: u64,
    /// Requests that the manifest or the user's consent did not allow.
    pub blocked: u64,
    /// Reports that wait to be sent: queued since the last host started, and nothing has become of them yet.
    pub waiting: u64,
    /// When the server accepted the last report, as the journal has times.
    pub last_sent: Option<String>,
    /// The reports since then that did not get through; none if all do.
    pub lost: Option<Lost>,
    /// The last change in the life of the instance: loaded, refused, restarted ...
    pub last: Option<JournalEntry>,
}

/// The state of the home for the OctoPrint with this name; for all of them if none is given.
///
/// # Errors
/// When there is no home, it names no such OctoPrint, or the settings folder cannot be read.
pub fn status(home: &Home, octoprint: Option<&str>) -> Result<Status> {
    // Without plugins that can be seen there may still be some that run.
    if !home.settings_folder().is_dir() {
        home.must_exist()?;
    }
    let all = octoprints::all(home);
    let left_behind = all.as_ref().ok().and_then(|all| octoprints::left_behind(home, all));
    let unusable_config = all.err().map(|error| {
        let (what, advice) = Advised::split(&error);
        Advised::new(what, advice.unwrap_or_else(|| "fix it".into()))
    });
    let octoprints = octoprints::shown(home, BUNDLED_NAME, octoprint)?;
    let (mut histories, unreadable_journal) = match histories(home) {
        Ok(histories) => (histories, None),
        Err(error) => (BTreeMap::new(), Some(error)),
    };
    let all_have_names = octoprints.iter().all(|one| one.name.is_some());
    let mut plugins = Vec::new();
    for name in names(home, &octoprints) {
        let octoprints = octoprints::shown(home, &name, octoprint)?;
        let instances = octoprints.iter().map(|one| InstanceStatus {
            octoprint: one.clone(),
            sending: sends(&one.home, &name),
            history: histories.remove(&(one.name.clone(), name.clone())),
        });
        let instances = instances.collect();
        let history = if all_have_names { histories.remove(&(None, name.clone())) } else { None };
        let held_back = held_back_here(home, &name);
        plugins.push(PluginStatus { name, instances, held_back, history });
    }
    Ok(Status {
        home: home.root().into(),
        host_runs: home.is_running(),
        left_behind,
        unusable_config,
        unreadable_journal,
        plugins,
        connections: connections::all(home, octoprint.is_some(), &octoprints),
        counted_twice: octoprints.iter().filter_map(|one| connections::imported_twice(home, one)).collect(),
    })
}

/// The names of all plugins that there are, or that a running host says it runs, sorted.
fn names(home: &Home, octoprints: &[KnownOctoPrint]) -> BTreeSet<String> {
    let running = octoprints.iter().filter(|_| home.is_running()).flat_map(|one| running::names(&one.home));
    home.plugin_names().unwrap_or_default().into_iter().chain(running).collect()
}

/// What can change in the life of an instance; the last such entry tells how it is.
const LIFECYCLE: [What; 8] = [
    What::Loaded,
    What::Refused,
    What::Waiting,
    What::Revoked,
    What::Removed,
    What::Restarted,
    What::RolledBack,
    What::Quarantined,
];

/// By OctoPrint and plugin.
fn histories(home: &Home) -> Result<BTreeMap<(Option<String>, String), History>> {
    let mut found: BTreeMap<_, History> = BTreeMap::new();
    Reader::new(home.journal()).read(|line| {
        // 'journal --verify' is what reports lines that are not entries.
        let Ok(entry) = serde_json::from_slice::<JournalEntry>(line) else { return Ok(()) };
        if entry.what == What::Started && entry.plugin.is_empty() {
            // What waited in the host before this one is gone.
            found.values_mut().for_each(|history: &mut History| history.waiting = 0);
        }
        let time = Chained::parse(line).map(|chained| chained.time).unwrap_or_default();
        found.entry((entry.octoprint.clone(), entry.plugin.clone())).or_default().add(entry, &time);
        Ok(())
    })?;
    Ok(found)
}

/// Reports that did not get through, since the last that did.
#[derive(Debug)]
pub struct Lost {
    /// When the first of them was given up.
    pub since: String,
    /// How many they are.
    pub count: u64,
    /// Why the last of them was given up. A server decides what is in it.
    pub reason: String,
}

impl History {
    fn add(&mut self, entry: JournalEntry, time: &str) {
        let count = entry.count.unwrap_or(1);
        match entry.what {
            What::Queued => self.waiting += 1,
            What::Sent | What::Failed | What::Dropped => self.waiting = self.waiting.saturating_sub(1),
            _ => {}
        }
        match entry.what {
            What::Sent => {
                self.sent += count;
                self.last_sent = Some(time.into());
                self.lost = None;
            }
            What::Failed => {
                self.failed += count;
                self.lose(&entry, time);
            }
            What::Dropped => {
                self.dropped += count;
                // What might not leave is no fault of the server.
                if entry.reason.as_ref().is_some_and(|reason| reason.starts_with(NO_CONNECTION)) {
                    self.lose(&entry, time);
                }
            }
            What::Blocked => self.blocked += count,
            what if LIFECYCLE.contains(&what) => self.last = Some(entry),
            _ => {}
        }
    }

    fn lose(&mut self, entry: &JournalEntry, time: &str) {
        let lost = self.lost.get_or_insert_with(|| Lost { since: time.into(), count: 0, reason: String::new() });
        lost.count += entry.count.unwrap_or(1);
        lost.reason = entry.reason.clone().unwrap_or_default();
    }

    /// Whether there were any reports, or requests for one.
    pub fn has_reports(&self) -> bool {
        self.sent + self.failed + self.dropped + self.blocked > 0
    }

    /// The last change in its life, if that is one that somebody should look at.
    pub fn trouble(&self) -> Option<&JournalEntry> {
        let bad = [What::Quarantined, What::RolledBack, What::Refused, What::Restarted];
        self.last.as_ref().filter(|last| bad.contains(&last.what))
    }
}
