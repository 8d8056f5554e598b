//! `replay`: runs a recording again, compares it with another version, or removes the secrets from it.

use anyhow::{Context, Result, bail};
use clap::Args;
use glassbox::home::Home;
use glassbox::record::{self, Components, Ending, Recording, Redactor, Sink, compare};
use std::io::Write;
use std::path::PathBuf;

/// The options of `replay`.
#[derive(Debug, Args)]
pub struct Options {
    /// The recording: from 'run --record', or of a failure (state/NAME.trap.jsonl).
    file: PathBuf,
    /// A component that was recorded and is no longer in the home. Can be given several times.
    #[arg(long, value_name = "FILE.wasm")]
    component: Vec<PathBuf>,
    /// Compare with this version: show what it would have sent instead.
    #[arg(long, value_name = "OTHER.wasm")]
    with: Option<PathBuf>,
    /// Write the same recording without secrets, with placeholders in place of all texts.
    #[arg(long, value_name = "NEW.jsonl", conflicts_with = "with")]
    scrub: Option<PathBuf>,
}

/// Replay a recording; false if something differs.
pub fn replay(home: &Home, options: &Options) -> Result<bool> {
    let recording = Recording::read(&options.file)?;
    let mut out = std::io::stdout().lock();
    match &recording.ending {
        Ending::Stopped => {}
        Ending::Full => writeln!(out, "the recording had reached its limit: what happened later is not in it")?,
        Ending::Torn(place) => writeln!(out, "the recording ends {place}: the incomplete rest is left out")?,
    }
    if recording.header.redacted {
        writeln!(out, "the texts in it are placeholders")?;
    }
    if recording.calls.is_empty() {
        bail!("there is no complete call in the recording {}", options.file.display());
    }
    let mut components = Components::find(home, &options.component, recording.is_metered())?;
    if let Some(other) = &options.with {
        let other = components.load(other)?;
        if !recording.starts().values().any(|start| start.plugin == other.name) {
            bail!("the plugin '{}' is not in this recording", other.name);
        }
        let comparison = compare::compare(&recording, &other);
        write!(out, "{comparison}")?;
        return Ok(comparison.is_same());
    }
    if let Some(new) = &options.scrub {
        redact(&recording, &mut components, new)?;
        writeln!(out, "{} is the same recording without secrets: all texts in it are placeholders", new.display())?;
        return Ok(true);
    }
    let replay = record::replay(&recording, &mut components)?;
    write!(out, "{replay}")?;
    Ok(replay.divergence.is_none())
}

fn redact(recording: &Recording, components: &mut Components, new: &std::path::Path) -> Result<()> {
    let starts = recording.starts();
    let sink = Sink::create(new, u64::MAX, true)?;
    let mut redactor = Redactor::default();
    redactor.look_ahead(recording);
    for (line, recorded) in &recording.calls {
        let start = starts.get(&recorded.instance_id).with_context(|| format!("line {line}: it was never started"))?;
        let plugin = components.get(&start.plugin, &start.digest)?;
        sink.write(&record::lines(&redactor.stand_in(&plugin, recorded)));
    }
    Ok(())
}
