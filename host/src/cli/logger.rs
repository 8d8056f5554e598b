//! The log on standard error: lines for people, or JSON for log collectors. What is logged, and when, is decided
//! by the code that logs it.
//!
//! An event may have the fields `plugin` and `octoprint`, or both in `plugin` as `octoprint/plugin`. `about` is a
//! plugin that the message itself names: it is a field in JSON, and not repeated in a line for people.
//!
//! Own code rather than `tracing-subscriber`: its formatters can neither put plugin and OctoPrint before the
//! message as in `octoprint/plugin: message`, nor write flat JSON with these names, nor escape what a plugin may
//! have put into a message; and a program without spans needs nothing else of it.

use glassbox::system::wall_time;
use glassbox_util::text::shortened;
use serde::Serialize;
use std::fmt::{Debug, Write as _};
use std::io::{IsTerminal, Write as _, stderr};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// The most bytes of a message: more than any of ours has. A line with it has at most 4 KB.
const MESSAGE: usize = 3000;
/// The most bytes of a name beside it.
const NAME: usize = 120;
/// The most lines of a message.
const LINES: usize = 64;

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Plain,
    /// One JSON object a line: time, level, message, and the plugin and the OctoPrint that it is about.
    Json,
}

/// Log to standard error from now on. `verbose` is how often `-v` was given: 0 for info, 1 for debug, 2 or more
/// for trace.
///
/// # Panics
/// When it is called a second time.
pub fn start(format: LogFormat, verbose: u8) {
    let level = match verbose {
        0 => Level::INFO,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let logger = Logger { level, format, colours: format == LogFormat::Plain && stderr().is_terminal() };
    tracing::subscriber::set_global_default(logger).expect("the first one");
    if format == LogFormat::Json {
        // A panic is a bug of ours, and its message has several lines; a collector takes one.
        std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    }
}

struct Logger {
    level: Level,
    format: LogFormat,
    colours: bool,
}

impl Subscriber for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(self.level.into())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = LogLine::default();
        event.record(&mut line);
        let level = *event.metadata().level();
        let text = match self.format {
            LogFormat::Plain => line.plain(level, self.colours),
            LogFormat::Json => line.json(level),
        };
        // In one piece, or the lines of other processes may come in between. If nobody reads the log any more,
        // we go on.
        let _ = stderr().lock().write_all(text.as_bytes());
    }

    // There are no spans.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// One line of the log.
#[derive(Default)]
struct LogLine {
    message: String,
    plugin: Option<String>,
    octoprint: Option<String>,
    about: Option<String>,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    level: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    octoprint: Option<&'a str>,
    message: &'a str,
}

impl LogLine {
    /// For people. Further lines of a message are indented, so that they cannot pass for lines of ours.
    fn plain(&self, level: Level, colours: bool) -> String {
        let colour = match level {
            Level::ERROR => 31,
            Level::WARN => 33,
            Level::INFO => 32,
            Level::DEBUG => 34,
            Level::TRACE => 35,
        };
        let level = if colours { format!("\u{1b}[{colour}m{level:>5}\u{1b}[0m") } else { format!("{level:>5}") };
        let who = match (&self.octoprint, &self.plugin) {
            (Some(octoprint), Some(plugin)) => format!("{octoprint}/{plugin}: "),
            (Some(one), None) | (None, Some(one)) => format!("{one}: "),
            (None, None) => String::new(),
        };
        let further = |line: &str| if line.starts_with("  ") { format!("\n{line}") } else { format!("\n      {line}") };
        let (first, rest) = self.message.split_once('\n').map_or((&*self.message, None), |(a, b)| (a, Some(b)));
        let rest: String = rest.iter().flat_map(|rest| rest.split('\n')).map(further).collect();
        format!("{level} {who}{first}{rest}\n")
    }

    fn json(&self, level: Level) -> String {
        let plugin = self.plugin.as_deref().or(self.about.as_deref());
        let (octoprint, plugin) = match plugin.and_then(|plugin| plugin.split_once('/')) {
            Some((octoprint, plugin)) => (Some(octoprint), Some(plugin)),
            None => (self.octoprint.as_deref(), plugin),
        };
        let line = JsonLine {
            // With a fixed number of digits, lines sort by time.
            time: format!("{:.3}", wall_time()),
            level: &level.as_str().to_ascii_lowercase(),
            plugin,
            octoprint,
            message: &self.message,
        };
        let json = |line: &JsonLine<'_>| serde_json::to_string(line).expect("texts, into memory") + "\n";
        let whole = json(&line);
        if whole.len() <= 4000 {
            return whole;
        }
        // Of much that JSON escapes, with another character each.
        let half = &self.message[..self.message.floor_char_boundary(MESSAGE / 2)];
        json(&JsonLine { message: &format!("{half}…"), ..line })
    }

    fn take(&mut self, name: &str, value: &str) {
        match name {
            "message" => self.message.insert_str(0, &message(value)),
            "plugin" => self.plugin = Some(shortened(value, NAME)),
            "octoprint" => self.octoprint = Some(shortened(value, NAME)),
            "about" => self.about = Some(shortened(value, NAME)),
            // A field of a library's event.
            _ => write!(self.message, " {name}={}", shortened(value, NAME)).expect("into memory"),
        }
    }
}

/// A message as it may be logged: whoever it comes from, invisible characters are escaped, only line breaks stay, and it
/// has an end.
fn message(text: &str) -> String {
    let mut message = String::new();
    for (number, line) in text.split('\n').enumerate() {
        let room = MESSAGE.saturating_sub(message.len());
        if number == LINES || room == 0 {
            return message + "\n…";
        }
        message += if number > 0 { "\n" } else { "" };
        message += &shortened(line, room);
    }
    message
}

impl Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field.name(), &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_line(fields: &[(&str, &str)]) -> LogLine {
        let mut line = LogLine::default();
        fields.iter().for_each(|(name, value)| line.take(name, value));
        line
    }

    #[test]
    fn a_line_names_whom_it_is_about() {
        let plain = |fields: &[(&str, &str)]| log_line(fields).plain(Level::INFO, false);
        assert_eq!(plain(&[("message", "m")]), " INFO m\n");
        assert_eq!(plain(&[("message", "m"), ("plugin", "p")]), " INFO p: m\n");
        assert_eq!(plain(&[("octoprint", "o"), ("message", "m"), ("plugin", "p")]), " INFO o/p: m\n");
        assert_eq!(plain(&[("more", "1"), ("message", "m"), ("about", "p")]), " INFO m more=1\n");
        assert_eq!(log_line(&[("message", "m")]).plain(Level::ERROR, true), "\u{1b}[31mERROR\u{1b}[0m m\n");
    }

    #[test]
    fn json_has_what_the_line_has_and_the_time() {
        let line = log_line(&[("message", "a \"b\""), ("about", "p"), ("octoprint", "o")]).json(Level::WARN);
        let other = log_line(&[("message", "a \"b\""), ("plugin", "o/p")]).json(Level::WARN);
        let (time, rest) = line.strip_prefix("{\"time\":\"").unwrap().split_once('"').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == "2026-01-01T00:00:00.000Z".len(), "{time}");
        let expected = ",\"level\":\"warn\",\"plugin\":\"p\",\"octoprint\":\"o\",\"message\":\"a \\\"b\\\"\"}\n";
        assert_eq!(rest, expected);
        assert!(other.ends_with(expected), "{other}");
    }

    #[test]
    fn a_line_has_an_end_whoever_wrote_it() {
        for text in ["x".repeat(3 << 20), "\u{1b}".repeat(1 << 20), "\"".repeat(1 << 20), "ä\n".repeat(1 << 20)] {
            let line = log_line(&[("message", &text), ("plugin", &text), ("octoprint", &text), ("other", &text)]);
            let plain = line.plain(Level::WARN, false);
            assert!(plain.lines().all(|line| line.len() < 4096) && plain.lines().count() < 80, "{}", plain.len());
            let json = line.json(Level::WARN);
            assert!(json.len() < 4096 && serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json.len());
        }
        assert_eq!(log_line(&[("message", &"x".repeat(2900))]).message.len(), 2900);
    }

    #[test]
    fn nothing_passes_for_another_line_or_moves_the_cursor() {
        let lines = log_line(&[("message", "a:\n  - b\nc")]);
        assert_eq!(lines.plain(Level::INFO, false), " INFO a:\n  - b\n      c\n");
        let awkward = log_line(&[("message", "\u{1b}[2J\r\u{202e}a\n INFO tracking: b")]);
        assert_eq!(awkward.plain(Level::WARN, false), " WARN \\u{1b}[2J\\u{d}\\u{202e}a\n       INFO tracking: b\n");
        let json = awkward.json(Level::WARN);
        assert_eq!(json.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["message"], "\\u{1b}[2J\\u{d}\\u{202e}a\n INFO tracking: b");
    }
}
