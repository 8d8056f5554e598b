//! What an entry is, and how it becomes a line that can be shown to anybody: of bounded length, and without
//! characters that a terminal would obey or hide. The chain around it is in [`crate::chain`].

use super::chain::LINE;
use super::redact::redact;
use glassbox_util::text::is_hidden;
use serde::{Deserialize, Serialize};
use serde_json::ser::{CompactFormatter, Formatter};
use std::io;

/// What happened, in an entry. In JSON its name is in kebab case, as `rolled-back`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The host started.
    #[default]
    Started,
    /// The host stopped.
    Stopped,
    /// A version of a plugin was loaded and runs.
    Loaded,
    /// A plugin's file was not loaded; the reason says why.
    Refused,
    /// A plugin waits until somebody grants what it asks for, or vouches for it.
    Waiting,
    /// What a plugin asks for was granted.
    Granted,
    /// A grant was revoked.
    Revoked,
    /// What the user or the operator wants cannot be read, so nothing is sent; the reason says which file it is.
    Doubt,
    /// A plugin's file was removed.
    Removed,
    /// A plugin trapped and was restarted.
    Restarted,
    /// A new version of a plugin failed and was replaced by the previous one.
    RolledBack,
    /// A plugin failed too often and was stopped.
    Quarantined,
    /// A request passed the gate and waits to be sent.
    Queued,
    /// A request did not pass the gate; the reason says why.
    Blocked,
    /// A report was due, and the component did not send it.
    Unsent,
    /// A call took so long that what was sent in it leaves late.
    Slow,
    /// The server answered a request with a status of 2xx.
    Sent,
    /// The server answered a request with another status, or not at all over a connection that was made.
    Failed,
    /// A request was given up, unsent.
    Dropped,
    /// Entries are missing here; the reason says which.
    Gap,
}

/// A request in an entry, in the form that may be shown to anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalRequest {
    /// Its name, for example `print_started`.
    pub name: String,
    /// `GET` or `POST`.
    pub method: String,
    /// The URL's path, with `{id}` in place of the installation's id.
    pub path: String,
    /// Names and values, in the order in which they were sent.
    pub fields: Vec<(String, String)>,
}

/// One entry: something that happened. Its number, its time and its place in the chain are added when it is
/// written. Fields that are empty are left out of the JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// What happened.
    pub what: What,
    /// The OctoPrint's name; none for one without a name, and for what concerns all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub octoprint: Option<String>,
    /// The plugin's name; empty for what concerns the host itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plugin: String,
    /// The SHA-256 of the plugin's component, as 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The name of the event that caused it, or `tick`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The request that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<JournalRequest>,
    /// The HTTP status with which the server answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it happened, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many things of this kind the entry stands for; none for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl JournalEntry {
    /// The entry with placeholders in place of secrets, in all of its texts but the digest. `secrets` are pairs
    /// of placeholder and secret; see [`redact`].
    pub fn redacted(&self, secrets: &[(&str, &str)]) -> Self {
        self.map_texts(&mut |text| redact(text, secrets))
    }

    /// The entry with each of its texts changed; not the digest.
    fn map_texts(&self, change: &mut dyn FnMut(&str) -> String) -> Self {
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

    /// The line, with its line feed. A text that does not fit is shortened, and says by how much.
    pub(super) fn to_line(&self, number: u64, time: &str, prev: &str) -> Vec<u8> {
        let whole = to_json(number, time, self, prev);
        if whole.len() <= LINE + 1 {
            return whole;
        }
        let mut line = whole;
        // A character takes at most six bytes in JSON, so the last of these always fits: 64 fields and a few
        // other texts.
        for most in [8192, 1024, 48] {
            let mut entry = self.map_texts(&mut |text| shorten(text, most));
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

/// Writes JSON in which hidden characters are escaped too, not only those that must be.
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
