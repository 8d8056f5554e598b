//! The command line: every command with its arguments, and what `--help` says about them.

use clap::{Args, Parser, Subcommand, ValueEnum};
use glassbox_collector::config::Listen;
use glassbox_collector::id::Id;
use jiff::Timestamp;
use std::path::PathBuf;

/// The receiving end of OctoPrint's usage tracking: takes reports, looks up a rough place and lets the address go, keeps
/// them for a while, and publishes every hour what they add up to.
#[derive(Parser)]
#[command(name = "glassbox-collector", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the configuration and the store are.
#[derive(Args)]
pub(crate) struct Place {
    /// The configuration; `glassbox-collector config` shows all keys. Without one, all are at their defaults
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The folder of the store, instead of the configured one
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

/// What wrote a log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// nginx of OctoPrint's own server: `ADDRESS [TIME] "REQUEST" STATUS BYTES "BODY" "USER AGENT"`
    OctoprintNginx,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show it all at once, in a throw-away store
    ///
    /// Fills a store with 30 days of a made-up fleet, receives what real OctoPrints sent, over HTTP on this machine, makes
    /// the exports, and serves them until Ctrl-C. Then the store is removed. Nothing leaves this machine.
    Demo,
    /// Receive reports until SIGTERM or Ctrl-C
    ///
    /// GET and POST of /track/ID/EVENT/ are reports. The exports are made every hour, served at /export/, and shown at /;
    /// /privacy says what is kept; /healthz answers as long as requests are answered. The first line on standard output says
    /// where it listens, the second where the metrics are, if metrics_listen is configured.
    Run {
        #[command(flatten)]
        place: Place,
        /// Where to listen, instead of the configured place; port 0 takes a free one
        #[arg(long, value_name = "ADDR|unix:PATH")]
        listen: Option<Listen>,
        /// The database of places, instead of the configured one
        #[arg(long, value_name = "FILE")]
        geo: Option<PathBuf>,
    },
    /// Say how it goes: what came in today, what was refused, what is new, and what is wrong
    ///
    /// Read from the files, also while reports come in. Days that are damaged are named.
    Status {
        #[command(flatten)]
        place: Place,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Look whether a set-up is as it should be
    ///
    /// Each line is one thing that was looked at: ok, a warning, or a fault, with what to do. With a fault the exit status
    /// is 1.
    Doctor {
        #[command(flatten)]
        place: Place,
    },
    /// Make the 18 exports now, also while reports come in
    Exports {
        #[command(flatten)]
        place: Place,
        /// Where to put them
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// As of this time: 2026-11-26T18:00:00Z
        #[arg(long, value_name = "RFC3339")]
        now: Option<Timestamp>,
    },
    /// Show all that is kept of an installation, as JSON
    Show {
        #[command(flatten)]
        place: Place,
        /// The installation's id
        #[arg(value_name = "ID", value_parser = id)]
        id: Id,
    },
    /// Remove an installation from every day, also while reports come in
    ///
    /// What somebody has copied stays: backups, and exports that were published. So do the totals of days that are over. If
    /// it reports again, it is a new one, unless it is kept out. Exit status 3: it is forgotten, but files that are damaged
    /// may hold what it reported; they are named.
    Forget {
        #[command(flatten)]
        place: Place,
        /// The installation's id
        #[arg(value_name = "ID", value_parser = id)]
        id: Id,
        /// Keep nothing that it reports from now on, for good; its id is stored as half of its SHA-256
        #[arg(long)]
        keep_out: bool,
    },
    /// Take what another server has logged
    ///
    /// With the times and the addresses of the log, which are looked up and let go. A file that was taken before is not taken
    /// again, and a longer copy of it is taken from where the other ended; whether it is one is told by its bytes. Files that
    /// gzip has packed are taken as they are.
    Import {
        #[command(flatten)]
        place: Place,
        /// What wrote the log
        #[arg(long)]
        format: Format,
        /// Add to days that have live reports, too
        #[arg(long)]
        merge: bool,
        /// The logs, oldest first; `-` is standard input
        #[arg(value_name = "LOG", required = true)]
        logs: Vec<PathBuf>,
    },
    /// Copy the store into a new folder, also while reports come in
    ///
    /// The copy is a store like any other: `run --data DIR` goes on with it. The exports are not in it, as they can be made
    /// of it. What `forget` removes later stays in a copy. Exit status 3: all is copied but days that are damaged, which are
    /// named.
    Backup {
        #[command(flatten)]
        place: Place,
        /// Where to; a new folder, or an empty one
        #[arg(value_name = "DIR")]
        to: PathBuf,
    },
    /// Print a configuration with every key at its default, and why
    Config,
    /// Print the built-in manifest: what is kept of OctoPrint's reports
    Manifest,
}

fn id(text: &str) -> Result<Id, &'static str> {
    Id::parse(text).ok_or("an id is a UUID, such as 01234567-89ab-cdef-0123-456789abcdef")
}
