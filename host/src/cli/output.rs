//! What commands print: all of it goes through here, so that nothing that somebody else wrote moves a terminal's cursor,
//! hides text, or fills the screen. Where such a text enters a line of ours it is also [`shown`](glassbox_util::text::shown),
//! which keeps it on that line; this is what holds if somebody forgets.

use clap::error::ContextValue;
use glassbox_util::text::{is_hidden, shown, without_credentials};
use serde_json::Value;
use std::io::{self, BufWriter, Stdout, StdoutLock, Write, stdout};
use std::path::Path;

/// The longest line, in bytes. What is longer goes on in further lines, as nobody can agree to what they could not read.
const LINE: usize = 4000;

/// How a line goes on.
const FURTHER: &str = "      ";

/// What happens to a hidden character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// It is spelled out, and long lines are broken; our own colours may stay.
    Text { colours: bool },
    /// It is escaped as JSON escapes, and lines are as long as they are.
    Json,
}

/// Standard output, line by line.
pub struct Out<W: Write> {
    to: W,
    format: Format,
    line: Vec<u8>,
}

/// Standard output for text.
pub fn out() -> Out<StdoutLock<'static>> {
    Out::new(stdout().lock(), Format::Text { colours: super::colours() })
}

/// The same for much text.
pub fn much() -> Out<BufWriter<Stdout>> {
    Out::new(BufWriter::new(stdout()), Format::Text { colours: super::colours() })
}

/// Standard output for JSON.
pub fn json() -> Out<BufWriter<Stdout>> {
    Out::new(BufWriter::new(stdout()), Format::Json)
}

impl<W: Write> Out<W> {
    fn new(to: W, format: Format) -> Self {
        Self { to, format, line: Vec::new() }
    }

    /// Write what there is of a line.
    fn emit(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let (line, end) = match line.strip_suffix(b"\n") {
            Some(line) => (line, "\n"),
            None => (&line[..], ""),
        };
        let text = String::from_utf8_lossy(line);
        let text = match self.format {
            Format::Json => escaped(&text),
            Format::Text { colours } => broken(&cleaned(&text, colours)),
        };
        self.to.write_all(text.as_bytes()).map_err(unsaid)?;
        self.to.write_all(end.as_bytes()).map_err(unsaid)
    }
}

/// That nothing can be said, which does not mean that nothing was done.
fn unsaid(error: io::Error) -> io::Error {
    let said = "cannot write to standard output ('glassbox status' shows what holds now)";
    io::Error::new(error.kind(), format!("{said}: {error}"))
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.emit()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.emit()?;
        }
        self.to.flush().map_err(unsaid)
    }
}

impl<W: Write> Drop for Out<W> {
    fn drop(&mut self) {
        // Who wants to know whether it was written has flushed it.
        let _ = self.flush();
    }
}

/// The line with hidden characters spelled out, but for a colour of ours.
fn cleaned(line: &str, colours: bool) -> String {
    let mut cleaned = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        let width = if colours { colour(rest) } else { 0 };
        let width = if width > 0 || !is_hidden(character) { width.max(character.len_utf8()) } else { 0 };
        cleaned.push_str(&rest[..width]);
        if width == 0 {
            cleaned.extend(character.escape_unicode());
        }
        rest = &rest[width.max(character.len_utf8())..];
    }
    cleaned
}

/// The length of the colour at the beginning of a text, as in `\x1b[31m`; 0 if there is none.
fn colour(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return 0 };
    let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    if digits < 8 && rest[digits..].starts_with('m') { digits + 3 } else { 0 }
}

/// JSON with hidden characters escaped, but for its line feeds.
#[cfg(feature = "audit")]
pub fn escaped_lines(json: &str) -> String {
    json.lines().map(|line| escaped(line) + "\n").collect()
}

/// The line with hidden characters escaped; in JSON they can only be in texts.
fn escaped(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for character in line.chars() {
        if is_hidden(character) {
            let mut units = [0; 2];
            escaped.extend(character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// The line in several, if it is too long for one.
fn broken(line: &str) -> String {
    let (mut broken, mut rest) = (String::with_capacity(line.len()), line);
    while rest.len() > LINE {
        let end = rest.floor_char_boundary(LINE - FURTHER.len());
        // At a space, if there is one near.
        let end = rest[..end].rfind(' ').filter(|space| space + 200 > end).unwrap_or(end);
        broken += &rest[..end];
        broken += "\n";
        broken += FURTHER;
        rest = rest[end..].trim_start();
    }
    broken + rest
}

/// A path on a line of ours: it can have a line break in it.
pub fn path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

/// A text of the journal for people: with the path of the home, which the journal itself leaves out.
pub fn with_home(text: &str, home: &Path) -> String {
    text.replace("{home}", &home.to_string_lossy())
}

/// A setting's value, but for a password in a URL.
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains("://") => shown(&Value::from(without_credentials(text)).to_string()),
        other => shown(&other.to_string()),
    }
}

/// A message on standard error. Lines after the first are indented, so that none passes for another message.
pub fn complain(what: &str, message: &str) {
    let lines = message.trim_end().split('\n').enumerate();
    let indented = |(number, line): (usize, &str)| {
        let indent = if number > 0 && !line.starts_with("  ") { "  " } else { "" };
        format!("{indent}{line}")
    };
    remark(&format!("{what}: {}", lines.map(indented).collect::<Vec<_>>().join("\n")));
}

/// Something on standard error, on lines of its own.
pub fn remark(text: &str) {
    let lines: Vec<_> = text.trim_end().split('\n').map(|line| broken(&cleaned(line, false))).collect();
    // If nobody is reading that, the exit status has to be enough.
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// What is wrong with a command line, as clap says it: with the words that were given as they may be shown.
pub fn misused(mut error: clap::Error) {
    let given: Vec<_> = error.context().filter_map(|(kind, value)| Some((kind, as_shown(value)?))).collect();
    for (kind, value) in given {
        error.insert(kind, value);
    }
    remark(&error.render().to_string());
}

fn as_shown(value: &ContextValue) -> Option<ContextValue> {
    match value {
        ContextValue::String(text) => Some(ContextValue::String(shown(text))),
        ContextValue::Strings(texts) => Some(ContextValue::Strings(texts.iter().map(|text| shown(text)).collect())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str, format: Format) -> String {
        let mut to = Vec::new();
        Out::new(&mut to, format).write_all(text.as_bytes()).unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn nothing_moves_the_cursor_but_our_own_colours() {
        let text = "\u{1b}[31mred\u{1b}[0m \u{1b}[2J\u{202e}\tkäse\nrest";
        let plain = printed(text, Format::Text { colours: false });
        assert_eq!(plain, "\\u{1b}[31mred\\u{1b}[0m \\u{1b}[2J\\u{202e}\\u{9}käse\nrest");
        let coloured = printed(text, Format::Text { colours: true });
        assert_eq!(coloured, "\u{1b}[31mred\u{1b}[0m \\u{1b}[2J\\u{202e}\\u{9}käse\nrest");
        let json = printed("{\"a\":\"\u{202e}\u{e0041}\"}\n", Format::Json);
        assert_eq!(json, "{\"a\":\"\\u202e\\udb40\\udc41\"}\n");
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok_and(|value| value["a"] == "\u{202e}\u{e0041}"));
    }

    #[test]
    fn long_lines_go_on_and_nothing_is_lost() {
        for text in ["x".repeat(10_000), "word ".repeat(3000), "ä".repeat(9000)] {
            let printed = printed(&format!("{text}\n"), Format::Text { colours: false });
            assert!(printed.lines().all(|line| line.len() <= LINE), "{printed}");
            assert!(printed.lines().skip(1).all(|line| line.starts_with(FURTHER)), "{printed}");
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
            assert_eq!(letters(&printed), letters(&text));
        }
    }
}
