//! The `glassbox` program: reads the command line, runs the command, and turns its result into an exit status
//! and, if it failed, a message.

mod cli;

use clap::Parser;
use cli::arguments::{Cli, Command};
use cli::logger;
use glassbox::home::Home;
use glassbox::system::owner::act_as_owner_of;
use glassbox_util::Advised;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = cli.log;
    logger::start(format, cli.verbose);
    match execute(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever was reading our output has stopped.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if format == logger::LogFormat::Json => {
            tracing::error!("{}", in_words(&error));
            ExitCode::from(2)
        }
        Err(error) => {
            // If nobody is reading that, the exit status has to be enough.
            let _ = writeln!(std::io::stderr(), "error: {}", in_words(&error));
            ExitCode::from(2)
        }
    }
}

/// Run the command. False if it was a check that failed.
fn execute(cli: Cli) -> anyhow::Result<bool> {
    let given = cli.home.clone();
    // Whatever is done with a home is done as its owner.
    let home = || {
        let home = Home::at(given.clone().map_or_else(Home::default_root, Ok)?);
        act_as_owner_of(home.root())?;
        Ok::<_, anyhow::Error>(home)
    };
    match cli.command {
        Command::Init => cli::init(&home()?)?,
        Command::Import { file, force, octoprint } => {
            cli::import(&home()?, &file, force, octoprint.as_deref())?;
        }
        Command::List => cli::list(&home()?)?,
        Command::Status { octoprint } => cli::status(&home()?, octoprint.as_deref())?,
        Command::Doctor(options) => return cli::doctor(&home()?, &options),
        Command::Settings { name, keys, octoprint } => {
            cli::settings(&home()?, &name, &keys, octoprint.as_deref())?;
        }
        Command::Grant { name } => cli::grant(&home()?, &name)?,
        Command::Revoke { name } => cli::revoke(&home()?, &name)?,
        Command::OptIn { name, octoprint } => cli::opt_in(&home()?, &name, octoprint.as_deref())?,
        Command::OptOut { name, octoprint } => cli::opt_out(&home()?, &name, octoprint.as_deref())?,
        Command::Run { octoprint, api_key_file, events, record } => {
            cli::run(&home()?, octoprint.as_deref(), api_key_file.as_deref(), events.as_deref(), &record)?;
        }
        Command::Replay(options) => return cli::replay(&home()?, &options),
        Command::Journal(options) => return cli::journal(&home()?, &options),
        #[cfg(feature = "audit")]
        Command::Audit(options) => return cli::audit(&options),
        #[cfg(feature = "audit")]
        Command::Demo { speed, session, port } => {
            given.as_deref().map_or(Ok(()), act_as_owner_of)?;
            return cli::demo(given.as_deref(), speed, session.as_deref(), port);
        }
        Command::Policy { name, markdown } => cli::policy(&home()?, &name, markdown)?,
        Command::Pack { module, manifest, output } => cli::pack(&module, &manifest, &output)?,
        Command::Completions { shell } => cli::completions(shell)?,
    }
    Ok(true)
}

/// What happened, then why, and last what to do about it.
fn in_words(error: &anyhow::Error) -> String {
    let (what, advice) = Advised::split(error);
    advice.iter().fold(what, |what, advice| format!("{what}; {advice}"))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|e| e.kind() == ErrorKind::BrokenPipe)
}
