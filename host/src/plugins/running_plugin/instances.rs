//! How an instance of a running plugin begins and ends: other settings, another version, switched off.

use super::budget::Budget;
use super::{PROBATION, Previous, RunningPlugin, millis};
use crate::home::identity::Identified;
use crate::record::RecordedInstance;
use anyhow::Context;
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Consent, Plugin, Settings};
use std::sync::Arc;

impl RunningPlugin {
    /// Apply settings that the user changed: a new instance, which is shown what these let in. A plugin in quarantine is
    /// started again. While they switch tracking off, there is no instance.
    ///
    /// # Errors
    /// When the plugin does not accept them, or has no identity. Then it is switched off, as it must not go on with what
    /// the user has changed.
    pub fn change_settings(&mut self, settings: Settings, now: u64) -> anyhow::Result<()> {
        let was_stopped = self.is_stopped();
        let resumed = !self.consent().given();
        self.end_instance();
        self.next_tick = Some(now);
        self.settings = settings.clone();
        let started =
            if self.consent().given() { self.instantiate(&settings, now, resumed).map(Some) } else { Ok(None) };
        match started {
            Ok(instance) => {
                self.instance = instance;
                if self.instance.is_none() {
                    self.switched_off(now);
                }
                if was_stopped || self.instance.is_none() {
                    self.forget_failures();
                }
                self.watch_throttling(now);
                Ok(())
            }
            Err(error) => {
                (self.settings, self.resumes) = (Settings::default(), None);
                self.switched_off(now);
                Err(error)
            }
        }
    }

    /// A run of OctoPrint goes on, whose start may have been reported by an instance of which nothing is known.
    ///
    /// # Errors
    /// As [`Self::change_settings`].
    pub fn run_goes_on(&mut self, payload: &str, now: u64) -> anyhow::Result<()> {
        self.end_instance();
        self.memory.run_goes_on(&self.plugin.policy, payload, millis(now));
        self.change_settings(self.settings.clone(), now)
    }

    /// Replace the component by another version, which continues where the last one was. The version before is kept
    /// until this one has passed its probation.
    ///
    /// # Errors
    /// When the new version does not start, or does not accept the settings; then nothing has changed.
    pub fn replace(&mut self, plugin: Arc<Plugin>, now: u64) -> anyhow::Result<()> {
        let settings = self.settings.clone();
        let old = std::mem::replace(&mut self.plugin, plugin);
        if !self.consent().given() {
            // It has been rehearsed.
            self.forget_failures();
            return Ok(());
        }
        let instance = match self.instantiate(&settings, now, false) {
            Ok(instance) => instance,
            Err(error) => {
                self.plugin = old;
                return Err(error);
            }
        };
        // A version that failed lately is not worth going back to. If this one was on probation, the version
        // before it stays the one to go back to.
        let worked = self.instance.replace(instance).is_some() && self.failures.is_empty();
        let same = Arc::ptr_eq(&old, &self.plugin);
        if let Some(previous) = self.previous.as_mut() {
            previous.calls_left = if same { previous.calls_left } else { PROBATION };
        } else if worked && !same {
            self.previous = Some(Previous { plugin: old, calls_left: PROBATION });
        }
        self.forget_failures();
        self.next_tick = Some(now);
        self.watch_throttling(now);
        Ok(())
    }

    /// There is no instance, as tracking is off: of what OctoPrint says only control facts are stored. Where the user has
    /// switched it off, what the last instance had kept is not kept, as the next one does not hear what happens meanwhile.
    pub(super) fn switched_off(&mut self, now: u64) {
        self.memory.keep_control_facts(&self.plugin.policy);
        if self.consent() == Consent::Refused {
            self.handed_over = ("{}".into(), millis(now));
        }
    }

    pub(super) fn forget_failures(&mut self) {
        self.failures.clear();
        self.resumes = None;
        self.budget = Budget::default();
    }

    /// The instance ends; what it was told is kept.
    pub(super) fn end_instance(&mut self) {
        if let Some(instance) = self.instance.take() {
            self.rate = Some(instance.rate());
            self.memory = instance.memory().clone();
        }
    }

    /// A new instance, which is shown again what was heard. `resumed`: tracking was off until now.
    pub(super) fn instantiate(
        &mut self,
        settings: &Settings,
        now: u64,
        resumed: bool,
    ) -> anyhow::Result<RecordedInstance> {
        let Identified { settings, salt, is_new, .. } = (self.identify)(&self.plugin, settings)
            .with_context(|| format!("plugin '{}' has no identity", self.plugin.name))?;
        let mut memory = self.memory().clone();
        if is_new || self.salt.as_ref().is_some_and(|last| *last != salt) {
            // They belong to another salt, and would tie the new id to the old one.
            memory.forget_hashes();
        }
        self.salt = Some(salt.clone());
        memory.settings_in_force(&self.plugin.policy, &settings, millis(now), resumed);
        let capabilities = Capabilities { salt, ..(self.make_capabilities)(&self.plugin) };
        let (veto, rate) = (self.veto, self.rate);
        let mut instance =
            RecordedInstance::start(&self.plugin, capabilities, veto, rate, self.recorder.as_ref(), memory)?;
        if let Err(reason) = instance.load(&settings)? {
            // In two parts, as the component's own words may hold anything and do not belong everywhere.
            let what = format!("plugin '{}' does not accept its settings", self.plugin.name);
            return Err(anyhow::anyhow!(reason).context(what));
        }
        let (state, saved_at) = &self.handed_over;
        let age = u64::try_from(millis(now).saturating_sub(*saved_at)).unwrap_or_default();
        if let Err(reason) = instance.restore(state, age)? {
            tracing::warn!(plugin = self.plugin.name, "it does not accept its saved state, and starts without");
            tracing::debug!(plugin = self.plugin.name, "it says: {reason}");
        }
        self.settings = settings;
        Ok(instance)
    }
}
