//! What an entry is, and how it becomes a line that can be shown to anybody: of bounded length, and
//! without characters that a terminal or a reader does not show.

use super::chain::LINE;
use super::redact::redact;
use glassbox_util::text::is_hidden;
use serde::{Deserialize, Serialize};
use serde_json::ser::{CompactFormatter, Formatter};
use std::io;

/// What happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A host began to run.
    #[default]
    Started,
    /// A host ended.
    Stopped,
    /// A plugin was loaded.
    Loaded,
    /// A plugin's file was not loaded.
    Refused,
    /// A plugin waits until somebody grants what it asks for.
    Waiting,
    /// What a plugin asks for was granted.
    Granted,
    /// What was granted was taken back.
    Revoked,
    /// A plugin's file is gone.
    Removed,
    /// A plugin trapped, and a fresh instance carries on.
    Restarted,
    /// A new version failed, and the old one carries on.
    RolledBack,
    /// A plugin failed too often, and is stopped.
    Quarantined,
    /// A request got past the gate, and waits to be sent.
    Queued,
    /// A request did not get past the gate.
    Blocked,
    /// A request was answered with 2xx.
    Sent,
    /// A request was answered otherwise, or not at all though a connection was there.
    Failed,
    /// A request was given up.
    Dropped,
    /// Something is missing from the journal here; the reason says what.
    Gap,
}

/// A request, as it can be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalRequest {
    /// Its name, for example `print_started`.
    pub name: String,
    /// `GET` or `POST`.
    pub method: String,
    /// With `{id}` in place of the id.
    pub path: String,
    /// Names and values, in their order.
    pub fields: Vec<(String, String)>,
}

/// One thing that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// What happened.
    pub what: What,
    /// The OctoPrint, by its name; none for the one without a name, and for what concerns all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub octoprint: Option<String>,
    /// The plugin; empty where the host itself is meant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plugin: String,
    /// The digest of the plugin's component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The event that caused it, or `tick`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The request that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<JournalRequest>,
    /// What the server answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of how many this one entry tells; none for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl JournalEntry {
    /// Put placeholders in place of secrets, wherever they stand; see [`redact`].
    #[must_use]
    pub fn redacted(&self, secrets: &[(&str, &str)]) -> Self {
        self.each(&mut |text| redact(text, secrets))
    }

    /// The entry with each of its texts changed; the digest is none.
    fn each(&self, change: &mut dyn FnMut(&str) -> String) -> Self {
        let mut entry = self.clone();
        let mut apply = |text: &mut String| *text = change(text);
        apply(&mut entry.plugin);
        entry.octoprint.iter_mut().chain(&mut entry.event).chain(&mut entry.reason).for_each(&mut apply);
        if let Some(request) = &mut entry.request {
            [&mut request.name, &mut request.method, &mut request.path].into_iter().for_each(&mut apply);
            request.fields.iter_mut().flat_map(|(name, value)| [name, value]).for_each(&mut apply);
        }
        entry
    }

    /// The line, with its line feed. What does not fit is shortened, and says so.
    pub(super) fn to_line(&self, number: u64, time: &str, prev: &str) -> Vec<u8> {
        let whole = to_json(number, time, self, prev);
        if whole.len() <= LINE + 1 {
            return whole;
        }
        let mut line = whole;
        // A character is at most six bytes in JSON, and so the last of these always fits: sixty-four
        // fields, and some texts.
        for most in [8192, 1024, 48] {
            let mut entry = self.each(&mut |text| shorten(text, most));
            entry.component = entry.component.map(|component| shorten(&component, most));
            if let Some(request) = &mut entry.request {
                let fields = request.fields.len();
                request.fields.truncate(64);
                if fields > 64 {
                    request.fields.push(("...".into(), format!("and {} more", fields - 64)));
                }
            }
            line = to_json(number, time, &entry, prev);
            if line.len() <= LINE + 1 {
                break;
            }
        }
        line
    }
}

#[derive(Serialize)]
struct JournalLine<'a> {
    n: u64,
    t: &'a str,
    #[serde(flatten)]
    entry: &'a JournalEntry,
    prev: &'a str,
}

fn to_json(n: u64, t: &str, entry: &JournalEntry, prev: &str) -> Vec<u8> {
    let mut line = Vec::with_capacity(512);
    let mut serializer = serde_json::Serializer::with_formatter(&mut line, Visible(CompactFormatter));
    JournalLine { n, t, entry, prev }.serialize(&mut serializer).expect("texts and numbers, into memory");
    line.push(b'\n');
    line
}

fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.into();
    }
    let start = &text[..text.floor_char_boundary(most)];
    format!("{start}...[{} more bytes]", text.len() - start.len())
}

/// JSON, with more characters spelled out than it asks for.
struct Visible(CompactFormatter);

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if !fragment.contains(is_hidden) {
            return self.0.write_string_fragment(writer, fragment);
        }
        for character in fragment.chars() {
            if is_hidden(character) {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                writer.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        Ok(())
    }
}
