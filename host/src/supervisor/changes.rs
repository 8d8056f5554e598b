//! What a change of grants, settings or configuration means for what runs.

use super::Supervisor;
use crate::grants;
use crate::journal::What;
use crate::roots::Roots;
use crate::settings::Stored;
use crate::site::Site;
use crate::worker::Order;
use std::sync::{Arc, PoisonError};

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
            let meant = |site: &&Arc<Site>| of.is_none() || site.name.as_deref() == of;
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
        let config = match config.and_then(|config| Ok((Roots::load(config.ca_file.as_deref())?, config))) {
            Ok((roots, config)) => (config, roots),
            Err(error) => return tracing::warn!("the last good configuration holds: {error:#}"),
        };
        // Keys may lie in the home itself.
        let mut vouching = config.0.policy.is_some();
        let mut shared = self.shared.config.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.0 != config.0 {
            if (&shared.0.octoprint, &shared.0.mqtt) != (&config.0.octoprint, &config.0.mqtt) {
                tracing::warn!("which OctoPrint is followed changes when glassbox is started again");
            }
            vouching |= shared.0.policy != config.0.policy;
            *shared = config;
            drop(shared);
            tracing::info!("the configuration changed");
            let seats = self.slots.values().flat_map(|slot| &slot.seats);
            seats.filter_map(|seat| seat.worker.as_ref()).for_each(|worker| worker.inbox.order(Order::Config));
        } else {
            drop(shared);
        }
        if vouching {
            self.look_at_all();
        }
    }
}
