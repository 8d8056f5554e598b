//! `run`: finds out where events come from, and runs all plugins with them.

use anyhow::{Context, Result, bail};
use glassbox::daemon::{self, Source};
use glassbox::home::ApiKey;
use glassbox::home::Home;
use glassbox::home::config::mqtt;
use glassbox::home::config::octoprint::{self, Target};
use glassbox::net::Address;
use glassbox::operations::policy;
use glassbox::record::{LIMIT, Sink};
use std::fs::File;
use std::io::{BufReader, stdin};
use std::path::{Path, PathBuf};

/// The options for recording a run.
#[derive(Debug, clap::Args)]
pub struct Record {
    /// Record all calls to and from plugins in this new file, for 'glassbox replay'.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// End the recording when it has this many bytes.
    #[arg(long, value_name = "BYTES", requires = "record", default_value_t = LIMIT)]
    record_limit: u64,
    /// Record placeholders in place of all texts: no id, no salt, no path.
    #[arg(long, requires = "record")]
    record_scrub: bool,
}

/// Run all plugins until the events end or a signal arrives.
pub fn run(
    home: &Home,
    octoprint: Option<&str>,
    key: Option<&Path>,
    events: Option<&Path>,
    record: &Record,
) -> Result<()> {
    let source = match (octoprint, events) {
        (Some(url), _) => {
            let address = Address::of_command_line(url)?;
            Source::OctoPrints(vec![Target { name: None, address, key: ApiKey::find(key)? }], Vec::new())
        }
        (None, Some(events)) => lines(events)?,
        (None, None) => {
            home.must_exist()?;
            let (config, file) = (home.config()?, home.config_file());
            config.names(&file)?;
            let brokers = mqtt::brokers(&config.mqtt, home, &file)?;
            let targets = match config.octoprint.is_empty() && !brokers.is_empty() {
                true => Vec::new(),
                false => octoprint::targets(&config.octoprint, home, &file)?,
            };
            Source::OctoPrints(targets, brokers)
        }
    };
    let create = |file: &PathBuf| Sink::create(file, record.record_limit, record.record_scrub);
    let recording = record.record.as_ref().map(create).transpose()?;
    // The host goes on: what is spelled right is held back all the same.
    policy::denied_in_vain(home).iter().for_each(|vain| tracing::warn!("{vain}"));
    let tally = daemon::run(home, source, recording)?.tally;
    tracing::info!("{} reports sent, {} failed, {} dropped", tally.sent, tally.failed, tally.dropped);
    Ok(())
}

fn lines(events: &Path) -> Result<Source> {
    if events == Path::new("-") {
        return Ok(Source::Lines(Box::new(BufReader::new(stdin()))));
    }
    let file = File::open(events).with_context(|| format!("the events cannot be read from {}", events.display()))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        bail!("the events cannot be read from {}: it is a folder", events.display());
    }
    Ok(Source::Lines(Box::new(BufReader::new(file))))
}
