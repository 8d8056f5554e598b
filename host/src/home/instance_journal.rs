//! What is written into the journal of one plugin's instance: by which version, because of which
//! event, and without what must not be told. The journal itself knows nothing of plugins.

use glassbox_journal::{Journal, JournalEntry, JournalRequest, What};
use glassbox_sandbox::{Blocked, Outgoing, Plugin, Settings};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Blocked requests that are written down in a minute. A component that asks for what it may not have
/// all the time must not push everything else out of the journal; how many more there were is told.
const BLOCKED: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// A shorter text is not a secret; what is as short as a word of a report would be hidden everywhere.
const SECRET: usize = 8;

/// More are not looked for: a plugin may have any number of texts added, and each takes time.
const SECRETS: usize = 32;

/// Writes for one instance. Clones share everything.
#[derive(Clone)]
pub struct InstanceJournal(Arc<InstanceState>);

struct InstanceState {
    journal: Option<Journal>,
    octoprint: Option<String>,
    plugin: String,
    now: Mutex<Now>,
}

struct Now {
    cause: Cause,
    /// Texts that must not be told, each with what stands in its place.
    secrets: Vec<(String, String)>,
    minute: Instant,
    blocked: u32,
    unwritten: u64,
}

/// By what a request was caused.
#[derive(Clone, Debug)]
pub struct Cause {
    component: Arc<str>,
    event: Arc<str>,
}

impl InstanceJournal {
    /// Of a plugin. Without a journal nothing is written: for the demo and for tests.
    #[must_use]
    pub fn new(journal: Option<Journal>, plugin: &str) -> Self {
        Self::of(None, journal, plugin)
    }

    /// Of a plugin's instance for the OctoPrint with this name.
    #[must_use]
    pub fn of(octoprint: Option<&str>, journal: Option<Journal>, plugin: &str) -> Self {
        let cause = Cause { component: "".into(), event: "".into() };
        let now = Now { cause, secrets: Vec::new(), minute: Instant::now(), blocked: 0, unwritten: 0 };
        let octoprint = octoprint.map(Into::into);
        Self(Arc::new(InstanceState { journal, octoprint, plugin: plugin.into(), now: Mutex::new(now) }))
    }

    /// This version runs, with these settings: their texts are not told.
    pub fn runs(&self, plugin: &Plugin, settings: &Settings) {
        let http = plugin.policy.manifest().capabilities.http.as_ref();
        let mut secrets = secrets(settings, http.map_or("", |http| http.id_setting.as_str()));
        secrets.extend(self.0.journal.as_ref().and_then(home));
        let mut now = self.now();
        now.secrets = secrets;
        now.cause.component = plugin.digest.as_str().into();
    }

    /// What comes is asked for by this version.
    pub fn component(&self, component: &str) {
        self.now().cause.component = component.into();
    }

    /// What comes is caused by this event.
    pub fn because_of(&self, event: &str) {
        let mut now = self.now();
        if &*now.cause.event != event {
            now.cause.event = event.into();
        }
    }

    /// A request was queued. Returns what caused it, for when it is known what becomes of it.
    #[must_use]
    pub fn queued(&self, request: &Outgoing) -> Cause {
        let cause = self.now().cause.clone();
        self.request(What::Queued, request, &cause, None, None);
        cause
    }

    /// What became of a request.
    pub fn request(&self, what: What, request: &Outgoing, cause: &Cause, status: Option<u16>, reason: Option<&str>) {
        if self.0.journal.is_none() {
            return;
        }
        let request = JournalRequest {
            name: request.name.clone(),
            method: request.method.to_string(),
            path: request.shown.clone(),
            fields: request.fields.clone(),
        };
        self.write(JournalEntry {
            what,
            component: Some(cause.component.to_string()),
            event: Some(cause.event.to_string()).filter(|event| !event.is_empty()),
            request: Some(request),
            status,
            reason: reason.map(Into::into),
            ..JournalEntry::default()
        });
    }

    /// A request did not get past the gate.
    pub fn blocked(&self, blocked: &Blocked, plugin: &Plugin) {
        let mut now = self.now();
        if now.minute.elapsed() >= MINUTE {
            (now.minute, now.blocked) = (Instant::now(), 0);
        }
        if now.blocked >= BLOCKED {
            now.unwritten += 1;
            return;
        }
        now.blocked += 1;
        let (unwritten, cause) = (std::mem::take(&mut now.unwritten), now.cause.clone());
        drop(now);
        self.left_out(unwritten, &cause.component);
        // A name that was not declared could be anything, a secret as well.
        let declared = plugin.policy.declares(&blocked.request);
        let name = if declared { blocked.request.clone() } else { "(undeclared)".into() };
        self.write(JournalEntry {
            what: What::Blocked,
            component: Some(cause.component.to_string()),
            event: Some(cause.event.to_string()).filter(|event| !event.is_empty()),
            request: Some(JournalRequest { name, ..JournalRequest::default() }),
            reason: Some(blocked.reason.clone()),
            ..JournalEntry::default()
        });
    }

    /// The end: what was not written down one by one is told.
    pub fn close(&self) {
        let unwritten = std::mem::take(&mut self.now().unwritten);
        let component = self.now().cause.component.clone();
        self.left_out(unwritten, &component);
    }

    fn left_out(&self, unwritten: u64, component: &str) {
        if unwritten > 0 {
            let reason = format!("{unwritten} more requests were blocked, and are not written down one by one");
            let (component, reason) = (Some(component.to_string()), Some(reason));
            self.write(JournalEntry {
                what: What::Blocked,
                component,
                reason,
                count: Some(unwritten),
                ..JournalEntry::default()
            });
        }
    }

    /// What became of the plugin.
    pub fn lifecycle(&self, what: What, component: &str, reason: Option<String>) {
        let component = Some(component.to_string()).filter(|component| !component.is_empty());
        self.write(JournalEntry { what, component, reason, ..JournalEntry::default() });
    }

    fn write(&self, entry: JournalEntry) {
        let Some(journal) = &self.0.journal else { return };
        let entry = JournalEntry { octoprint: self.0.octoprint.clone(), plugin: self.0.plugin.clone(), ..entry };
        let secrets = self.now().secrets.clone();
        let secrets: Vec<_> = secrets.iter().map(|(place, text)| (place.as_str(), text.as_str())).collect();
        // These are the host's own words, whatever a plugin has put into its settings.
        let (octoprint, event) = (entry.octoprint.clone(), entry.event.clone());
        journal.write(&JournalEntry { octoprint, event, ..entry.redacted(&secrets) });
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder's name often has the user's in it.
fn home(journal: &Journal) -> Option<(String, String)> {
    let home = journal.folder().parent()?.to_str()?;
    (home.len() > 1).then(|| ("{home}".into(), home.into()))
}

/// Write down what became of a plugin of which no instance runs.
pub fn note(journal: &Journal, what: What, plugin: &str, component: Option<String>, reason: &str) {
    note_of(None, journal, what, plugin, component, reason);
}

/// The same, of its instance for the OctoPrint with this name.
pub fn note_of(
    octoprint: Option<&str>,
    journal: &Journal,
    what: What,
    plugin: &str,
    component: Option<String>,
    reason: &str,
) {
    let (octoprint, reason) = (octoprint.map(Into::into), Some(reason.into()));
    let entry = JournalEntry { what, octoprint, plugin: plugin.into(), component, reason, ..JournalEntry::default() };
    let home = home(journal);
    let secrets: Vec<_> = home.iter().map(|(place, text)| (place.as_str(), text.as_str())).collect();
    journal.write(&entry.redacted(&secrets));
}

/// Texts that are not told: the id first, then others as long as there is room for them.
fn secrets(settings: &Settings, id_setting: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    texts("", &settings.to_value(), &mut found);
    let id = format!("{{{id_setting}}}");
    found.sort_by_key(|(place, text)| (*place != id, std::cmp::Reverse(text.len())));
    found.dedup_by(|a, b| a.1 == b.1);
    found.truncate(SECRETS);
    // The longest first: one may be a part of another.
    found.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
    found
}

/// All texts of a document that could be secrets, each with its key in braces.
fn texts(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) if text.len() >= SECRET => found.push((format!("{{{path}}}"), text.clone())),
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            texts(&path, value, found);
        }),
        Value::Array(list) => list.iter().for_each(|value| texts(path, value, found)),
        _ => {}
    }
}
