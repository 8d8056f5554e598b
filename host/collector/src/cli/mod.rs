//! The commands: arguments are in one place, and each command that does more than one call is a file. What a command finds out
//! or does is the library's; what it prints is here.

pub(crate) mod arguments;
mod backup;
mod demo;
mod doctor;
mod exports;
mod forget;
mod import;
mod run;
mod show;
mod status;

use anyhow::{Context, Result};
use arguments::{Command, Format, Place};
use glassbox_collector::config::{Config, REFERENCE};
use glassbox_collector::door;
use glassbox_collector::log;
use glassbox_collector::store::Store;
use glassbox_util::Advised;
use std::io::{ErrorKind, IsTerminal, Write, stderr};
use std::process::ExitCode;

/// What came of a command that did not fail.
enum Done {
    All,
    /// All but what damaged files keep from it: exit status 3.
    But(Advised),
}

/// Carry out a command, and say what went wrong.
pub(crate) fn run(command: Command) -> ExitCode {
    match carry_out(command) {
        Ok(Done::All) => ExitCode::SUCCESS,
        Ok(Done::But(what)) => {
            complain(&what.into());
            ExitCode::from(3)
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn complain(error: &anyhow::Error) {
    let (what, advice) = Advised::split(error);
    log(format_args!("error: {what}"));
    if let Some(advice) = advice {
        log(format_args!("  {advice}"));
    }
}

fn carry_out(command: Command) -> Result<Done> {
    match command {
        Command::Forget { place, id, keep_out } => return forget::run(&place, id, keep_out),
        Command::Backup { place, to } => return backup::run(&place, &to),
        Command::Run { place, listen, geo } => run::run(&place, listen, geo),
        Command::Exports { place, out, now } => exports::run(&place, &out, now),
        Command::Show { place, id } => show::run(&place, id),
        Command::Import { place, format: Format::OctoprintNginx, merge, logs } => import::run(&place, &logs, merge),
        Command::Status { place, json } => status::run(&place, json),
        Command::Doctor { place } => doctor::run(&place),
        Command::Demo => demo::run(),
        Command::Config => print(REFERENCE),
        Command::Manifest => print(door::OCTOPRINT),
    }
    .map(|()| Done::All)
}

impl Place {
    /// The configuration, with what the command line says instead.
    fn read(&self) -> Result<Config> {
        let mut config = Config::read(self.config.as_deref()).context("the configuration")?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    /// The store of a command that makes none.
    fn existing(config: &Config) -> Result<Store> {
        if config.data.join("days").metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            let what = format!("{} is not the folder of a store", config.data.display());
            return Err(Advised::new(what, "name it with --data, or in the configuration").into());
        }
        Store::open(&config.data)
    }
}

/// How far something is that takes long, on a terminal: one line, over the one before.
fn progress(text: &str) {
    let mut terminal = stderr();
    if terminal.is_terminal() {
        // Nobody minds if it is gone.
        let _ = write!(terminal, "\r{text} \r");
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("writing to standard output")
}
