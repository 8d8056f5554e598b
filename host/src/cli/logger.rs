//! The log on standard error: lines for people, or JSON for collectors. What is said, and when, is the
//! affair of whoever says it.
//!
//! A line may name a `plugin` and an `octoprint` beside its message, or both in one, `octoprint/plugin`;
//! `about` is a plugin that the message itself names.

use glassbox_util::text::printable;
use serde::Serialize;
use std::fmt::{Debug, Write as _};
use std::io::{IsTerminal, Write as _, stderr};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// How the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Lines for people.
    #[default]
    Plain,
    /// One JSON object a line: time, level, message, and the plugin and the OctoPrint that it is about.
    Json,
}

/// Log to standard error from now on, in this form and as much as `verbose` says.
pub fn start(form: Form, verbose: u8) {
    let level = match verbose {
        0 => Level::INFO,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let logger = Logger { level, form, colours: form == Form::Plain && stderr().is_terminal() };
    tracing::subscriber::set_global_default(logger).expect("the first one");
    if form == Form::Json {
        // A panic is a fault of ours, and has several lines; a collector can take one.
        std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    }
}

struct Logger {
    level: Level,
    form: Form,
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
        let mut said = Said::default();
        event.record(&mut said);
        let level = *event.metadata().level();
        let line = match self.form {
            Form::Plain => said.plain(level, self.colours),
            Form::Json => said.json(level),
        };
        // In one piece, or other processes' lines may come in between. A log that nobody reads any
        // more stops nothing.
        let _ = stderr().lock().write_all(line.as_bytes());
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

/// What one line says.
#[derive(Default)]
struct Said {
    message: String,
    plugin: Option<String>,
    octoprint: Option<String>,
    about: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    octoprint: Option<&'a str>,
    message: &'a str,
}

impl Said {
    /// Further lines of a message are set back, so that they cannot pass for ours.
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
        let line = Line {
            // With a fixed number of digits, lines sort as they came.
            time: format!("{:.3}", jiff::Timestamp::now()),
            level: &level.as_str().to_ascii_lowercase(),
            plugin,
            octoprint,
            message: &self.message,
        };
        serde_json::to_string(&line).expect("texts, into memory") + "\n"
    }

    fn take(&mut self, name: &str, value: &str) {
        // What is not seen is spelled out, whoever said it; the lines of a message stay lines.
        let value = value.split('\n').map(|line| printable(line, usize::MAX)).collect::<Vec<_>>().join("\n");
        match name {
            "message" => self.message.insert_str(0, &value),
            "plugin" => self.plugin = Some(value),
            "octoprint" => self.octoprint = Some(value),
            "about" => self.about = Some(value),
            // What libraries add.
            _ => write!(self.message, " {name}={value}").expect("into memory"),
        }
    }
}

impl Visit for Said {
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

    fn said(fields: &[(&str, &str)]) -> Said {
        let mut said = Said::default();
        fields.iter().for_each(|(name, value)| said.take(name, value));
        said
    }

    #[test]
    fn a_line_names_whom_it_is_about() {
        let plain = |fields: &[(&str, &str)]| said(fields).plain(Level::INFO, false);
        assert_eq!(plain(&[("message", "m")]), " INFO m\n");
        assert_eq!(plain(&[("message", "m"), ("plugin", "p")]), " INFO p: m\n");
        assert_eq!(plain(&[("octoprint", "o"), ("message", "m"), ("plugin", "p")]), " INFO o/p: m\n");
        assert_eq!(plain(&[("more", "1"), ("message", "m"), ("about", "p")]), " INFO m more=1\n");
        assert_eq!(said(&[("message", "m")]).plain(Level::ERROR, true), "\u{1b}[31mERROR\u{1b}[0m m\n");
    }

    #[test]
    fn json_has_what_the_line_has_and_the_time() {
        let line = said(&[("message", "a \"b\""), ("about", "p"), ("octoprint", "o")]).json(Level::WARN);
        let other = said(&[("message", "a \"b\""), ("plugin", "o/p")]).json(Level::WARN);
        let (time, rest) = line.strip_prefix("{\"time\":\"").unwrap().split_once('"').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == "2026-01-01T00:00:00.000Z".len(), "{time}");
        let expected = ",\"level\":\"warn\",\"plugin\":\"p\",\"octoprint\":\"o\",\"message\":\"a \\\"b\\\"\"}\n";
        assert_eq!(rest, expected);
        assert!(other.ends_with(expected), "{other}");
    }

    #[test]
    fn nothing_passes_for_another_line_or_moves_the_cursor() {
        let lines = said(&[("message", "a:\n  - b\nc")]);
        assert_eq!(lines.plain(Level::INFO, false), " INFO a:\n  - b\n      c\n");
        let awkward = said(&[("message", "\u{1b}[2J\r\u{202e}a\n INFO tracking: b")]);
        assert_eq!(awkward.plain(Level::WARN, false), " WARN \\u{1b}[2J\\u{d}\\u{202e}a\n       INFO tracking: b\n");
        let json = awkward.json(Level::WARN);
        assert_eq!(json.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["message"], "\\u{1b}[2J\\u{d}\\u{202e}a\n INFO tracking: b");
    }
}
