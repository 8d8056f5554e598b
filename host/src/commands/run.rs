//! `run`.

use anyhow::{Context, Result, bail};
use glassbox::home::Home;
use glassbox::run;
use std::fs::File;
use std::io::{BufReader, stdin};
use std::path::Path;

/// Run all plugins until the events end or a signal comes.
pub fn run(home: &Home, events: &Path) -> Result<()> {
    let summary = if events == Path::new("-") {
        run::run(home, BufReader::new(stdin()))?
    } else {
        let file =
            File::open(events).with_context(|| format!("the events cannot be read from {}", events.display()))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            bail!("the events cannot be read from {}: it is a folder", events.display());
        }
        run::run(home, BufReader::new(file))?
    };
    let tally = summary.tally;
    tracing::info!("{} reports sent, {} failed, {} dropped", tally.sent, tally.failed, tally.dropped);
    Ok(())
}
