//! `journal`: shows the journal to people and programs, follows it, and verifies it.

mod since;
mod table;
mod verify;

use super::Ended;
use super::output::{self, Out};
use anyhow::Result;
use clap::Args;
use glassbox::home::Home;
use glassbox::home::UNNAMED;
use glassbox::operations::similar::did_you_mean;
use glassbox_journal::Reader;
use jiff::Timestamp;
use std::io::{BufWriter, Stdout, Write};
use std::time::Duration;
use table::{Table, TableLine};

/// How often to check for new entries while following. That reads one small file, so it costs next to nothing, and
/// it works on every file system, unlike notifications of changes.
const POLL: Duration = Duration::from_millis(250);

/// The options of `journal`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  glassbox journal --since 2h                      the last two hours; also '3 days', '90 min'
  glassbox journal --since 2026-07-27              from that day on; also '2026-07-27 10:30'
  glassbox journal --plugin tracking --follow      new entries as they are written
  glassbox journal --json | jq -r 'select(.what == \"blocked\") | .reason'
  glassbox journal --verify                        was anything altered or removed?

What is in the journal:
  reports   queued, then sent, failed or dropped; blocked if manifest or consent forbid it
  plugins   loaded, refused, waiting, granted, revoked, removed,
            restarted, rolled-back, quarantined
  the host  started, stopped, and gap where entries are missing

Exit status: 0 all is well, 2 an error; with --verify also
  1 the journal is broken
  3 it was not cleanly closed, and no host runs that would be writing: lines or a part of one
    follow after the last line that its head records. That is what a killed host leaves, and
    what somebody leaves who appends a line; the next host that starts takes them over.")]
pub struct Options {
    /// Show new entries as they are written, until Ctrl-C or until nobody reads the output.
    #[arg(short, long)]
    follow: bool,
    /// Print the journal's lines as they are: JSON.
    #[arg(long)]
    json: bool,
    /// Only entries since then: a date, a time, or how long ago.
    #[arg(long, value_name = "WHEN", value_parser = since::parse)]
    since: Option<Timestamp>,
    /// Only entries about this plugin.
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Only entries about the OctoPrint with this name in glassbox.toml.
    #[arg(long, value_name = "NAME")]
    octoprint: Option<String>,
    /// Check that no line was altered, removed, moved, inserted or cut off, and say what that cannot show.
    #[arg(long, conflicts_with_all = ["follow", "json", "since", "plugin", "octoprint"])]
    verify: bool,
}

/// Show the journal, or verify it.
pub fn journal(home: &Home, options: &Options) -> Result<Ended> {
    home.must_exist()?;
    if options.verify {
        return verify::verify(&home.journal());
    }
    let mut printer = Printer::new(home, options);
    let mut reader = Reader::new(home.journal());
    let read = |reader: &mut Reader, printer: &mut Printer| -> Result<()> {
        if reader.read(|line| printer.line(line))? {
            tracing::warn!("a new journal was begun; it is shown from its start");
        }
        Ok(printer.out.flush()?)
    };
    read(&mut reader, &mut printer)?;
    if !options.follow && !options.json && !printer.any {
        let folder = home.journal();
        let what = match folder.exists() {
            true => "no entry matches",
            false => "there is no journal yet; 'glassbox run' writes it",
        };
        let known = |plugin: &String| home.plugin_file(plugin).exists();
        let meant = options
            .plugin
            .as_ref()
            .filter(|plugin| !known(plugin))
            .map(|plugin| did_you_mean(plugin, home.plugin_names().unwrap_or_default()));
        let meant = meant.filter(|meant| !meant.is_empty()).map(|meant| format!("; {}", meant.trim_end()));
        writeln!(printer.out, "{what} ({}){}", output::path(&folder), meant.unwrap_or_default())?;
        printer.out.flush()?;
    }
    while options.follow && !is_output_closed(POLL) {
        read(&mut reader, &mut printer)?;
    }
    Ok(Ended::Well)
}

/// Wait at most this long. True as soon as nobody reads our output any more.
fn is_output_closed(longest: Duration) -> bool {
    #[cfg(unix)]
    {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;
        let out = std::io::stdout();
        let mut polled = [PollFd::new(out.as_fd(), PollFlags::empty())];
        let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
        if poll(&mut polled, timeout).is_ok() {
            return polled[0].any().unwrap_or(true);
        }
    }
    std::thread::sleep(longest);
    false
}

/// Prints the lines that the options ask for.
struct Printer {
    out: Out<BufWriter<Stdout>>,
    /// None if lines are printed as they are.
    table: Option<Table>,
    /// Written as in the journal, so that the texts can be compared.
    since: Option<String>,
    plugin: Option<String>,
    octoprint: Option<String>,
    any: bool,
}

impl Printer {
    fn new(home: &Home, options: &Options) -> Self {
        let out = if options.json { output::json() } else { output::much() };
        let table = (!options.json).then(|| Table::new(home.root(), super::colours()));
        let since = options.since.map(|since| format!("{since:.3}"));
        let (plugin, octoprint) = (options.plugin.clone(), options.octoprint.clone());
        Self { out, table, since, plugin, octoprint, any: false }
    }

    fn line(&mut self, bytes: &[u8]) -> Result<()> {
        let line = TableLine::parse(bytes);
        // A line that cannot be read is always shown: somebody should look at it.
        if line.as_ref().is_some_and(|line| !self.wanted(line)) {
            return Ok(());
        }
        self.any = true;
        match &mut self.table {
            Some(table) => table.line(&mut self.out, line.as_ref())?,
            None => {
                self.out.write_all(bytes)?;
                self.out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn wanted(&self, line: &TableLine) -> bool {
        self.since.as_ref().is_none_or(|since| line.t >= *since)
            && self.plugin.as_ref().is_none_or(|plugin| line.plugin == *plugin)
            && self.octoprint.as_ref().is_none_or(|name| line.octoprint.as_deref().unwrap_or(UNNAMED) == name)
    }
}
