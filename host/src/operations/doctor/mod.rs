//! `doctor`: looks at a set-up step by step, from the home to the tracking server, and says what to do
//! about what is wrong. It changes nothing, and reports nothing to anybody.

pub mod finding;
mod host;
mod machine;
mod mqtt;
mod octoprint;
mod place;
mod plugins;
mod server;

use super::octoprints::{self, One};
use crate::home::Home;
use crate::home::config::Config;
use crate::net::tls_trust::TlsTrust;
use finding::Finding;
pub use finding::Severity;
use std::path::PathBuf;

/// What to look at.
#[derive(Debug, Default)]
pub struct Options {
    /// The OctoPrint to look at, by its URL, in place of those in `glassbox.toml`.
    pub octoprint: Option<String>,
    /// The file with its API key.
    pub api_key_file: Option<PathBuf>,
    /// Connect to the tracking server also where nobody has opted in.
    pub reach_server: bool,
}

/// A set-up that is looked at.
struct Examined<'a> {
    home: &'a Home,
    /// As `glassbox.toml` says; defaults where it cannot be read.
    config: Config,
    /// Whom we trust; the usual authorities where those of the user cannot be read.
    roots: TlsTrust,
    /// Whether `glassbox.toml` could be read.
    is_good: bool,
    /// The OctoPrints, with the settings of each.
    sites: Vec<One>,
    options: &'a Options,
}

/// Look at everything.
#[must_use]
pub fn examine(home: &Home, options: &Options) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (config, roots, is_good) = place::look(home, &mut findings);
    let sites = octoprints::all(home).unwrap_or_else(|_| vec![One { name: None, home: home.clone() }]);
    let examined = Examined { home, config, roots, is_good, sites, options };
    if home.plugins().is_dir() {
        plugins::look(&examined, &mut findings);
        host::look(&examined, &mut findings);
    }
    octoprint::look(&examined, &mut findings);
    mqtt::look(&examined, &mut findings);
    server::look(&examined, &mut findings);
    machine::look(&examined, &mut findings);
    findings
}
