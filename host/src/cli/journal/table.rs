//! The journal as a table. Nothing is cut off: people want to see everything that was sent.

use crate::cli::output::with_home;
use glassbox::plugins::context::label;
use glassbox_journal::JournalRequest;
use glassbox_util::text::printable;
use serde::Deserialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What the table shows of a line. Newer hosts may write more fields, and other words for what happened, so this is
/// not a `JournalEntry`.
#[derive(Debug, Deserialize)]
pub struct TableLine {
    pub t: String,
    what: String,
    pub octoprint: Option<String>,
    #[serde(default)]
    pub plugin: String,
    component: Option<String>,
    event: Option<String>,
    request: Option<JournalRequest>,
    status: Option<u16>,
    reason: Option<String>,
}

impl TableLine {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The last column: `PrintStarted -> print_started origin=local (200): why`.
    fn about(&self, home: &Path) -> String {
        let mut about = String::new();
        if let Some(event) = &self.event {
            about += event;
        }
        if let Some(request) = &self.request {
            about += if about.is_empty() { "" } else { " -> " };
            about += &request.name;
            for (name, value) in &request.fields {
                about += &format!(" {name}={}", quoted(value));
            }
        } else if let Some(component) = &self.component {
            about += if about.is_empty() { "" } else { ", " };
            about += &format!("sha256 {}", component.get(..16).unwrap_or(component));
        }
        if let Some(status) = self.status {
            about += &format!(" ({status})");
        }
        if let Some(reason) = &self.reason {
            about += if about.is_empty() { "" } else { ": " };
            // One line for each entry, also where the reason has several.
            let lines = with_home(reason, home);
            about += &lines.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        }
        printable(&about, usize::MAX)
    }
}

/// The value, in quotes where it would not be clear where it ends.
fn quoted(value: &str) -> String {
    if value.is_empty() || value.contains([' ', '"']) { format!("{value:?}") } else { value.into() }
}

/// Prints lines, and a heading before the first.
pub struct Table {
    /// The home, whose path the journal leaves out.
    home: PathBuf,
    colour: bool,
    heading: bool,
    /// The width of the longest plugin name so far, in characters.
    plugin: usize,
}

impl Table {
    pub fn new(home: &Path, colour: bool) -> Self {
        Self { home: home.into(), colour, heading: false, plugin: 8 }
    }

    /// Print a line; none for one that cannot be read.
    pub fn line(&mut self, out: &mut impl Write, line: Option<&TableLine>) -> io::Result<()> {
        if !std::mem::replace(&mut self.heading, true) {
            let width = self.plugin;
            writeln!(out, "{:23}  {:width$}  {:11}  event -> report: reason", "time (UTC)", "plugin", "what")?;
        }
        let Some(line) = line else {
            return writeln!(out, "(a line that is not an entry; 'glassbox journal --verify' says more)");
        };
        let time = line.t.replacen('T', " ", 1);
        let plugin = label(line.octoprint.as_deref(), &line.plugin);
        let (time, plugin, what) = (
            printable(time.trim_end_matches('Z'), usize::MAX),
            printable(&plugin, usize::MAX),
            printable(&line.what, usize::MAX),
        );
        self.plugin = self.plugin.max(plugin.chars().count());
        let (on, off) = if self.colour { (colour(&what), "\x1b[0m") } else { ("", "") };
        let width = self.plugin;
        let text = format!("{time:23}  {plugin:width$}  {on}{what:11}{off}  {}", line.about(&self.home));
        writeln!(out, "{}", text.trim_end())
    }
}

/// Green for what was sent, red for what somebody should look at, dim for what is only queued.
fn colour(what: &str) -> &'static str {
    match what {
        "sent" => "\x1b[32m",
        "queued" => "\x1b[2m",
        "blocked" | "failed" | "dropped" | "refused" | "waiting" | "restarted" | "rolled-back" | "quarantined"
        | "gap" | "unsent" | "slow" => "\x1b[31m",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(colour: bool, lines: &[&str]) -> Vec<String> {
        let mut out = Vec::new();
        let mut table = Table::new(Path::new("/home/pi/box"), colour);
        lines.iter().for_each(|line| table.line(&mut out, TableLine::parse(line.as_bytes()).as_ref()).unwrap());
        String::from_utf8(out).unwrap().lines().map(Into::into).collect()
    }

    #[test]
    fn what_would_not_be_seen_is_spelled_out() {
        let line = r#"{"t":"2026-07-27T10:00:00.000Z\u001b[2J","what":"x\u0007","plugin":"\u202ea","reason":"\u001b[31mred\u009b"}"#;
        let line = &table(false, &[line])[1];
        let expected = r"2026-07-27 10:00:00.000Z\u{1b}[2J  \u{202e}a  x\u{7}       \u{1b}[31mred\u{9b}";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_reason_is_on_one_line_and_has_whole_paths() {
        let line =
            r#"{"t":"T","what":"refused","plugin":"a","reason":"{home}/plugins/a.wasm:\n  - it is none\n  (copy it)"}"#;
        let line = &table(false, &[line])[1];
        assert!(line.ends_with("  /home/pi/box/plugins/a.wasm: - it is none (copy it)"), "{line}");
    }

    #[test]
    fn values_end_where_one_sees_it() {
        let line = r#"{"t":"2026-07-27T10:00:00.000Z","what":"sent","plugin":"tracking","event":"tick","status":204,
            "request":{"name":"ping","method":"GET","path":"/","fields":[["a","b"],["c",""],["d","x y"],["e","\"q\""]]}}"#;
        let expected =
            r#"2026-07-27 10:00:00.000  tracking  sent         tick -> ping a=b c="" d="x y" e="\"q\"" (204)"#;
        assert_eq!(table(false, &[line])[1], expected);
    }

    #[test]
    fn words_of_newer_hosts_and_lines_that_are_none() {
        let newer = r#"{"t":"T","what":"transmogrified","plugin":"a-name-longer-than-most","source":3}"#;
        let lines = table(true, &[newer, "garbage", r#"{"t":"T","what":"gap","plugin":"a","reason":"r"}"#]);
        assert_eq!(lines[1].split_whitespace().last(), Some("transmogrified\u{1b}[0m"), "{lines:?}");
        assert_eq!(lines[2], "(a line that is not an entry; 'glassbox journal --verify' says more)");
        assert!(lines[3].contains("  a                        \u{1b}[31mgap        \u{1b}[0m  r"), "{lines:?}");
    }
}
