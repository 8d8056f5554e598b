//! The command line's arguments, and the help that teaches them.

#[cfg(feature = "audit")]
use crate::cli::audit::Options as Audit;
use crate::cli::doctor;
use crate::cli::journal::Options as Journal;
use crate::cli::logger::LogFormat;
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// The first line of [`Cli`]'s first steps, where there is a demo.
#[cfg(feature = "audit")]
macro_rules! demo_step {
    () => {
        "  glassbox demo                     watch four recorded minutes of an OctoPrint go through the box\n"
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
/// manifest lists, and touch nothing else. This program runs it, and sends nothing until you opt in.
#[derive(Debug, Parser)]
#[command(version = glassbox::VERSION, after_help = concat!("First steps:\n", demo_step!(), "\
\x20 glassbox init                     make a home with the bundled tracker
  glassbox opt-in tracking          read what it records, and agree
  glassbox run --octoprint URL      follow your OctoPrint (--api-key-file FILE)
  glassbox run --events FILE        or read events from a file; - for standard input
  glassbox status                   is anything sent, and why or why not?
  glassbox doctor                   find out what does not work, and how to fix it
  glassbox journal                  what was sent, when, and which event caused it
  glassbox opt-out tracking         change your mind; it stops at once

Exit status: 0 all is well, 1 a check failed (audit, demo, doctor, journal --verify, replay), 2 an error,
3 the journal was not cleanly closed (journal --verify)."))]
pub struct Cli {
    /// The home folder, with plugins and settings [default: glassbox in the XDG data folder].
    #[arg(long, global = true, value_name = "DIR", env = "GLASSBOX_HOME")]
    pub home: Option<PathBuf>,

    /// Log more: -v also logs each report and what plugins say, -vv logs everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// The format of the log, which goes to standard error.
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t)]
    pub log: LogFormat,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the home: folders, a configuration file, the bundled tracker. Nothing is overwritten.
    Init,
    /// Take over the settings of OctoPrint's own tracker: its id, switches, intervals and server.
    ///
    /// The file is OctoPrint's configuration, usually ~/.octoprint/config.yaml; it is not changed. If you
    /// have set something else here, nothing is taken over. This does not opt you in.
    Import {
        /// OctoPrint's configuration.
        #[arg(value_name = "CONFIG.yaml")]
        file: PathBuf,
        /// Overwrite what you have set here with OctoPrint's settings.
        #[arg(long)]
        force: bool,
        /// The name of the OctoPrint in glassbox.toml. Needed if there are several.
        #[arg(long, value_name = "NAME")]
        octoprint: Option<String>,
    },
    /// List the plugins: what each is, and whether it sends anything.
    List,
    /// Show whether anything is sent, which rule decides, and what was sent so far.
    Status {
        /// Only for the OctoPrint with this name in glassbox.toml.
        #[arg(long, value_name = "NAME")]
        octoprint: Option<String>,
        /// Print it as JSON, in the form that host/docs/status.md describes.
        #[arg(long)]
        json: bool,
    },
    /// Check the whole setup step by step, and say how to fix what is wrong.
    ///
    /// Checks the home, the plugins, their grants and settings, OctoPrint, the API key and what it may
    /// read, the tracking server, the clock and a Raspberry Pi's throttle state. It changes nothing and
    /// reports nothing. It connects to the tracking server only if somebody has opted in.
    Doctor(doctor::Arguments),
    /// Show or change a plugin's settings.
    ///
    /// Without arguments all settings are shown, each with title, value and default. KEY shows one, and
    /// KEY=VALUE changes one. VALUE is JSON, or plain text. A running host uses the change at once.
    Settings {
        /// The plugin.
        name: String,
        /// The setting to show or change, for example events.printjob=false.
        #[arg(value_name = "KEY[=VALUE]")]
        keys: Vec<String>,
        /// The name of the OctoPrint in glassbox.toml, or 'all'. Needed if there are several.
        #[arg(long, value_name = "NAME")]
        octoprint: Option<String>,
    },
    /// Show what a plugin asks for, and grant it.
    ///
    /// A plugin without a grant is not started. A running host switches to a new version of a plugin by
    /// itself if that asks for no more than was granted. If it asks for more, this shows what.
    Grant {
        /// The plugin.
        name: String,
    },
    /// Take back what was granted. A running host stops the plugin at once and drops reports that wait.
    Revoke {
        /// The plugin.
        name: String,
    },
    /// Show what a plugin will record, grant that, and switch the plugin on.
    ///
    /// On a terminal it asks before it does so. Where nobody can be asked, as in a script or with the output in a file,
    /// the command itself is the yes.
    OptIn {
        /// The plugin.
        name: String,
        /// Do not ask: I have read it, and agree.
        #[arg(short, long)]
        yes: bool,
        /// The name of the OctoPrint in glassbox.toml, or 'all'. Needed if there are several.
        #[arg(long, value_name = "NAME")]
        octoprint: Option<String>,
    },
    /// Switch a plugin off. A running host stops sending at once and drops reports that wait.
    OptOut {
        /// The plugin.
        name: String,
        /// The name of the OctoPrint in glassbox.toml, or 'all'. Needed if there are several.
        #[arg(long, value_name = "NAME")]
        octoprint: Option<String>,
    },
    /// Run all plugins in the home.
    ///
    /// Events come from a running OctoPrint: the one given with --octoprint, or those of the [[octoprint]]
    /// entries in glassbox.toml and those that publish at the brokers of its [[mqtt]] entries. The API key is
    /// read from a file that only you can read, from $GLASSBOX_API_KEY, or from systemd's credential
    /// octoprint-api-key. OctoPrint keeps running when this program ends.
    ///
    /// With --events they are JSON Lines: {"event": "PrintStarted", "payload": {..}}. At the end of the
    /// input, or on Ctrl-C, plugins are told that the server stops, and reports that wait are sent for up
    /// to 5 s.
    Run {
        /// The OctoPrint to follow, for example http://octopi.local
        #[arg(long, value_name = "URL")]
        octoprint: Option<String>,
        /// A file with its API key.
        #[arg(long, value_name = "FILE", requires = "octoprint")]
        api_key_file: Option<PathBuf>,
        /// Read events from a file or a named pipe; - for standard input.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["octoprint", "api_key_file"])]
        events: Option<PathBuf>,
        #[command(flatten)]
        record: crate::cli::run::Record,
    },
    /// Run a recording again, without access to any live service, and stop at the first difference.
    ///
    /// The component that was recorded is found by its digest: in the home, among those given with
    /// --component, or in this program. Exit status 1 if anything differs.
    Replay(crate::cli::replay::Options),
    /// Show what was reported, what was not, and what happened to plugins.
    ///
    /// The journal has an entry for each report when it is queued, with every field, and one for what
    /// became of it. It holds no id and no secret, so that you can show it to anybody. All times are UTC.
    #[command(visible_alias = "log")]
    Journal(Journal),
    /// Examine a component without trusting it.
    ///
    /// Prints its digest, what it imports, and what its manifest asks for; then what it does, in sandboxes
    /// that send nothing: which input can change what it says, whether secrets turn up in any form, and,
    /// with a corpus of recorded cases, whether it does what OctoPrint did. At the end a verdict for each
    /// claim: holds, fails, or not shown. One to four minutes; --quick runs nothing.
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
    /// Trust the certificate of a server of yours.
    ///
    /// Shows the fingerprint of the certificate that the server shows, for you to compare with what the server itself
    /// says, and keeps the certificate after a yes. From then on it is trusted, whatever is wrong with it otherwise, and
    /// no other one is for that.
    Trust {
        /// The server, for example https://octopi.local or mqtts://broker.local:8883
        url: String,
        /// Trust it without a question if its SHA-256 fingerprint is this one.
        #[arg(long, value_name = "SHA256")]
        fingerprint: Option<String>,
    },
    /// Show what a plugin records, as its manifest declares it.
    ///
    /// With --deny-field it shows instead which reports would not leave if that were denied in [policy] in
    /// glassbox.toml, and what to write there.
    Policy {
        /// The plugin.
        #[arg(default_value = "tracking")]
        name: String,
        /// As the table in guest/README.md.
        #[arg(long)]
        markdown: bool,
        /// A field, as file; a report, as ping; or a field of one report, as print_done.elapsed. Can be given several times.
        #[arg(long = "deny-field", value_name = "NAME", conflicts_with = "markdown")]
        deny: Vec<String>,
    },
    /// Make a plugin from a WebAssembly module and a manifest.
    ///
    /// The module is what cargo builds for wasm32-unknown-unknown, with wit-bindgen and the contract
    /// in wit/. The result is one file, to be dropped into the plugin folder.
    Pack {
        /// The module.
        module: PathBuf,
        /// The manifest.
        manifest: PathBuf,
        /// The plugin to write; NAME must be the plugin's name in the manifest.
        #[arg(short, long, value_name = "NAME.wasm")]
        output: PathBuf,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}
