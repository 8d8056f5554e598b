//! Where plugins work: for one server, whose events they hear, with settings and states of its own. A
//! farm is several of them in one host. What connects to the server is elsewhere.

use crate::events::{Feed, Router};
use crate::home::Home;
use crate::home::LiveConfig;
use crate::plugins::locality::Locality;
use crate::plugins::messages::Control;
use crate::record::Sink;
use glassbox_journal::Journal;
use std::sync::mpsc::Sender;

/// What is one for all in a host.
#[derive(Clone)]
pub struct HostContext {
    /// The home.
    pub home: Home,
    /// The configuration as it is now, and whom it trusts.
    pub config: LiveConfig,
    /// Where news goes.
    pub control: Sender<Control>,
    /// Where it is written down.
    pub journal: Journal,
    /// Where all calls go, if they are recorded.
    pub recording: Option<Sink>,
}

/// One server, and all that is for its plugins only.
#[derive(Clone)]
pub struct OctoPrint {
    /// Its number among all, from 0.
    pub number: usize,
    /// Its name; none where there is but one, or for the one whose files lie in no folder of their own.
    pub name: Option<String>,
    /// The home with its settings and states.
    pub home: Home,
    /// Whose events are heard.
    pub server: Locality,
    /// Where they come from.
    pub router: Router,
    /// What it shares with all others.
    pub shared: HostContext,
}

impl OctoPrint {
    /// A site that hears nothing yet.
    #[must_use]
    pub fn new(number: usize, name: Option<String>, server: Locality, shared: &HostContext) -> Self {
        let home = shared.home.of(name.as_deref());
        Self { number, name, home, server, router: Router::default(), shared: shared.clone() }
    }

    /// What its source of events is given.
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed::new(self.name.clone(), &self.shared.home, &self.router, &self.shared.config)
    }

    /// What a plugin is called here, for the log.
    #[must_use]
    pub fn label(&self, plugin: &str) -> String {
        label(self.name.as_deref(), plugin)
    }
}

/// A plugin and whose it is, as its files are named.
#[must_use]
pub fn label(site: Option<&str>, plugin: &str) -> String {
    site.map_or_else(|| plugin.into(), |site| format!("{site}/{plugin}"))
}
