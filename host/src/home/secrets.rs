//! Which texts must not get into the journal: the installation's id, all other texts of the settings that could be
//! secrets, and the path of the home folder. How they are found in a text is in `glassbox_journal`.

use glassbox_journal::{Journal, JournalEntry};
use glassbox_sandbox::Settings;
use serde_json::{Value, json};

/// Texts with fewer bytes are not taken for secrets: one that is as short as a word of a report would be hidden
/// everywhere.
const SHORTEST: usize = 8;

/// At most so many texts are looked for: a plugin may add any number to its settings, and each takes time.
const MOST: usize = 32;

/// Texts that must not be shown, each with the placeholder that takes its place.
#[derive(Clone, Default)]
pub struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// Those of a plugin's settings. `id_setting` is the key of the installation's id, as in the manifest: it is
    /// always among them, whatever else there is.
    pub fn of_settings(settings: &Settings, id_setting: &str) -> Self {
        let mut found = Vec::new();
        texts("", &json!(settings), &mut found);
        let id = format!("{{{id_setting}}}");
        found.sort_by_key(|(placeholder, text)| (*placeholder != id, std::cmp::Reverse(text.len())));
        found.dedup_by(|a, b| a.1 == b.1);
        found.truncate(MOST);
        // The longest first, as one may be a part of another.
        found.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        Self(found)
    }

    /// The path of the home that this journal is in: it often contains the user's name.
    pub fn of_home(journal: &Journal) -> Self {
        let home = journal.folder().parent().and_then(|home| home.to_str()).filter(|home| home.len() > 1);
        Self(home.map(|home| ("{home}".into(), home.into())).into_iter().collect())
    }

    /// These and others.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The entry with placeholders in place of these texts.
    pub fn redact(&self, entry: &JournalEntry) -> JournalEntry {
        entry.redacted(&self.pairs())
    }

    /// The text with placeholders in place of these texts.
    pub fn redact_text(&self, text: &str) -> String {
        glassbox_journal::redact(text, &self.pairs())
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(placeholder, text)| (placeholder.as_str(), text.as_str())).collect()
    }
}

/// All texts of a document that could be secrets, each with its path in braces, as `{events.name}`.
fn texts(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) if text.len() >= SHORTEST => found.push((format!("{{{path}}}"), text.clone())),
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            texts(&path, value, found);
        }),
        Value::Array(list) => list.iter().for_each(|value| texts(path, value, found)),
        _ => {}
    }
}
