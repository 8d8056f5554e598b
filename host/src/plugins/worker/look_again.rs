//! What a plugin's thread does when something may have changed that decides whether its reports may leave: settings,
//! grant, `[policy]`. The rule itself is in the room `sending`, which also stops single reports.

use super::thread::WorkerThread;
use crate::home::running::{self, Running};
use crate::sending::{Component, Sending};
use glassbox_journal::What;
use glassbox_sandbox::Settings;
use std::time::Instant;

impl WorkerThread {
    /// Look whether reports may be sent, and take the settings as they are now. Whoever says no, and for whatever doubt,
    /// the plugin is told that it is switched off.
    pub(super) fn look_again(&mut self, now: u64) {
        let plugin = self.running.plugin().clone();
        let (sending, settings) = self.permission.decide(&Component::of(&plugin));
        let settings = if matches!(sending, Sending::Decided(_)) { (*settings).clone() } else { Settings::default() };
        let sentence = sending.sentence(&self.name);
        self.no = (!sending.is_given()).then(|| sentence.clone());
        if !sending.is_given() {
            self.send_queue.close(&sentence);
        }
        if sending.is_doubt() && self.complaint.is_new(&sentence) {
            self.journal.lifecycle(What::Doubt, &plugin.digest, Some(sentence.clone()));
            tracing::warn!(plugin = self.label, "{sentence}");
        }
        if settings != *self.running.settings() || self.refused {
            self.take_settings(settings, now);
            if !sending.is_doubt() && !self.refused {
                self.complaint.forget();
                self.journal.runs(&plugin, self.running.settings());
                tracing::info!(plugin = self.label, "{sentence}");
            }
        }
        if self.untold {
            self.say_running(self.stopped.clone());
        }
        if sending.is_given() && !self.refused && !self.untold && !self.running.is_stopped() {
            self.send_queue.open();
        }
    }

    fn take_settings(&mut self, settings: Settings, now: u64) {
        let was_stopped = self.refused || self.running.is_stopped();
        let (was_off, came) = (!self.running.consent().given(), Instant::now());
        let changed = self.running.change_settings(settings, now);
        self.refused = changed.is_err();
        if was_off && self.running.consent().given() {
            // It is told what was not remembered for it.
            self.octoprint.router.printer_state().iter().for_each(|event| self.event(event, came));
        }
        match changed {
            Ok(()) if was_stopped => {
                let digest = self.running.plugin().digest.clone();
                self.journal.lifecycle(What::Loaded, &digest, Some("it takes its settings".into()));
                self.say_running(None);
            }
            Ok(()) => {}
            Err(error) => {
                let reason = format!("switched off until its settings are valid: {error:#}");
                self.send_queue.close(&reason);
                if self.complaint.is_new(&reason) {
                    let digest = self.running.plugin().digest.clone();
                    // The component's own words go into the log, not into the journal.
                    self.journal.lifecycle(What::Refused, &digest, Some(error.to_string()));
                    tracing::warn!(octoprint = self.octoprint.name, about = self.name, "{reason}");
                }
                self.say_running(Some(reason));
            }
        }
    }

    /// Another version runs: perhaps it takes the settings that the last one did not take.
    pub(super) fn version_changed(&mut self, now: u64) {
        self.say_running(None);
        if self.refused {
            self.look_again(now);
        }
    }

    /// Tell `status` which version runs, or why none does.
    pub(super) fn say_running(&mut self, stopped: Option<String>) {
        self.stopped.clone_from(&stopped);
        let digest = self.running.plugin().digest.clone();
        let said = running::write(&self.octoprint.home, &self.name, &Running { digest, stopped, worker: self.number });
        self.untold = said.is_err();
        if let Err(error) = said {
            // 'status' would say something else than what we do.
            self.send_queue.close("'glassbox status' could not be told that reports are sent");
            tracing::error!(plugin = self.label, "nothing is sent, as 'glassbox status' could not be told: {error:#}");
        }
    }
}
