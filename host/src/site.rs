//! Where plugins work: for one server, whose events they hear, with settings and states of its own. A
//! farm is several of them in one host. What connects to the server is elsewhere.

use crate::config::Config;
use crate::home::Home;
use crate::journal::Journal;
use crate::record::Sink;
use crate::roots::Roots;
use crate::router::Router;
use crate::server::Server;
use crate::supervisor::Control;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

/// What is one for all in a host.
#[derive(Clone)]
pub struct Shared {
    /// The home.
    pub home: Home,
    /// The configuration as it is now, and whom it trusts.
    pub config: Arc<Mutex<(Config, Roots)>>,
    /// Where news goes.
    pub control: Sender<Control>,
    /// Where it is written down.
    pub journal: Journal,
    /// Where all calls go, if they are recorded.
    pub recording: Option<Sink>,
}

impl Shared {
    /// Who may vouch for a server now.
    #[must_use]
    pub fn roots(&self) -> Roots {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// One server, and all that is for its plugins only.
#[derive(Clone)]
pub struct Site {
    /// Its number among all, from 0.
    pub number: usize,
    /// Its name; none where there is but one, or for the one whose files lie in no folder of their own.
    pub name: Option<String>,
    /// The home with its settings and states.
    pub home: Home,
    /// Whose events are heard.
    pub server: Server,
    /// Where they come from.
    pub router: Router,
    /// What it shares with all others.
    pub shared: Shared,
}

impl Site {
    /// A site that hears nothing yet.
    #[must_use]
    pub fn new(number: usize, name: Option<String>, server: Server, shared: &Shared) -> Self {
        let home = shared.home.of(name.as_deref());
        Self { number, name, home, server, router: Router::default(), shared: shared.clone() }
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
