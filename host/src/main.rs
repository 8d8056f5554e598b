//! The `glassbox` program: reads the command line, does what it says, and turns errors into words
//! and an exit status.

mod cli;
mod commands;
mod logger;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
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
        Command::Init => commands::init(&home()?)?,
        Command::List => commands::list(&home()?)?,
        Command::Status { octoprint } => commands::status(&home()?, octoprint.as_deref())?,
        Command::Settings { name, keys, octoprint } => {
            commands::settings(&home()?, &name, &keys, octoprint.as_deref())?;
        }
        Command::Grant { name } => commands::grant(&home()?, &name)?,
        Command::Revoke { name } => commands::revoke(&home()?, &name)?,
        Command::OptIn { name, octoprint } => commands::opt_in(&home()?, &name, octoprint.as_deref())?,
        Command::OptOut { name, octoprint } => commands::opt_out(&home()?, &name, octoprint.as_deref())?,
        Command::Run { octoprint, api_key_file, events } => {
            commands::run(&home()?, octoprint.as_deref(), api_key_file.as_deref(), events.as_deref())?;
        }
        Command::Log(options) => return commands::log(&home()?, &options),
        Command::Audit { file, corpus, json, against: Some(old), .. } => {
            return commands::against(&file, &old, &corpus, json);
        }
        Command::Audit { file, corpus, json, sign, .. } => return commands::audit(&file, &corpus, json, &sign),
        Command::Demo { speed, session, port } => {
            return commands::demo(given.as_deref(), speed, session.as_deref(), port);
        }
        Command::Policy { name, markdown } => commands::policy(&home()?, &name, markdown)?,
        Command::Pack { module, manifest, output } => commands::pack(&module, &manifest, &output)?,
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
