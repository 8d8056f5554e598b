//! Writes a plugin's entries into the journal: adds by which version and because of which event, and takes out what
//! [`Secrets`] says. The journal itself knows nothing of plugins.

use super::secrets::Secrets;
use glassbox_journal::{Journal, JournalEntry, JournalRequest, What};
use glassbox_sandbox::{Blocked, Outgoing, Plugin, Settings};
use glassbox_util::PerMinute;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocked requests that get an entry of their own, per minute. A component that is blocked all the time must not
/// push everything else out of the journal; an entry says how many more there were.
const BLOCKED: u32 = 60;

/// Writes the entries of one plugin's instance. Clones share everything.
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
    secrets: Secrets,
    blocked: PerMinute,
}

/// What caused a request: the component that sent it, and the event that it handled.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The component's digest.
    component: Arc<str>,
    /// The event's name, or `tick`; empty if there was none.
    event: Arc<str>,
}

impl InstanceJournal {
    /// That of a plugin. Without a journal nothing is written, as in the demo and in tests.
    pub fn new(journal: Option<Journal>, plugin: &str) -> Self {
        Self::of(None, journal, plugin)
    }

    /// That of a plugin's instance for the OctoPrint with this name.
    pub fn of(octoprint: Option<&str>, journal: Option<Journal>, plugin: &str) -> Self {
        let cause = Cause { component: "".into(), event: "".into() };
        let now = Now { cause, secrets: Secrets::default(), blocked: PerMinute::new(BLOCKED) };
        let octoprint = octoprint.map(Into::into);
        Self(Arc::new(InstanceState { journal, octoprint, plugin: plugin.into(), now: Mutex::new(now) }))
    }

    /// This version runs, with these settings, whose texts are kept out of the journal from now on.
    pub fn runs(&self, plugin: &Plugin, settings: &Settings) {
        let http = plugin.policy.manifest().capabilities.http.as_ref();
        let secrets = Secrets::of_settings(settings, http.map_or("", |http| http.id_setting.as_str()));
        let secrets = secrets.and(self.0.journal.as_ref().map(Secrets::of_home).unwrap_or_default());
        let mut now = self.now();
        now.secrets = secrets;
        now.cause.component = plugin.digest.as_str().into();
    }

    /// Requests from now on come from the component with this digest.
    pub fn component(&self, component: &str) {
        self.now().cause.component = component.into();
    }

    /// Requests from now on are caused by the event with this name, or by a `tick`.
    pub fn because_of(&self, event: &str) {
        let mut now = self.now();
        if &*now.cause.event != event {
            now.cause.event = event.into();
        }
    }

    /// Write that a request was queued. Returns what caused it, for the entry about what becomes of it.
    pub fn queued(&self, request: &Outgoing) -> Cause {
        let cause = self.now().cause.clone();
        self.request(What::Queued, request, &cause, None, None);
        cause
    }

    /// Write what became of a request: `status` is the server's HTTP status, if it answered.
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

    /// Write that a request did not pass the gate; above the limit it is only counted.
    pub fn blocked(&self, blocked: &Blocked) {
        let mut now = self.now();
        if !now.blocked.allows() {
            return;
        }
        let (left_out, cause) = (now.blocked.take_left_out(), now.cause.clone());
        drop(now);
        self.left_out(left_out, &cause.component);
        // As the manifest writes it, never as the component did.
        self.not_sent(What::Blocked, &cause, &blocked.request, &blocked.reason);
    }

    /// Write that a report was due and that the component did not send it; above the limit it is only counted.
    pub fn unsent(&self, name: &str) {
        let mut now = self.now();
        if !now.blocked.allows() {
            return;
        }
        let cause = now.cause.clone();
        drop(now);
        self.not_sent(What::Unsent, &cause, name, "it was due, and the component did not send it");
    }

    /// Write why a request that there was to be does not leave.
    fn not_sent(&self, what: What, cause: &Cause, name: &str, reason: &str) {
        self.write(JournalEntry {
            what,
            component: Some(cause.component.to_string()),
            event: Some(cause.event.to_string()).filter(|event| !event.is_empty()),
            request: Some(JournalRequest { name: name.into(), ..JournalRequest::default() }),
            reason: Some(reason.into()),
            ..JournalEntry::default()
        });
    }

    /// The plugin ends: write how many blocked requests have no entry of their own.
    pub fn close(&self) {
        let left_out = self.now().blocked.take_left_out();
        let component = self.now().cause.component.clone();
        self.left_out(left_out, &component);
    }

    fn left_out(&self, count: u64, component: &str) {
        if count > 0 {
            let reason = format!("{count} more requests were blocked, and are not written down one by one");
            let (component, reason) = (Some(component.to_string()), Some(reason));
            self.write(JournalEntry {
                what: What::Blocked,
                component,
                reason,
                count: Some(count),
                ..JournalEntry::default()
            });
        }
    }

    /// Write what happened to the plugin itself; `component` is the digest of the version that it is about.
    pub fn lifecycle(&self, what: What, component: &str, reason: Option<String>) {
        let component = Some(component.to_string()).filter(|component| !component.is_empty());
        self.write(JournalEntry { what, component, reason, ..JournalEntry::default() });
    }

    /// A text without what is kept out of the journal, for the log.
    pub fn redacted(&self, text: &str) -> String {
        let secrets = self.now().secrets.clone();
        secrets.redact_text(text)
    }

    fn write(&self, entry: JournalEntry) {
        let Some(journal) = &self.0.journal else { return };
        let entry = JournalEntry { octoprint: self.0.octoprint.clone(), plugin: self.0.plugin.clone(), ..entry };
        let secrets = self.now().secrets.clone();
        // These two are the host's own words, whatever a plugin has put into its settings.
        let (octoprint, event) = (entry.octoprint.clone(), entry.event.clone());
        journal.write(&JournalEntry { octoprint, event, ..secrets.redact(&entry) });
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Write what happened to a plugin of which no instance runs.
pub fn note(journal: &Journal, what: What, plugin: &str, component: Option<String>, reason: &str) {
    note_of(None, journal, what, plugin, component, reason);
}

/// Write what happened to a plugin's instance for the OctoPrint with this name, while it does not run.
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
    journal.write(&Secrets::of_home(journal).redact(&entry));
}
