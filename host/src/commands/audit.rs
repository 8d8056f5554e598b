//! `audit`.

use super::Sign;
use anyhow::{Context, Result};
use clap::Args;
use glassbox::audit::{self, Report, flow};
use glassbox::conformance;
use glassbox::rebuild::{Rebuilt, rebuild};
use glassbox_sandbox::Sandbox;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// Write what it sent in every case of the corpora, one line of JSON for each.
    #[arg(long, value_name = "FILE.jsonl", requires = "corpus")]
    sent: Option<PathBuf>,
    /// Build it again from this checkout of its source, and compare. Runs the checkout's code: its build
    /// scripts and macros, as you, in no sandbox.
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    #[command(flatten)]
    sign: Sign,
}

/// Print the report, and sign it if that is wanted; false if anything is wrong.
pub fn audit(options: &Options) -> Result<bool> {
    let Some(file) = options.file.as_deref().filter(|_| !options.schema) else {
        std::io::stdout().write_all(audit::SCHEMA.as_bytes())?;
        return Ok(true);
    };
    let key = options.sign.key()?;
    let bytes = glassbox::home::read_component("file", file)
        .map_err(|error| anyhow::anyhow!("{}", error.reasons.join("; ")))
        .context("the component cannot be read")?;
    let report = examine(file, &bytes, options)?;
    if let Some(page) = &options.html {
        std::fs::write(page, audit::page(&report)).with_context(|| format!("writing {}", page.display()))?;
    }
    let mut text = serde_json::to_vec_pretty(&report)?;
    text.push(b'\n');
    let mut out = std::io::stdout().lock();
    match options.json {
        true => out.write_all(&text)?,
        false => write!(out, "{report}")?,
    }
    // Nobody has signed what they could not see.
    out.flush()?;
    if let Some(key) = key {
        let signed = options.sign.sign(&key, file, &report, &text)?;
        if !options.json {
            writeln!(out, "{signed}")?;
        }
    }
    Ok(report.passed())
}

/// All that was asked for.
fn examine(file: &Path, bytes: &[u8], options: &Options) -> Result<Report> {
    // No cache: an audit runs what it was given, not what somebody compiled before.
    let sandbox = Sandbox::new(None)?;
    let mut report = audit::audit(&sandbox, file, bytes, &options.corpus)?;
    let name = report.manifest.as_ref().map(|manifest| manifest.plugin.name.clone());
    if let (Some(file), Some(name), None) = (&options.sent, &name, &report.error) {
        conformance::sent::write(&Arc::new(sandbox.prepare(name, bytes)?), &options.corpus, file)?;
    }
    if let Some(checkout) = &options.source {
        report.built(built_again(bytes, name.as_deref(), checkout)?);
    }
    if !options.quick && options.trials > 0 {
        observe(&mut report, bytes, options)?;
    }
    Ok(report)
}

/// Not without a word before: here a stranger's code runs as the user.
fn built_again(bytes: &[u8], name: Option<&str>, checkout: &Path) -> Result<Rebuilt> {
    let name =
        name.context("the component has no manifest that can be read: it does not say which source is its own")?;
    let _ = writeln!(
        std::io::stderr(),
        "building {name} with cargo in {}: this runs code of that checkout as you, in no sandbox",
        checkout.display()
    );
    rebuild(bytes, name, checkout).context("it cannot be built again")
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
