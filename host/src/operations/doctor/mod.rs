//! Checks the whole setup step by step, from the home folder to the tracking server, and says how to fix what
//! is wrong. It changes nothing, and reports nothing to anybody. One file for each thing that is checked.

pub mod finding;
mod home;
mod host;
mod identity;
mod machine;
mod mqtt;
mod octoprint;
mod plugins;
mod server;
mod watching;

use super::octoprints::{self, KnownOctoPrint};
use super::policy::denied_in_vain;
use crate::home::Home;
use crate::home::config::Config;
use crate::net::tls_trust::TlsTrust;
use finding::Finding;
pub use finding::Severity;
use std::path::PathBuf;

/// What to check.
#[derive(Debug, Default)]
pub struct Options {
    /// The URL of the OctoPrint to check, in place of those in `glassbox.toml`.
    pub octoprint: Option<String>,
    /// The file with its API key.
    pub api_key_file: Option<PathBuf>,
    /// Connect to the tracking server even if nobody has opted in.
    pub reach_server: bool,
}

/// The setup that is checked.
struct Examined<'a> {
    home: &'a Home,
    /// What `glassbox.toml` says; the defaults if it cannot be used.
    config: Config,
    /// The certificate authorities that are trusted; only the built-in ones if the user's cannot be read.
    trust: TlsTrust,
    /// Whether `glassbox.toml` can be used.
    has_good_config: bool,
    /// The OctoPrints, each with its settings.
    octoprints: Vec<KnownOctoPrint>,
    options: &'a Options,
}

/// Check everything, in the order in which a report travels.
pub fn examine(home: &Home, options: &Options) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (config, trust, has_good_config) = home::check(home, &mut findings);
    let octoprints = octoprints::all(home).unwrap_or_else(|_| vec![KnownOctoPrint { name: None, home: home.clone() }]);
    let examined = Examined { home, config, trust, has_good_config, octoprints, options };
    if home.plugins().is_dir() {
        plugins::check(&examined, &mut findings);
        findings.extend(
            denied_in_vain(home)
                .into_iter()
                .map(|vain| Finding::warn("policy", vain.what, vain.advice.unwrap_or_default())),
        );
        host::check(&examined, &mut findings);
        watching::check(&examined, &mut findings);
    }
    octoprint::check(&examined, &mut findings);
    mqtt::check(&examined, &mut findings);
    server::check(&examined, &mut findings);
    machine::check(&examined, &mut findings);
    findings
}
