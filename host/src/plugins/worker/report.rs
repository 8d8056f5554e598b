//! How a plugin's thread tells the log, the journal and the supervisor what came of an event, a tick or another version.

use super::thread::WorkerThread;
use crate::plugins::messages::Control;
use crate::plugins::running_plugin::{LifecycleEvent, Step};
use glassbox_journal::What;
use glassbox_sandbox::capabilities::Clock;
use glassbox_sandbox::{Blocked, Plugin};
use glassbox_util::text::printable;
use std::sync::Arc;
use std::time::Instant;

/// How the gate begins a reason that is about the server, and so about all reports.
const SERVER: &str = "the tracking server's URL ";

impl WorkerThread {
    /// Tell the log, the journal and the supervisor what came of an event or a tick.
    pub(super) fn report(&mut self, step: &Step) {
        for request in &step.sent {
            let text = self.journal.redacted(&format!("{} {:?}", request.name, request.fields));
            tracing::debug!(plugin = self.label, "{text}");
        }
        let plugin = self.running.plugin().clone();
        for blocked in &step.blocked {
            let reason = self.no.as_ref().unwrap_or(&blocked.reason).clone();
            self.journal.blocked(&Blocked { reason, ..blocked.clone() });
            if blocked.undeclared {
                let name = &blocked.request;
                self.log_limit.say(&format!("{name} was blocked: {}", blocked.reason));
            } else if blocked.reason.starts_with(SERVER) && self.unusable_server.is_new(&blocked.reason) {
                self.log_limit.say(&format!("all reports are blocked: {}", blocked.reason));
            }
        }
        for name in &step.unsent {
            self.journal.unsent(name);
        }
        if step.slow {
            let reason = "calls took longer than a quarter of a second, so what they sent leaves late";
            self.journal.lifecycle(What::Slow, &plugin.digest, Some(reason.into()));
        }
        for note in &step.notes {
            self.log_limit.say(&self.journal.redacted(note));
        }
        for words in &step.said {
            if self.log_limit.say("it says that something is wrong; with -v, the log has its own words") {
                tracing::debug!(
                    plugin = self.label,
                    "it says: {}",
                    printable(&self.journal.redacted(words), usize::MAX)
                );
            }
        }
        for event in &step.lifecycle {
            self.report_lifecycle(event, &plugin);
        }
        if step.saved && step.sent.is_empty() {
            self.unsaved_since.get_or_insert_with(Instant::now);
        } else if step.saved {
            self.unsaved_since = None;
        }
    }

    fn report_lifecycle(&mut self, event: &LifecycleEvent, plugin: &Arc<Plugin>) {
        match event {
            LifecycleEvent::Failed(reason) => {
                self.journal.lifecycle(What::Restarted, &plugin.digest, Some(reason.clone()))
            }
            LifecycleEvent::Quarantined(reason) => {
                self.journal.lifecycle(What::Quarantined, &plugin.digest, Some(reason.clone()));
                // Whatever is left of its share of the log, which it may have used up.
                let reason = printable(&self.journal.redacted(&format!("it is quarantined: {reason}")), usize::MAX);
                tracing::warn!(
                    plugin = self.label,
                    "{reason}; another version of its file, or a change of its settings, starts it again"
                );
                self.say_running(Some(reason));
            }
            LifecycleEvent::RolledBack(reason, failed) => {
                self.event_queue.now_sees(plugin.policy.clone());
                self.octoprint.router.changed();
                self.journal.runs(plugin, self.running.settings());
                self.journal.lifecycle(What::RolledBack, failed, Some(reason.clone()));
                self.version_changed(self.clock.now());
                self.report_rollback(failed.clone(), plugin.clone());
            }
        }
    }

    pub(super) fn report_running(&self, version: Arc<Plugin>) {
        self.send(Control::Runs { octoprint: self.octoprint.number, name: self.name.clone(), version });
    }

    pub(super) fn report_rollback(&self, failed: String, version: Arc<Plugin>) {
        let (octoprint, name) = (self.octoprint.number, self.name.clone());
        self.send(Control::RolledBack { octoprint, name, failed, version });
    }

    fn send(&self, message: Control) {
        // The supervisor no longer listens when the host ends.
        let _ = self.octoprint.host.control.send(message);
    }
}
