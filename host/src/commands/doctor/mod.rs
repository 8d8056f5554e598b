//! `doctor`: looks at a set-up step by step, from the home to the tracking server, and says what to do
//! about what is wrong. It changes nothing, and reports nothing to anybody.

mod finding;
mod host;
mod machine;
mod mqtt;
mod octoprint;
mod place;
mod plugins;
mod server;

use super::which::{self, One};
use anyhow::Result;
use clap::Args;
use finding::{Finding, Verdict};
use glassbox::config::Config;
use glassbox::home::Home;
use glassbox::roots::Roots;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// What `doctor` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// The OctoPrint to look at, in place of those in glassbox.toml.
    #[arg(long, value_name = "URL")]
    octoprint: Option<String>,
    /// The file with its API key.
    #[arg(long, value_name = "FILE", requires = "octoprint")]
    api_key_file: Option<PathBuf>,
    /// Connect to the tracking server also where nobody has opted in.
    #[arg(long)]
    reach_server: bool,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

/// A set-up that is looked at.
struct Patient<'a> {
    home: &'a Home,
    /// As `glassbox.toml` says; defaults where it cannot be read.
    config: Config,
    /// Whom we trust; the usual authorities where those of the user cannot be read.
    roots: Roots,
    /// Whether `glassbox.toml` could be read.
    is_good: bool,
    /// The OctoPrints, with the settings of each.
    sites: Vec<One>,
    options: &'a Options,
}

/// Look at everything; true if nothing failed.
pub fn doctor(home: &Home, options: &Options) -> Result<bool> {
    let mut findings = Vec::new();
    let (config, roots, is_good) = place::look(home, &mut findings);
    let sites = which::all(home).unwrap_or_else(|_| vec![One { name: None, home: home.clone() }]);
    let patient = Patient { home, config, roots, is_good, sites, options };
    if home.plugins().is_dir() {
        plugins::look(&patient, &mut findings);
        host::look(&patient, &mut findings);
    }
    octoprint::look(&patient, &mut findings);
    mqtt::look(&patient, &mut findings);
    server::look(&patient, &mut findings);
    machine::look(&patient, &mut findings);
    tell(&findings, options.json)?;
    Ok(!findings.iter().any(|finding| finding.verdict == Verdict::Fail))
}

fn tell(findings: &[Finding], json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (failed, warnings) = (count(Verdict::Fail), count(Verdict::Warn));
    if json {
        let findings: Vec<_> = findings.iter().map(Finding::to_json).collect();
        let report = json!({"failed": failed, "warnings": warnings, "checks": findings});
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?);
    }
    for finding in findings {
        write!(out, "{finding}")?;
    }
    Ok(match (failed, warnings) {
        (0, 0) => writeln!(out, "\nall is well"),
        (0, warnings) => writeln!(out, "\nnothing failed; {warnings} to look at"),
        (failed, 0) => writeln!(out, "\n{failed} failed"),
        (failed, warnings) => writeln!(out, "\n{failed} failed, and {warnings} more to look at"),
    }?)
}
