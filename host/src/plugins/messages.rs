//! What the threads of a host say to each other: news for the supervisor, jobs for the loader and its answers,
//! orders for a worker.

use crate::home::config::audit_policy::AuditPolicy;
use anyhow::Result;
use glassbox_sandbox::Plugin;
use std::sync::Arc;

/// A folder of the home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// `plugins/`
    Plugins,
    /// `grants/`
    Grants,
    /// `settings/`
    Settings,
    /// `keys/`: those of auditors, where there is one.
    Keys,
    /// The home itself: `glassbox.toml`.
    Root,
}

/// News for the supervisor.
pub enum Control {
    /// Something in a folder changed; in that of the site with this name only, if one is named.
    Changed(Folder, Option<String>),
    /// The loader looked at a file.
    Loaded(Answer),
    /// At the site with this number a plugin runs this version.
    Runs(usize, String, Arc<Plugin>),
    /// There the version with this digest failed, and this one runs on.
    PutBack(usize, String, String, Arc<Plugin>),
    /// There a plugin did not start.
    Unstarted(usize, String, String, anyhow::Error),
    /// The source of events has ended.
    SourceEnded(Result<()>),
    /// The user, or the system, wants an end.
    Signal,
}

/// A file to look at.
#[derive(Debug)]
pub struct Job {
    /// The plugin.
    pub name: String,
    /// Those for whom it is looked at, by number, each with the digests of which nothing new is to be
    /// said to it: the one that runs, and those that failed.
    pub sites: Vec<(usize, Vec<String>)>,
    /// Who must vouch for it.
    pub policy: Option<AuditPolicy>,
}

/// What came of it.
pub struct Answer {
    /// The plugin.
    pub name: String,
    /// The file's digest; none if it could not be read.
    pub digest: Option<String>,
    /// For whom it is not known, by number.
    pub sites: Vec<usize>,
    /// Whether it can run.
    pub outcome: LoadOutcome,
}

/// Whether a file can run.
pub enum LoadOutcome {
    /// Its content is known. If that runs, and would not be loaded now, why: nobody vouches for it any more.
    Known(Option<String>),
    /// It can, but for those sites whose settings or state it does not start with, and why.
    Ready(Arc<Plugin>, Vec<(usize, anyhow::Error)>),
    /// Somebody has to grant something first, as this says.
    Waiting(String),
    /// Somebody has to vouch for it first, as this says, or perhaps only the clock has to be set.
    Unvouched(String, bool),
    /// It cannot, and why.
    Failed(anyhow::Error),
}

/// What the host wants of a plugin.
#[derive(Clone)]
pub enum Order {
    /// Look at the settings file.
    Settings,
    /// Run this version from now on.
    Replace(Arc<Plugin>),
    /// The configuration changed: begin afresh with it.
    Config,
    /// The file is gone: deliver what waits, and end.
    Remove,
    /// It may not run any more: forget what waits, and end.
    Revoke,
}
