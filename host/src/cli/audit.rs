//! `glassbox audit`: its arguments, and which report is printed where. What is examined is in the
//! crate `glassbox-audit`.

use super::{Sign, output, progress};
use anyhow::{Context, Result};
use clap::Args;
use glassbox_audit::conformance::{corpus, sent};
use glassbox_audit::rebuild::{Rebuilt, rebuild};
use glassbox_audit::versions::{Component, compare};
use glassbox_audit::{Report, flow};
use glassbox_contract::Prepare;
use glassbox_sandbox::Sandbox;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The arguments of `glassbox audit`.
#[derive(Debug, Args)]
pub struct Options {
    /// The component.
    #[arg(required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// A file of recorded cases; may be given several times.
    #[arg(long, value_name = "CASES.jsonl")]
    corpus: Vec<PathBuf>,
    /// How many pairs of runs to make for each input of each event; 0 does not run it, and fewer than 200 are no full
    /// audit.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    trials: u32,
    /// Only read the file, and do not run it. The same as --trials 0.
    #[arg(long, conflicts_with = "trials")]
    quick: bool,
    /// The seed of all random choices; with the same seed the report is the same.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Stop after so many seconds, with the trials that were done by then.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    time: u64,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Also write the report as an HTML page that needs no other file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the JSON Schema of --json, and do nothing else.
    #[arg(long)]
    schema: bool,
    /// Write what it sent in each case of the corpora to this file, one line of JSON for each.
    #[arg(long, value_name = "FILE.jsonl", requires = "corpus")]
    sent: Option<PathBuf>,
    /// Build it again from this checkout of its source, and compare. This runs the checkout's code as you, in no
    /// sandbox: its build scripts and macros.
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// Show instead what this version can see, say and touch that the version in OLD could not.
    ///
    /// Unless with --quick, also which input can now change what it says; with a corpus, also what it sends
    /// differently in recorded cases. The exit status is 1 if it sees or says anything new.
    #[arg(long, value_name = "OLD", conflicts_with_all = ["sign", "source", "sent", "html"])]
    against: Option<PathBuf>,
    #[command(flatten)]
    sign: Sign,
}

/// Print the report, and sign it if asked to. False if a claim fails.
pub fn audit(options: &Options) -> Result<bool> {
    let Some(file) = options.file.as_deref().filter(|_| !options.schema) else {
        std::io::stdout().write_all(glassbox_audit::SCHEMA.as_bytes())?;
        return Ok(true);
    };
    if let Some(old) = &options.against {
        return against(old, file, options);
    }
    let key = options.sign.key()?;
    let bytes = read(file)?;
    let report = examine(file, &bytes, options)?;
    if let Some(page) = &options.html {
        std::fs::write(page, glassbox_audit::page(&report)).with_context(|| format!("writing {}", page.display()))?;
    }
    let text = output::escaped_lines(&serde_json::to_string_pretty(&report)?);
    if options.json {
        std::io::stdout().write_all(text.as_bytes())?;
    }
    let mut out = super::out();
    match options.json {
        true => {}
        false if super::colours() => write!(out, "{report:#}")?,
        false => write!(out, "{report}")?,
    }
    // Before it is signed: nobody signs what they could not read.
    out.flush()?;
    if let Some(key) = key {
        let signed = options.sign.sign(&key, file, &report, text.as_bytes())?;
        if !options.json {
            writeln!(out, "{signed}")?;
        }
    }
    Ok(report.passed())
}

/// Print how a version differs from an old one. False if it sees or says anything new.
fn against(old: &Path, file: &Path, options: &Options) -> Result<bool> {
    let (before, after) = (read(old)?, read(file)?);
    let (before, after) = (Component { file: old, bytes: &before }, Component { file, bytes: &after });
    let measure = options.measures().then(|| options.measure());
    let corpora = corpus::read_all(&options.corpus)?;
    let versions = progress::with_bar("measuring", |progress| {
        compare(&Sandbox::new(None)?, before, after, &corpora, measure, progress)
    })?;
    if options.json {
        let text = output::escaped_lines(&serde_json::to_string_pretty(&versions)?);
        std::io::stdout().write_all(text.as_bytes())?;
    } else {
        let mut out = super::out();
        write!(out, "{versions}")?;
        out.flush()?;
    }
    Ok(!versions.more)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    glassbox::home::read_component("file", file)
        .map_err(|error| anyhow::anyhow!("{}", error.reasons.join("; ")))
        .context("the component cannot be read")
}

/// Make the report, with everything that was asked for.
fn examine(file: &Path, bytes: &[u8], options: &Options) -> Result<Report> {
    // Without a cache: an audit runs the bytes it was given, and not what somebody compiled before.
    let (sandbox, corpora) = (Sandbox::new(None)?, corpus::read_all(&options.corpus)?);
    let mut report =
        progress::during("compiling the component", || glassbox_audit::audit(&sandbox, file, bytes, &corpora));
    let name = report.manifest.as_ref().map(|manifest| manifest.plugin.name.clone());
    if let (Some(file), Some(name), None) = (&options.sent, &name, &report.error) {
        sent::write(&Arc::new(sandbox.prepare(name, bytes)?), &corpora, file)?;
    }
    if let Some(checkout) = &options.source {
        report.add_rebuilt(build_again(bytes, name.as_deref(), checkout)?);
    }
    if options.measures() {
        progress::with_bar("measuring", |progress| {
            glassbox_audit::observe(&mut report, bytes, &corpora, options.measure(), progress)
        })?;
    }
    Ok(report)
}

/// Build it from its source. Says so first, as this runs a stranger's code as the user.
fn build_again(bytes: &[u8], name: Option<&str>, checkout: &Path) -> Result<Rebuilt> {
    let name = name
        .context("the component has no manifest that can be read, so its name, and with it its source, is not known")?;
    let place = output::path(checkout);
    // Before there is progress, which would be drawn over it.
    output::remark(&format!(
        "building {name} with cargo in {place}: this runs code of that checkout as you, in no sandbox"
    ));
    progress::during("building it again", || rebuild(bytes, name, checkout))
        .context("it cannot be built from its source")
}

impl Options {
    fn measures(&self) -> bool {
        !self.quick && self.trials > 0
    }

    fn measure(&self) -> flow::Options {
        flow::Options { trials: self.trials as usize, seed: self.seed, time: Duration::from_secs(self.time) }
    }
}
