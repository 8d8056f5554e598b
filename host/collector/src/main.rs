//! The program `glassbox-collector`. Its commands are in `cli`; what they do is the library's.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(cli::arguments::Arguments::parse().command)
}
