//! `log`: the journal for people, for machines, and its check.

mod since;
mod table;
mod verify;

use anyhow::Result;
use clap::Args;
use glassbox::home::Home;
use glassbox::home::UNNAMED;
use glassbox_journal::Reader;
use jiff::Timestamp;
use std::io::{BufWriter, Stdout, Write};
use std::time::Duration;
use table::{Line, Table};

/// Between two looks while following. One small file is read then, so that this costs next to nothing;
/// and it works on every file system, which being told of changes does not.
const LOOK: Duration = Duration::from_millis(250);

/// What can be said.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  glassbox journal --since 2h                      the last two hours; also '3 days', '90 min'
  glassbox journal --since 2026-07-27              from that day on; also '2026-07-27 10:30'
  glassbox journal --plugin tracking --follow      what happens now
  glassbox journal --json | jq -r 'select(.what == \"blocked\") | .reason'
  glassbox journal --verify                        does it hang together?

What there is:
  reports   queued, then sent, failed or dropped; blocked if the box did not let it out
  plugins   loaded, refused, waiting, granted, revoked, removed,
            restarted, rolled-back, quarantined
  the host  started, stopped, and gap where entries are missing

Exit status: 0 all is well, 1 the journal is broken (with --verify), 2 it could not be done.")]
pub struct Options {
    /// Go on as entries come, until Ctrl-C or until nobody reads any more.
    #[arg(short, long)]
    follow: bool,
    /// Print the lines as they are in the journal: JSON.
    #[arg(long)]
    json: bool,
    /// Leave out what was before: a date, a time, or how long ago.
    #[arg(long, value_name = "WHEN", value_parser = since::parse)]
    since: Option<Timestamp>,
    /// Only what is about this plugin.
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Only what is about this OctoPrint, by its name in glassbox.toml.
    #[arg(long, value_name = "NAME")]
    octoprint: Option<String>,
    /// Check that no line was altered, removed, moved, put in or cut, and say what that does not show.
    #[arg(long, conflicts_with_all = ["follow", "json", "since", "plugin", "octoprint"])]
    verify: bool,
}

/// Show the journal, or check it; false if it is broken.
pub fn journal(home: &Home, options: &Options) -> Result<bool> {
    home.must_exist()?;
    if options.verify {
        return verify::verify(&home.journal());
    }
    let mut printer = Printer::new(options);
    let mut reader = Reader::new(home.journal());
    let read = |reader: &mut Reader, printer: &mut Printer| -> Result<()> {
        if reader.read(|line| printer.line(line))? {
            tracing::warn!("the journal was begun anew; the new one is shown from its start");
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
        writeln!(printer.out, "{what} ({})", folder.display())?;
        printer.out.flush()?;
    }
    while options.follow && !nobody_reads(LOOK) {
        read(&mut reader, &mut printer)?;
    }
    Ok(true)
}

/// Wait so long, or until what we print can reach nobody any more.
fn nobody_reads(longest: Duration) -> bool {
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

/// Prints the lines that are asked for.
struct Printer {
    out: BufWriter<Stdout>,
    /// None where lines are printed as they are.
    table: Option<Table>,
    /// As the journal writes it, so that texts can be compared.
    since: Option<String>,
    plugin: Option<String>,
    octoprint: Option<String>,
    any: bool,
}

impl Printer {
    fn new(options: &Options) -> Self {
        let out = std::io::stdout();
        let table = (!options.json).then(|| Table::new(super::colours()));
        let since = options.since.map(|since| format!("{since:.3}"));
        let (plugin, octoprint) = (options.plugin.clone(), options.octoprint.clone());
        Self { out: BufWriter::new(out), table, since, plugin, octoprint, any: false }
    }

    fn line(&mut self, bytes: &[u8]) -> Result<()> {
        let line = Line::parse(bytes);
        // What cannot be read is shown whatever was asked for: somebody should look at it.
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

    fn wanted(&self, line: &Line) -> bool {
        self.since.as_ref().is_none_or(|since| line.t >= *since)
            && self.plugin.as_ref().is_none_or(|plugin| line.plugin == *plugin)
            && self.octoprint.as_ref().is_none_or(|name| line.octoprint.as_deref().unwrap_or(UNNAMED) == name)
    }
}
