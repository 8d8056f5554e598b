//! `doctor`: prints what was found by checking the setup, for people or as JSON.

use super::{output, progress};
use anyhow::Result;
use clap::Args;
use glassbox::home::Home;
use glassbox::operations::doctor::finding::{Finding, Severity};
use glassbox::operations::doctor::{self, Options};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// The options of `doctor`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Check this OctoPrint, in place of those in glassbox.toml.
    #[arg(long, value_name = "URL")]
    octoprint: Option<String>,
    /// A file with its API key.
    #[arg(long, value_name = "FILE", requires = "octoprint")]
    api_key_file: Option<PathBuf>,
    /// Connect to the tracking server even if nobody has opted in.
    #[arg(long)]
    reach_server: bool,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

/// Check everything; true if nothing failed.
pub fn doctor(home: &Home, arguments: &Arguments) -> Result<bool> {
    let Arguments { octoprint, api_key_file, reach_server, json } = arguments;
    let options =
        Options { octoprint: octoprint.clone(), api_key_file: api_key_file.clone(), reach_server: *reach_server };
    let findings = progress::during("looking at everything", || doctor::examine(home, &options));
    print(&findings, *json)?;
    Ok(!findings.iter().any(|finding| finding.severity == Severity::Fail))
}

fn print(findings: &[Finding], json: bool) -> Result<()> {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (failed, warnings) = (count(Severity::Fail), count(Severity::Warn));
    if json {
        let findings: Vec<_> = findings.iter().map(Finding::to_json).collect();
        let report = json!({"failed": failed, "warnings": warnings, "checks": findings});
        let mut out = output::json();
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        return Ok(out.flush()?);
    }
    let mut out = output::out();
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
