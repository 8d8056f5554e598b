//! The messages between the threads of a host: [`Control`] to the supervisor, [`Job`] to the loader and its
//! [`Answer`], [`Order`] to a worker. Events travel in event queues, which are in the room `events`.

use crate::home::config::audit_policy::AuditPolicy;
use anyhow::Result;
use glassbox_sandbox::Plugin;
use std::sync::Arc;

/// A folder of the home in which something can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// `plugins/`
    Plugins,
    /// `grants/`
    Grants,
    /// `settings/`
    Settings,
    /// `keys/`, with auditors' public keys. It need not exist.
    Keys,
    /// The home itself, with `glassbox.toml`.
    Root,
}

/// A message to the supervisor. OctoPrints are given by their index, components by their digest.
pub enum Control {
    /// Something changed in a folder; if an OctoPrint is named, only in its part of that folder.
    Changed(Folder, Option<String>),
    /// Something may have changed and changed back, of which nobody told us.
    LookAgain,
    /// The loader is done with a job.
    Loaded(Answer),
    /// A worker runs this version.
    Runs {
        /// For which OctoPrint.
        octoprint: usize,
        /// The plugin's name.
        name: String,
        /// The version.
        version: Arc<Plugin>,
    },
    /// A new version failed, and the worker has gone back to the version before.
    RolledBack {
        /// For which OctoPrint.
        octoprint: usize,
        /// The plugin's name.
        name: String,
        /// The digest of the version that failed.
        failed: String,
        /// The version that runs again.
        version: Arc<Plugin>,
    },
    /// A worker has ended because its plugin did not start.
    StartFailed {
        /// For which OctoPrint.
        octoprint: usize,
        /// The plugin's name.
        name: String,
        /// The digest of the version that did not start.
        digest: String,
        /// Why.
        error: anyhow::Error,
    },
    /// A source of events has ended.
    SourceEnded(Result<()>),
    /// The user or the system asks the host to stop.
    Signal,
}

/// A plugin's file for the loader to load.
#[derive(Debug)]
pub struct Job {
    /// The plugin's name.
    pub name: String,
    /// The OctoPrints to load it for, by index. Each comes with the digests that need not be loaded for it: of
    /// the version that runs there, and of versions that failed.
    pub octoprints: Vec<(usize, Vec<String>)>,
    /// Who must vouch for it; nobody if there is none.
    pub policy: Option<AuditPolicy>,
}

/// The loader's answer to a job.
pub struct Answer {
    /// The plugin's name.
    pub name: String,
    /// The file's digest; none if it could not be read.
    pub digest: Option<String>,
    /// The OctoPrints, by index, for which this version is new.
    pub octoprints: Vec<usize>,
    /// What came of it.
    pub outcome: LoadOutcome,
}

/// Whether a file can run.
pub enum LoadOutcome {
    /// Its content is known to all OctoPrints, so that it was not loaded. If it would be refused today, since
    /// nobody vouches for it any more, this says what to do about that.
    Known(Option<String>),
    /// It can run, but not for these OctoPrints, with whose settings or state it does not start.
    Ready(Arc<Plugin>, Vec<(usize, anyhow::Error)>),
    /// Somebody has to grant it something first, as this says.
    Waiting(String),
    /// Somebody has to vouch for it first, as this says. True if an attestation is there that would count later:
    /// perhaps the clock is not set yet.
    Unvouched(String, bool),
    /// It cannot run.
    Failed(anyhow::Error),
}

/// What the host wants a worker to do.
#[derive(Clone)]
pub enum Order {
    /// Look whether reports may be sent, and take the settings as they are now.
    LookAgain,
    /// Run this version from now on.
    Replace(Arc<Plugin>),
    /// The configuration changed: restart the component with it.
    Config,
    /// The plugin's file is gone: deliver the reports that wait, and end.
    Remove,
    /// The plugin may not run any more: discard the reports that wait, and end.
    Revoke,
}
