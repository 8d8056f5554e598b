//! What a source of events is given by the host: where to deliver events, and the little else that it needs.

use super::Router;
use crate::home::{Home, LiveConfig, UNNAMED};
use crate::net::TlsTrust;

/// A source's view of the host, for one OctoPrint. Clones deliver to the same plugins.
#[derive(Clone)]
pub struct Feed {
    /// The OctoPrint's name; none for one without a name.
    pub name: Option<String>,
    /// The home folder, for what a source keeps between two runs of the host.
    pub home: Home,
    /// Where to deliver events.
    pub router: Router,
    config: LiveConfig,
}

impl Feed {
    /// A feed to the plugins behind this router.
    pub fn new(name: Option<String>, home: &Home, router: &Router, config: &LiveConfig) -> Self {
        Self { name, home: home.clone(), router: router.clone(), config: config.clone() }
    }

    /// The OctoPrint's name for the log and for files.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(UNNAMED)
    }

    /// Which CAs to trust at the next connection.
    pub fn trust(&self) -> TlsTrust {
        self.config.trust()
    }
}
