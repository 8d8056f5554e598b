//! The tracker: it passes each event and tick to the files under `events/` that handle it, and
//! tells the host when the next tick is wanted.

use crate::capabilities::Capabilities;
use crate::context::Context;
use crate::events::{
    achievements, commerror, lifecycle, ping, plugins, printer, prints, safety, slicing, throttle, updates, webui,
};
use crate::fields::Payload;
use crate::settings::Settings;
use crate::state::State;
use crate::time::instant;
use serde_json::Value;

/// OctoPrint's usage tracking. See the crate's documentation.
///
/// It does nothing by itself: the host calls [`load`](Self::load) first, then
/// [`restore`](Self::restore) if there is a saved state, then [`on_event`](Self::on_event) and
/// [`on_tick`](Self::on_tick), and passes each call what it may use of the world outside.
#[derive(Default)]
pub struct Tracker {
    settings: Settings,
    state: State,
    user_agent: String,
}

impl Tracker {
    /// Read, check and apply a settings document (JSON).
    ///
    /// # Errors
    /// What is wrong with the document; the settings in force stay in force.
    pub fn load(&mut self, document: &str, host: &dyn Capabilities) -> Result<(), String> {
        let settings = Settings::load(document)?;
        let resumed = self.settings.enabled != Some(true);
        self.settings = settings;
        self.user_agent = self.state.environment.user_agent();
        ping::settings_changed(resumed, &mut self.context(host));
        Ok(())
    }

    /// Handle one event of OctoPrint's bus: its name and its payload (JSON). Returns when the next
    /// tick is wanted, in nanoseconds of the host's clock; none for no tick.
    ///
    /// # Errors
    /// When the payload is not JSON; the event is ignored.
    pub fn on_event(&mut self, name: &str, payload: &str, host: &dyn Capabilities) -> Result<Option<u64>, String> {
        let payload: Value = serde_json::from_str(payload).map_err(|error| format!("{name}: {error}"))?;
        let mut context = self.context(host);
        match (name, &payload) {
            ("octoprint_stopping", _) => lifecycle::stopping(&mut context),
            ("Disconnected", _) => printer::disconnected(&mut context),
            (_, Value::Object(payload)) => dispatch(name, payload, &mut context),
            // Null, or something that OctoPrint never sends: nothing to report.
            _ => {}
        }
        let next_tick = next_tick(&context);
        if name == "environment" {
            self.user_agent = self.state.environment.user_agent();
        }
        Ok(next_tick)
    }

    /// Do what is due. Returns when the next tick is wanted, as [`on_event`](Self::on_event) does.
    pub fn on_tick(&mut self, host: &dyn Capabilities) -> Option<u64> {
        let mut context = self.context(host);
        if context.is_enabled() {
            if lifecycle::is_start_due(&context) {
                ping::start(&mut context);
                lifecycle::report_start(&mut context);
            } else {
                ping::tick(&mut context);
            }
        }
        printer::tick(&mut context);
        throttle::tick(&mut context);
        next_tick(&context)
    }

    /// The state for the next instance, as JSON.
    #[must_use]
    pub fn save(&self, host: &dyn Capabilities) -> String {
        self.state.save(instant(host.now()))
    }

    /// Carry on from a state that was saved `age_ns` nanoseconds ago.
    ///
    /// # Errors
    /// When the text is not such a state; nothing has changed then.
    pub fn restore(&mut self, state: &str, age_ns: u64, host: &dyn Capabilities) -> Result<(), String> {
        self.state = State::restore(state, instant(host.now()), instant(age_ns))?;
        self.user_agent = self.state.environment.user_agent();
        ping::settings_changed(false, &mut self.context(host));
        Ok(())
    }

    fn context<'a>(&'a mut self, host: &'a dyn Capabilities) -> Context<'a> {
        Context::new(&self.settings, &mut self.state, host, &self.user_agent)
    }
}

fn dispatch(name: &str, payload: &Payload, cx: &mut Context) {
    match name {
        "PrintStarted" | "PrintDone" | "PrintFailed" | "PrintCancelled" => prints::print(name, payload, cx),
        "Error" => commerror::error(payload, cx),
        "Connected" => printer::connected(payload, cx),
        "FirmwareData" => printer::firmware(payload, cx),
        "PrinterStateChanged" => printer::state_changed(payload, cx),
        "plugin_pi_support_throttle_state" => throttle::state_changed(payload, cx),
        "plugin_pluginmanager_install_plugin" => plugins::changed("install_plugin", payload, cx),
        "plugin_pluginmanager_uninstall_plugin" => plugins::changed("uninstall_plugin", payload, cx),
        "plugin_pluginmanager_enable_plugin" => plugins::changed("enable_plugin", payload, cx),
        "plugin_pluginmanager_disable_plugin" => plugins::changed("disable_plugin", payload, cx),
        "plugin_softwareupdate_update_succeeded" => updates::ended("update_successful", payload, cx),
        "plugin_softwareupdate_update_failed" => updates::ended("update_failed", payload, cx),
        // OctoPrint's Firmware Check fires the second; its tracking still waits for the first.
        "plugin_printer_safety_check_warning" | "plugin_firmware_check_warning" => safety::warning(payload, cx),
        "plugin_achievements_achievement_unlocked" => achievements::unlocked(payload, cx),
        "SlicingStarted" => slicing::started(payload, cx),
        "webui_load" => webui::loaded(payload, cx),
        "octoprint_started" => lifecycle::started(payload, cx),
        "environment" => cx.state.environment.merge(payload),
        _ => {}
    }
}

/// When the first of all timers is due; none while tracking is off, so that nothing wakes up for it.
fn next_tick(cx: &Context) -> Option<u64> {
    if !cx.is_enabled() {
        return None;
    }
    [lifecycle::next_tick(cx), ping::next_tick(cx), printer::next_tick(cx), throttle::next_tick(cx)]
        .into_iter()
        .flatten()
        .min()
        .map(|at| u64::try_from(at).unwrap_or(0))
}
