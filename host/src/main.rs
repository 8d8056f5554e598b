//! The `glassbox` program: reads the command line, runs the command, and turns its result into an exit status
//! and, if it failed, a message.

mod cli;

use clap::Parser;
use cli::arguments::{Cli, Command};
use cli::{Ended, complain, logger, misused};
use glassbox::home::Home;
use glassbox::system::owner::act_as_owner_of;
use glassbox_util::hangup::honour_ignored;
use glassbox_util::text::{shown, shown_lines};
use glassbox_util::{Advised, machine};
use std::io::ErrorKind;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(status) = glassbox_sandbox::compile_if_asked() {
        return status;
    }
    honour_ignored();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            misused(error);
            return ExitCode::from(2);
        }
        // The help, or the version.
        Err(answer) => answer.exit(),
    };
    let format = cli.log;
    logger::start(format, cli.verbose);
    match execute(cli) {
        Ok(ended) => ExitCode::from(ended as u8),
        // Whoever was reading our output has stopped.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if format == logger::LogFormat::Json => {
            tracing::error!("{}", in_words(&error));
            ExitCode::from(2)
        }
        Err(error) => {
            complain("error", &in_words(&error));
            ExitCode::from(2)
        }
    }
}

/// Run the command.
fn execute(cli: Cli) -> anyhow::Result<Ended> {
    let given = cli.home.clone();
    // Whatever is done with a home is done as its owner.
    let home = || {
        let home = Home::at(given.clone().map_or_else(Home::default_root, Ok)?);
        act_as_owner_of(home.root())?;
        Ok::<_, anyhow::Error>(home)
    };
    match cli.command {
        Command::Init => cli::init(&home()?, given.as_deref())?,
        Command::Import { file, force, octoprint } => {
            cli::import(&home()?, &file, force, octoprint.as_deref())?;
        }
        Command::List => cli::list(&home()?)?,
        Command::Status { octoprint, json } => cli::status(&home()?, octoprint.as_deref(), json)?,
        Command::Doctor(options) => return Ok(cli::doctor(&home()?, &options)?.into()),
        Command::Settings { name, keys, octoprint } => {
            cli::settings(&home()?, &name, &keys, octoprint.as_deref())?;
        }
        Command::Grant { name } => cli::grant(&home()?, &name)?,
        Command::Revoke { name } => cli::revoke(&home()?, &name)?,
        Command::OptIn { name, octoprint, yes } => cli::opt_in(&home()?, &name, octoprint.as_deref(), yes)?,
        Command::OptOut { name, octoprint } => cli::opt_out(&home()?, &name, octoprint.as_deref())?,
        Command::Run { octoprint, api_key_file, events, record } => {
            cli::run(&home()?, octoprint.as_deref(), api_key_file.as_deref(), events.as_deref(), &record)?;
        }
        Command::Replay(options) => return Ok(cli::replay(&home()?, &options)?.into()),
        Command::Journal(options) => return cli::journal(&home()?, &options),
        #[cfg(feature = "audit")]
        Command::Audit(options) => return Ok(cli::audit(&options)?.into()),
        #[cfg(feature = "audit")]
        Command::Demo { speed, session, port } => {
            given.as_deref().map_or(Ok(()), act_as_owner_of)?;
            return Ok(cli::demo(given.as_deref(), speed, session.as_deref(), port)?.into());
        }
        Command::Trust { url, fingerprint } => cli::trust(&home()?, &url, fingerprint.as_deref())?,
        Command::Policy { name, markdown, deny } => cli::policy(&home()?, &name, markdown, &deny)?,
        Command::Pack { module, manifest, output } => cli::pack(&module, &manifest, &output)?,
        Command::Completions { shell } => cli::completions(shell)?,
    }
    Ok(Ended::Well)
}

/// What happened, then why, and last what to do about it.
fn in_words(error: &anyhow::Error) -> String {
    let (what, advice) = Advised::split(error);
    let advice = advice.or_else(|| machine::advice(&**error).map(Into::into));
    advice.iter().fold(shown_lines(&what, 2), |what, advice| format!("{what}; {}", shown(advice)))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|e| e.kind() == ErrorKind::BrokenPipe)
}
