//! Where plugins run: the host's context, which all of them share, and one OctoPrint, for which each plugin has
//! an instance with settings and state of its own. A farm is several OctoPrints in one host. What connects to an
//! OctoPrint is in the room `sources`.

use crate::events::{Feed, Router};
use crate::home::Home;
use crate::home::LiveConfig;
use crate::plugins::locality::Locality;
use crate::plugins::messages::Control;
use crate::record::Sink;
use glassbox_journal::Journal;
use std::sync::mpsc::Sender;

/// What all plugins of a host share.
#[derive(Clone)]
pub struct HostContext {
    /// The home folder.
    pub home: Home,
    /// The configuration as it is now, and which certificates it trusts.
    pub config: LiveConfig,
    /// Sends messages to the supervisor.
    pub control: Sender<Control>,
    /// The journal that everything is written to.
    pub journal: Journal,
    /// Where all calls are recorded; none if they are not.
    pub recording: Option<Sink>,
}

/// One OctoPrint, and what belongs to its plugins only.
#[derive(Clone)]
pub struct OctoPrint {
    /// Its index among all OctoPrints of the host, from 0.
    pub number: usize,
    /// Its name; none if it is the only one, or the one whose files are not in a folder of their own.
    pub name: Option<String>,
    /// The home folder, with this OctoPrint's settings and states.
    pub home: Home,
    /// On which machine it runs, as far as that matters to plugins.
    pub locality: Locality,
    /// Distributes its events to plugins.
    pub router: Router,
    /// What it shares with all others.
    pub host: HostContext,
}

impl OctoPrint {
    /// An OctoPrint from which no events come yet.
    pub fn new(number: usize, name: Option<String>, locality: Locality, host: &HostContext) -> Self {
        let home = host.home.of(name.as_deref());
        Self { number, name, home, locality, router: Router::default(), host: host.clone() }
    }

    /// What its source of events is given.
    pub fn feed(&self) -> Feed {
        Feed::new(self.name.clone(), &self.host.home, &self.router, &self.host.config)
    }

    /// What a plugin's instance for this OctoPrint is called in the log.
    pub fn label(&self, plugin: &str) -> String {
        label(self.name.as_deref(), plugin)
    }
}

/// `octoprint/plugin`, as the plugin's settings and state files are named; only `plugin` for an OctoPrint without
/// a name.
pub fn label(octoprint: Option<&str>, plugin: &str) -> String {
    octoprint.map_or_else(|| plugin.into(), |octoprint| format!("{octoprint}/{plugin}"))
}
