//! `audit`.

use anyhow::{Context, Result};
use clap::Args;
use glassbox::audit::{self, Report, flow};
use glassbox_sandbox::Sandbox;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What can be said of an audit on the command line.
#[derive(Debug, Args)]
pub struct Options {
    /// The component.
    #[arg(required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// A file of recorded cases; may be given several times.
    #[arg(long, value_name = "CASES.jsonl")]
    corpus: Vec<PathBuf>,
    /// Pairs of runs for each input of each event; 0: do not run it.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    trials: u32,
    /// No runs: only what the file says. The same as --trials 0.
    #[arg(long, conflicts_with = "trials")]
    quick: bool,
    /// What all chance in the runs is made of; with the same seed they are the same.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Stop after so many seconds, with as many trials as were made by then.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    time: u64,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Also write the report as a page: one file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the JSON Schema of --json, and do nothing else.
    #[arg(long)]
    schema: bool,
}

/// Print the report; false if anything is wrong.
pub fn audit(options: &Options) -> Result<bool> {
    let mut out = std::io::stdout();
    let Some(file) = options.file.as_ref().filter(|_| !options.schema) else {
        write!(out, "{}", audit::SCHEMA)?;
        return Ok(true);
    };
    let bytes = glassbox::home::read_component("file", file)
        .map_err(|error| anyhow::anyhow!("{}", error.reasons.join("; ")))
        .context("the component cannot be read")?;
    // No cache: an audit runs what it was given, not what somebody compiled before.
    let mut report = audit::audit(&Sandbox::new(None)?, file, &bytes, &options.corpus)?;
    if !options.quick && options.trials > 0 {
        observe(&mut report, &bytes, options)?;
    }
    if let Some(page) = &options.html {
        std::fs::write(page, audit::page(&report)).with_context(|| format!("writing {}", page.display()))?;
    }
    if options.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(report.passed())
}

fn observe(report: &mut Report, bytes: &[u8], options: &Options) -> Result<()> {
    let measure = flow::Options {
        trials: usize::try_from(options.trials)?,
        seed: options.seed,
        time: Duration::from_secs(options.time),
    };
    let bar = std::io::stderr().is_terminal();
    let shown = AtomicUsize::new(usize::MAX);
    let progress = |done: usize| {
        // Whole percents are enough to be written.
        if bar && shown.swap(done / 10, Ordering::SeqCst) != done / 10 {
            let full = "#".repeat(done / 25);
            let _ = write!(std::io::stderr().lock(), "\rmeasuring  [{full:40}] {:3} %", done / 10);
        }
    };
    let observed = audit::observe(report, bytes, &options.corpus, measure, &progress);
    if bar {
        let _ = write!(std::io::stderr().lock(), "\r{:60}\r", "");
    }
    observed
}
