//! What a change of grants, settings or configuration means for the plugins that run.

use super::Supervisor;
use crate::home::grants;
use crate::plugins::context::OctoPrint;
use crate::plugins::messages::{Control, Order};
use glassbox_journal::What;
use std::sync::Arc;

impl Supervisor {
    /// Grants changed: stop what is no longer covered, and load all, as something may be covered now.
    pub(super) fn grants_changed(&mut self) {
        let running: Vec<_> =
            self.slots.iter().filter(|(_, slot)| slot.has_worker()).map(|(name, _)| name.clone()).collect();
        for name in running {
            let granted = grants::read(&self.host.home, &name);
            let mut stopped = None;
            for number in 0..self.octoprints.len() {
                let Some(plugin) = self.instance(number, &name).and_then(|(instance, _)| instance.running.clone())
                else {
                    continue;
                };
                let advice = match &granted {
                    Ok(granted) => grants::standing(plugin.policy.manifest(), granted.as_ref()).advice(&name),
                    Err(error) => Some(format!("{error:#}")),
                };
                if let Some(advice) = advice
                    && self.retire_instance(number, &name, &Order::Revoke)
                {
                    stopped = Some((plugin.digest.clone(), advice));
                }
            }
            if let Some((digest, advice)) = stopped {
                let (what, reason) = match &granted {
                    Ok(_) => (What::Revoked, "its grant was revoked"),
                    Err(_) => (What::Doubt, "its grant cannot be read"),
                };
                self.write(what, &name, Some(digest), reason);
                tracing::info!(plugin = name, "{reason}, and it was stopped; {advice}");
            }
        }
        for slot in self.slots.values_mut() {
            slot.failed.clear();
            slot.instances.iter_mut().for_each(|instance| instance.failed.clear());
        }
        self.load_all();
    }

    /// Settings of an OctoPrint's plugins changed; of all OctoPrints if none is named.
    pub(super) fn settings_changed(&mut self, octoprint: Option<&str>) {
        let mut to_load = Vec::new();
        for (name, slot) in &mut self.slots {
            let mut load_again = false;
            let is_meant = |one: &&Arc<OctoPrint>| octoprint.is_none() || one.name.as_deref() == octoprint;
            for octoprint in self.octoprints.iter().filter(is_meant) {
                let instance = &mut slot.instances[octoprint.number];
                // It may have failed because of its settings.
                load_again |= instance.worker.is_none() || !instance.failed.is_empty();
                instance.failed.clear();
                let Some(worker) = &instance.worker else { continue };
                // Opting out takes effect at once, even while the plugin is busy.
                let sending = worker.permission.of_user().0;
                if !sending.is_given() {
                    worker.close(&octoprint.label(name), &sending.sentence(name));
                }
                worker.look_again.order();
            }
            if load_again {
                to_load.push(name.clone());
            }
        }
        to_load.iter().for_each(|name| self.load(name));
    }

    /// `glassbox.toml`, or something else in the home itself, changed.
    pub(super) fn config_changed(&mut self) {
        self.renew_lock();
        let read = self.host.home.config().and_then(|config| Ok((self.host.home.trust(&config)?, config)));
        let (trust, config) = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!("keeping the last good configuration: {error:#}");
                // It may hold a [policy] that nobody can read now.
                return self.look_again();
            }
        };
        // Auditors' keys may be in the home itself, and have changed.
        let mut load_all = config.policy.is_some();
        if let Some(before) = self.host.config.replace(config.clone(), trust) {
            if (&before.octoprint, &before.mqtt) != (&config.octoprint, &config.mqtt) {
                tracing::warn!("restart glassbox to follow other OctoPrints than before");
            }
            load_all |= before.policy != config.policy;
            tracing::info!("the configuration changed");
            let instances = self.slots.values().flat_map(|slot| &slot.instances);
            instances
                .filter_map(|instance| instance.worker.as_ref())
                .for_each(|worker| worker.event_queue.order(Order::Config));
        }
        self.look_again();
        if load_all {
            self.load_all();
        }
    }

    /// See that others can see that the host runs. Where that is not possible, it must not run.
    pub(super) fn renew_lock(&mut self) {
        if let Err(error) = self.lock.renew() {
            let _ = self.host.control.send(Control::SourceEnded(Err(error)));
        }
    }

    /// Have all instances look again at whether they may send.
    pub(super) fn look_again(&self) {
        let instances = self.slots.values().flat_map(|slot| &slot.instances);
        instances.filter_map(|instance| instance.worker.as_ref()).for_each(|worker| worker.look_again.order());
    }
}
