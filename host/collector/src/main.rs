//! The program `glassbox-collector`. Its commands are in `cli`; what they do is the library's.

#![deny(clippy::print_stderr)]

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    glassbox_util::hangup::honour_ignored();
    cli::run(cli::arguments::Arguments::parse().command)
}
