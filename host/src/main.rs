//! The `glassbox` program: reads the command line, does what it says, and turns errors into words
//! and an exit status.

mod cli;

use clap::{CommandFactory, Parser};
use cli::arguments::{Cli, Command};
use cli::logger;
use glassbox::home::Home;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let form = cli.log;
    logger::start(form, cli.verbose);
    match execute(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever read our output has had enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if form == logger::Form::Json => {
            tracing::error!("{error:#}");
            ExitCode::from(2)
        }
        Err(error) => {
            // Where nobody reads, the exit status has to do.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is well; false if a check failed.
fn execute(cli: Cli) -> anyhow::Result<bool> {
    let given = cli.home.clone();
    let home = || Ok::<_, anyhow::Error>(Home::at(given.clone().map_or_else(Home::default_root, Ok)?));
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
            return cli::demo(given.as_deref(), speed, session.as_deref(), port);
        }
        Command::Policy { name, markdown } => cli::policy(&home()?, &name, markdown)?,
        Command::Pack { module, manifest, output } => cli::pack(&module, &manifest, &output)?,
        Command::Completions { shell } => {
            // Not straight to standard output: the generator panics where that is closed.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "glassbox", &mut script);
            std::io::stdout().write_all(&script)?;
        }
    }
    Ok(true)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|e| e.kind() == ErrorKind::BrokenPipe)
}
