//! `replay`: runs a recording again, compares it with another version, or removes the secrets from it.

use super::progress;
use anyhow::{Context, Error, Result};
use clap::Args;
use glassbox::home::Home;
use glassbox::record::{self, Components, Ending, Recording, Redactor, Sink, compare};
use glassbox_util::Advised;
use glassbox_util::text::shown;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

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
    let recording = Recording::read(&options.file).map_err(|error| advised(error, &options.file))?;
    let mut out = super::out();
    match &recording.ending {
        Ending::Stopped => {}
        Ending::Full => writeln!(out, "the recording had reached its limit: what happened later is not in it")?,
        Ending::Torn(place) => writeln!(out, "the recording ends {place}: the incomplete rest is left out")?,
    }
    if recording.header.redacted {
        writeln!(out, "the texts in it are placeholders")?;
    }
    if recording.calls.is_empty() {
        let what = format!("there is no complete call in the recording {}", options.file.display());
        return Err(Advised::new(what, "record for longer, and end the host with Ctrl-C or SIGTERM").into());
    }
    let mut components = Components::find(home, &options.component, recording.is_metered())?;
    if let Some(other) = &options.with {
        let other = components.load(other)?;
        if !recording.starts().values().any(|start| start.plugin == other.name) {
            let names: Vec<_> = recording.starts().values().map(|start| shown(&start.plugin)).collect();
            let what = format!("the plugin '{}' is not in this recording", shown(&other.name));
            let names = names.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
            return Err(Advised::new(what, format!("give another version of one that is: {names}")).into());
        }
        let comparison = progress::during("replaying", || compare::compare(&recording, &other));
        write!(out, "{comparison}")?;
        return Ok(comparison.is_same());
    }
    if let Some(new) = &options.scrub {
        progress::during("replaying", || redact(&recording, &mut components, new))?;
        writeln!(
            out,
            "{} is the same recording without secrets: all texts in it are placeholders",
            super::output::path(new)
        )?;
        return Ok(true);
    }
    let replay = progress::during("replaying", || record::replay(&recording, &mut components))?;
    write!(out, "{replay}")?;
    Ok(replay.divergence.is_none())
}

/// What to do about a file that is not a recording. One that cannot be read at all says what to do by itself.
fn advised(error: Error, file: &Path) -> Error {
    let is_read = error.chain().all(|cause| cause.downcast_ref::<std::io::Error>().is_none());
    let (what, _) = Advised::split(&error);
    match is_read {
        true => Advised::new(
            what,
            "give a file that 'glassbox run --record FILE' has written, or a plugin's state/NAME.trap.jsonl; the journal is \
             shown by 'glassbox journal'",
        ),
        false if file.is_dir() => Advised::new(what, "give the recording in it"),
        false => Advised::new(what, "check its name, and that you may read it"),
    }
    .into()
}

fn redact(recording: &Recording, components: &mut Components, new: &Path) -> Result<()> {
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
