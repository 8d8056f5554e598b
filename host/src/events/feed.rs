//! What a source of events is given: where to hand them to, and the little that it must know of the host.

use super::Router;
use crate::home::{Home, LiveConfig, UNNAMED};
use crate::net::TlsTrust;

/// A source's way into the host, for one OctoPrint. Clones lead to the same plugins.
#[derive(Clone)]
pub struct Feed {
    /// What the OctoPrint is called; none for one without a name.
    pub name: Option<String>,
    /// The home, for what a source remembers between two runs of the host.
    pub home: Home,
    /// Where events go.
    pub router: Router,
    config: LiveConfig,
}

impl Feed {
    /// To the plugins behind this router.
    #[must_use]
    pub fn new(name: Option<String>, home: &Home, router: &Router, config: &LiveConfig) -> Self {
        Self { name, home: home.clone(), router: router.clone(), config: config.clone() }
    }

    /// For the log, and for what is remembered of it.
    #[must_use]
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(UNNAMED)
    }

    /// Whom to trust at the next connection.
    #[must_use]
    pub fn trust(&self) -> TlsTrust {
        self.config.trust()
    }
}
