//! The tracker: it passes each event, and each report that is due, to the files under `events/` that handle it.

use crate::capabilities::Capabilities;
use crate::context::Context;
use crate::events::{
    achievements, commerror, lifecycle, ping, plugins, printer, prints, safety, slicing, throttle, updates, webui,
};
use crate::fields::Payload;
use crate::settings::{Switches, check};
use crate::state::State;
use serde_json::Value;

/// OctoPrint's usage tracking. See the crate's documentation.
///
/// It does nothing by itself: the host calls [`load`](Self::load) first, then
/// [`restore`](Self::restore), then [`on_event`](Self::on_event) and
/// [`on_tick`](Self::on_tick), and passes each call what it may use of the world outside.
#[derive(Default)]
pub struct Tracker {
    on: Switches,
    state: State,
}

/// An event that the instance before this one was shown.
pub struct Heard {
    /// Its name.
    pub name: String,
    /// Its payload, as JSON.
    pub payload: String,
    /// Milliseconds since then.
    pub age_ms: u64,
}

impl Tracker {
    /// Read and check a settings document (JSON), of which the host shows `ping`, `pong` and `events`.
    ///
    /// # Errors
    /// What is wrong with the document; the settings in force stay in force.
    pub fn load(&mut self, document: &str) -> Result<(), String> {
        self.on = check(document)?;
        Ok(())
    }

    /// Remember what was heard before, without reporting it; and take over the two flags that were saved.
    ///
    /// # Errors
    /// When the saved state is not a JSON object, or an event's payload is not JSON; nothing has changed then.
    pub fn restore(&mut self, heard: &[Heard], state: &str, host: &dyn Capabilities) -> Result<(), String> {
        let saved: Value = serde_json::from_str(state).map_err(|error| error.to_string())?;
        let saved = saved.as_object().ok_or("the saved state is not a JSON object")?;
        let mut restored = State::default();
        let mut context = Context { on: &self.on, state: &mut restored, host };
        for event in heard {
            let payload: Value =
                serde_json::from_str(&event.payload).map_err(|error| format!("{}: {error}", event.name))?;
            remember(&event.name, payload.as_object().unwrap_or(&Payload::new()), event.age_ms, &mut context);
        }
        restored.restore(saved);
        self.state = restored;
        Ok(())
    }

    /// Handle one event of OctoPrint's bus: its name and its payload (JSON).
    ///
    /// # Errors
    /// When the payload is not JSON; the event is ignored.
    pub fn on_event(&mut self, name: &str, payload: &str, host: &dyn Capabilities) -> Result<(), String> {
        let payload: Value = serde_json::from_str(payload).map_err(|error| format!("{name}: {error}"))?;
        let mut context = Context { on: &self.on, state: &mut self.state, host };
        match (name, &payload) {
            ("octoprint_stopping", _) => lifecycle::stopping(&mut context),
            (_, Value::Object(payload)) => {
                remember(name, payload, 0, &mut context);
                report(name, payload, &mut context);
            }
            // Null, or something that OctoPrint never sends: nothing to report.
            _ => remember(name, &Payload::new(), 0, &mut context),
        }
        Ok(())
    }

    /// Send the reports that are due.
    pub fn on_tick(&mut self, due: &[String], host: &dyn Capabilities) {
        let mut context = Context { on: &self.on, state: &mut self.state, host };
        for name in due {
            match name.as_str() {
                "ping" => ping::ping(&context),
                "pong" => ping::pong(&context),
                "startup" => lifecycle::report_start(&context),
                "printer_connected" => printer::waited_long_enough(&mut context),
                _ => {}
            }
        }
    }

    /// The two flags for the next instance, as JSON.
    #[must_use]
    pub fn save(&self) -> String {
        self.state.save()
    }
}

/// Remember what later reports are made of; `age` is the milliseconds since it was heard.
fn remember(name: &str, payload: &Payload, age: u64, cx: &mut Context) {
    match name {
        "environment" => cx.state.environment.merge(payload),
        "octoprint_started" => lifecycle::started(payload, age, cx),
        "Connected" => printer::connected(payload, cx),
        "PrinterStateChanged" => printer::state_changed(payload, cx),
        "PrintStarted" => prints::started(payload, cx),
        "plugin_pi_support_throttle_state" => throttle::state_changed(payload, cx),
        "plugin_achievements_achievement_unlocked" => achievements::remember(payload, cx),
        _ => {}
    }
}

/// Report what happened.
fn report(name: &str, payload: &Payload, cx: &mut Context) {
    match name {
        "PrintStarted" | "PrintDone" | "PrintFailed" | "PrintCancelled" => prints::report(name, payload, cx),
        "Error" => commerror::report(payload, cx),
        "FirmwareData" => printer::firmware(payload, cx),
        "plugin_pi_support_throttle_state" => throttle::report(payload, cx),
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
        _ => {}
    }
}
