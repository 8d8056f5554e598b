//! The `glassbox` program: reads the command line, does what it says, and turns errors into words
//! and an exit status.

mod cli;
mod commands;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use glassbox::home::Home;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.verbose);
    match execute(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever read our output has had enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
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
        Command::Import { file, force } => commands::import(&home()?, &file, force)?,
        Command::List => commands::list(&home()?)?,
        Command::Status => commands::status(&home()?)?,
        Command::Doctor(options) => return commands::doctor(&home()?, &options),
        Command::Settings { name, keys } => commands::settings(&home()?, &name, &keys)?,
        Command::Grant { name } => commands::grant(&home()?, &name)?,
        Command::Revoke { name } => commands::revoke(&home()?, &name)?,
        Command::OptIn { name } => commands::opt_in(&home()?, &name)?,
        Command::OptOut { name } => commands::opt_out(&home()?, &name)?,
        Command::Run { octoprint, api_key_file, events } => {
            commands::run(&home()?, octoprint.as_deref(), api_key_file.as_deref(), events.as_deref())?;
        }
        Command::Log(options) => return commands::log(&home()?, &options),
        Command::Audit { file, corpus, json } => return commands::audit(&file, &corpus, json),
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

/// The log goes to standard error: what happens to reports, and what somebody should look after.
fn log(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::INFO,
        1 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .without_time()
        // A log that nobody reads any more stops nothing; complaining about it would panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}
