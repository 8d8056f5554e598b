//! What a change of grants, settings or configuration means for what runs.

use super::Supervisor;
use crate::home::grants;
use crate::home::settings::Stored;
use crate::net::tls_trust::TlsTrust;
use crate::plugins::context::OctoPrint;
use crate::plugins::messages::Order;
use glassbox_journal::What;
use std::sync::Arc;

impl Supervisor {
    pub(super) fn grants_changed(&mut self) {
        let running: Vec<_> =
            self.slots.iter().filter(|(_, slot)| slot.works()).map(|(name, _)| name.clone()).collect();
        for name in running {
            let granted = match grants::read(&self.shared.home, &name) {
                Ok(granted) => granted,
                // Perhaps half written; what runs, runs on.
                Err(error) => {
                    tracing::warn!(about = name, "{error:#}");
                    continue;
                }
            };
            let mut stopped = None;
            for number in 0..self.sites.len() {
                let Some(plugin) = self.seat(number, &name).and_then(|(seat, _)| seat.running.clone()) else {
                    continue;
                };
                let standing = grants::standing(plugin.policy.manifest(), granted.as_ref());
                if let Some(advice) = standing.advice(&name)
                    && self.retire_at(number, &name, &Order::Revoke)
                {
                    stopped = Some((plugin.digest.clone(), advice));
                }
            }
            if let Some((digest, advice)) = stopped {
                self.write(What::Revoked, &name, Some(digest), "its grant was taken back");
                tracing::info!(plugin = name, "its grant was taken back, and it was stopped; {advice}");
            }
        }
        for slot in self.slots.values_mut() {
            slot.failed.clear();
            slot.seats.iter_mut().for_each(|seat| seat.failed.clear());
        }
        self.look_at_all();
    }

    pub(super) fn settings_changed(&mut self, of: Option<&str>) {
        let mut names = Vec::new();
        for (name, slot) in &mut self.slots {
            let mut again = false;
            let meant = |site: &&Arc<OctoPrint>| of.is_none() || site.name.as_deref() == of;
            for site in self.sites.iter().filter(meant) {
                let seat = &mut slot.seats[site.number];
                // Some may have failed for their settings.
                again |= seat.worker.is_none() || !seat.failed.is_empty();
                seat.failed.clear();
                let Some(worker) = &seat.worker else { continue };
                // A no holds at once, also while the plugin is busy.
                let settings = site.home.settings(name);
                if settings.is_ok_and(|settings| matches!(settings, Stored::Good(settings) if !settings.enabled())) {
                    worker.close(&site.label(name));
                }
                worker.settings_changed();
            }
            if again {
                names.push(name.clone());
            }
        }
        names.iter().for_each(|name| self.look(name));
    }

    pub(super) fn config_changed(&mut self) {
        let config = self.shared.home.config();
        let config = match config.and_then(|config| Ok((TlsTrust::load(config.ca_file.as_deref())?, config))) {
            Ok((trust, config)) => (config, trust),
            Err(error) => return tracing::warn!("the last good configuration holds: {error:#}"),
        };
        let (config, trust) = config;
        // Keys may lie in the home itself.
        let mut vouching = config.policy.is_some();
        if let Some(before) = self.shared.config.replace(config.clone(), trust) {
            if (&before.octoprint, &before.mqtt) != (&config.octoprint, &config.mqtt) {
                tracing::warn!("which OctoPrint is followed changes when glassbox is started again");
            }
            vouching |= before.policy != config.policy;
            tracing::info!("the configuration changed");
            let seats = self.slots.values().flat_map(|slot| &slot.seats);
            seats.filter_map(|seat| seat.worker.as_ref()).for_each(|worker| worker.inbox.order(Order::Config));
        }
        if vouching {
            self.look_at_all();
        }
    }
}
