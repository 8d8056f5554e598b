//! The command line: what can be said, and the help that teaches it.

#[cfg(feature = "audit")]
use crate::cli::audit::Options as Audit;
use crate::cli::doctor;
use crate::cli::journal::Options as Journal;
use crate::cli::logger::Form;
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// The first line of [`Cli`]'s first steps, where there is a demo.
#[cfg(feature = "audit")]
macro_rules! demo_step {
    () => {
        "  glassbox demo                     watch a recorded day of a real OctoPrint go through the box\n"
    };
}
#[cfg(not(feature = "audit"))]
macro_rules! demo_step {
    () => {
        ""
    };
}

/// Opt-in usage tracking in a glass box.
///
/// A tracker is a WebAssembly component that can see what its manifest lists, say what its
/// manifest lists, and touch nothing else. This program runs it, and sends nothing before you say so.
#[derive(Debug, Parser)]
#[command(version = glassbox::VERSION, after_help = concat!("First steps:\n", demo_step!(), "\
\x20 glassbox init                     make a home with the bundled tracker
  glassbox opt-in tracking          read what it records, and say yes
  glassbox run --octoprint URL      follow your OctoPrint (--api-key-file FILE)
  glassbox run --events FILE        or feed it events; - for standard input
  glassbox status                   is anything sent, and why (not)?
  glassbox doctor                   does it not work? what to do about it
  glassbox journal                  what was sent, when, and because of what
  glassbox opt-out tracking         say no again; takes effect at once

Exit status: 0 all is well, 1 a check failed (audit, demo, doctor, journal --verify, replay), 2 it could not be done."))]
pub struct Cli {
    /// The home folder: plugins, settings [default: glassbox in the XDG data folder].
    #[arg(long, global = true, value_name = "DIR", env = "GLASSBOX_HOME")]
    pub home: Option<PathBuf>,

    /// Log more: -v every report, -vv everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// How the log looks on standard error.
    #[arg(long, global = true, value_name = "FORM", value_enum, default_value_t)]
    pub log: Form,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the home: folders, configuration, the bundled tracker. What is there stays.
    Init,
    /// Take over the settings of OctoPrint's own tracker: its id, its switches, its intervals, its server.
    ///
    /// The file is OctoPrint's configuration, usually ~/.octoprint/config.yaml; it is not changed. What you
    /// have set here otherwise stays, and then nothing is taken over. Nobody is opted in by this.
    Import {
        /// OctoPrint's configuration.
        #[arg(value_name = "CONFIG.yaml")]
        file: PathBuf,
        /// Take OctoPrint's also where you have set something else here.
        #[arg(long)]
        force: bool,
        /// The OctoPrint, by its name in glassbox.toml. Needed where there are several.
        #[arg(long, value_name = "NAME")]
        octoprint: Option<String>,
    },
    /// List the plugins: what they are, and whether they are on.
    List,
    /// Say whether anything is sent, and which rule decides.
    Status {
        /// Only for this OctoPrint, by its name in glassbox.toml.
        #[arg(long, value_name = "NAME")]
        octoprint: Option<String>,
    },
    /// Look at a set-up step by step, and say what to do about what is wrong.
    ///
    /// Looks at the home, the plugins, their grants and settings, OctoPrint, the API key and what it may
    /// read, the tracking server, the clock and a Raspberry Pi's throttle state. It changes nothing and
    /// reports nothing; to the tracking server it connects only where somebody has opted in.
    Doctor(doctor::Arguments),
    /// Show or change a plugin's settings.
    ///
    /// Without KEY all are shown with title, value and default; KEY shows one, KEY=VALUE changes
    /// one. A running host takes changes up at once. VALUE is JSON, or text as it is.
    Settings {
        /// The plugin.
        name: String,
        /// What to show or change, for example events.printjob=false.
        #[arg(value_name = "KEY[=VALUE]")]
        keys: Vec<String>,
        /// The OctoPrint, by its name in glassbox.toml, or 'all'. Needed where there are several.
        #[arg(long, value_name = "NAME")]
        octoprint: Option<String>,
    },
    /// Show what a plugin asks for, and grant it.
    ///
    /// A plugin without a grant is not started. A new version that asks for no more than was granted
    /// is taken up by a running host; for one that asks for more this shows what that is.
    Grant {
        /// The plugin.
        name: String,
    },
    /// Take back what was granted. A running host stops the plugin at once and forgets what waits.
    Revoke {
        /// The plugin.
        name: String,
    },
    /// Show what a plugin will record, grant that, and switch it on.
    OptIn {
        /// The plugin.
        name: String,
        /// The OctoPrint, by its name in glassbox.toml, or 'all'. Needed where there are several.
        #[arg(long, value_name = "NAME")]
        octoprint: Option<String>,
    },
    /// Switch a plugin off. A running host stops sending at once and forgets what waits.
    OptOut {
        /// The plugin.
        name: String,
        /// The OctoPrint, by its name in glassbox.toml, or 'all'. Needed where there are several.
        #[arg(long, value_name = "NAME")]
        octoprint: Option<String>,
    },
    /// Run all plugins in the home.
    ///
    /// Events come from a running OctoPrint: the one that is named, or those of the [[octoprint]] entries of
    /// glassbox.toml, and those that publish at the brokers of its [[mqtt]] entries. Its API key is read from a file that only you can read, from $GLASSBOX_API_KEY, or
    /// from systemd's credential octoprint-api-key. When this program ends, OctoPrint runs on.
    ///
    /// With --events they are JSON Lines, {"event": "PrintStarted", "payload": {..}}. At the end of the
    /// input, or on Ctrl-C, plugins hear that the server stops. What waits is sent for up to 5 s.
    Run {
        /// The OctoPrint to follow, for example http://octopi.local
        #[arg(long, value_name = "URL")]
        octoprint: Option<String>,
        /// The file with its API key.
        #[arg(long, value_name = "FILE", requires = "octoprint")]
        api_key_file: Option<PathBuf>,
        /// Events from a file, a pipe, or - for standard input.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["octoprint", "api_key_file"])]
        events: Option<PathBuf>,
        #[command(flatten)]
        record: crate::cli::run::Record,
    },
    /// Run a recording again, with all live services denied, and stop at the first difference.
    ///
    /// The component is looked for by its digest: in the home, among those that are named, and in this
    /// program. Exit status 1 if anything is different.
    Replay(crate::cli::replay::Options),
    /// Show what was reported, what was not, and what happened to plugins.
    ///
    /// Everything is in the journal: each report from when it was queued, with every field, to what
    /// became of it. It holds no id and no secret, so that you can show it to anybody. All times are UTC.
    #[command(visible_alias = "log")]
    Journal(Journal),
    /// Examine a component without trusting it.
    ///
    /// Prints its digest, what it imports, and what its manifest asks for; then what it does, in sandboxes
    /// that send nothing: which input can change what it says, whether secrets turn up in any form, and,
    /// with a corpus of recorded cases, whether it does what OctoPrint did. At the end a verdict for each
    /// claim: holds, fails, or not shown. About a minute; --quick runs nothing.
    #[cfg(feature = "audit")]
    Audit(Audit),
    /// Play a recorded session of a real OctoPrint through the bundled tracker, over real HTTP.
    ///
    /// Makes a throw-away home, opts in there, and sends to a receiver on a loopback port: nothing
    /// leaves this machine. Ends with a table: every report, here and as OctoPrint sent it.
    #[cfg(feature = "audit")]
    Demo {
        /// How many seconds of the session to play in one second; 0 for as fast as possible.
        #[arg(long, default_value_t = 16.0)]
        speed: f64,
        /// Another session: the file of what went in. The file of what came out lies beside it,
        /// with .requests.jsonl in place of .events.jsonl.
        #[arg(long, value_name = "FILE.events.jsonl")]
        session: Option<PathBuf>,
        /// The receiver's port; 0 for any that is free.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Show what a plugin records, as its manifest says.
    Policy {
        /// The plugin.
        #[arg(default_value = "tracking")]
        name: String,
        /// As the table in the README.
        #[arg(long)]
        markdown: bool,
    },
    /// Make a plugin of a WebAssembly module and a manifest.
    ///
    /// The module is what cargo builds for wasm32-unknown-unknown with wit-bindgen and the contract
    /// in wit/. The result is one file: drop it into the plugin folder.
    Pack {
        /// The module.
        module: PathBuf,
        /// The manifest.
        manifest: PathBuf,
        /// Where the plugin goes; its name must be that of the manifest.
        #[arg(short, long, value_name = "NAME.wasm")]
        output: PathBuf,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}
