//! `completions`: a shell's completion script.

use super::arguments::Cli;
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;

/// Print the script.
pub fn completions(shell: Shell) -> Result<()> {
    // Not straight to standard output: the generator panics where that is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "glassbox", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
