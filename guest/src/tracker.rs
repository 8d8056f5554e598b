//! The tracker: which family hears which event, and when the next tick is wanted.

use crate::capabilities::{Capabilities, Method, Request};
use crate::events::{
    achievements, commerror, connection, lifecycle, plugins, prints, safety, slicing, throttle, updates, webui,
};
use crate::fields::{Fields, Payload};
use crate::settings::{Settings, Switches};
use crate::state::{Instant, State};
use serde_json::Value;
use std::cell::OnceCell;

/// OctoPrint's usage tracking. See the crate's documentation.
#[derive(Default)]
pub struct Tracker {
    settings: Settings,
    state: State,
    user_agent: String,
}

/// What a family of events works with.
pub struct Context<'a> {
    /// Settings in force.
    pub settings: &'a Settings,
    /// What the tracker remembers.
    pub state: &'a mut State,
    /// The world outside.
    pub world: &'a dyn Capabilities,
    now: OnceCell<Instant>,
    user_agent: &'a str,
}

impl Context<'_> {
    /// Now. Asked once, and only if something needs to know: each question to the host costs as
    /// much as reading a small payload.
    pub fn now(&self) -> Instant {
        *self.now.get_or_init(|| instant(self.world.now()))
    }

    /// Whether reports of this kind go out.
    pub fn on(&self, switch: impl Fn(&Switches) -> bool) -> bool {
        self.settings.enabled == Some(true) && switch(&self.settings.events)
    }

    /// Report with a GET.
    pub fn report(&self, name: &str, fields: &Fields) {
        self.send(Method::Get, name, fields);
    }

    /// Report with a POST.
    pub fn post(&self, name: &str, fields: &Fields) {
        self.send(Method::Post, name, fields);
    }

    fn send(&self, method: Method, name: &str, fields: &Fields) {
        // The one gate: whatever a family does, nothing leaves unless tracking is on.
        if self.settings.enabled == Some(true) {
            self.world.send(Request { method, name, fields: &fields.0, user_agent: self.user_agent });
        }
    }
}

impl Tracker {
    /// Read, check and apply a settings document; returns the keys to add to it as a JSON object.
    ///
    /// # Errors
    /// What is wrong with the document; the settings in force stay in force.
    pub fn load(&mut self, document: &str, world: &dyn Capabilities) -> Result<String, String> {
        let (settings, added) = Settings::load(document, world)?;
        let resumed = self.settings.enabled != Some(true);
        self.settings = settings;
        self.user_agent = self.state.environment.user_agent();
        lifecycle::settings_changed(resumed, &mut self.context(world));
        Ok(Value::Object(added).to_string())
    }

    /// Handle one event. Returns when the next tick is wanted.
    ///
    /// # Errors
    /// When the payload is not JSON.
    pub fn on_event(&mut self, name: &str, payload: &str, world: &dyn Capabilities) -> Result<Option<u64>, String> {
        let payload: Value = serde_json::from_str(payload).map_err(|error| format!("{name}: {error}"))?;
        let mut context = self.context(world);
        match (name, &payload) {
            ("octoprint_stopping", _) => lifecycle::stopping(&mut context),
            ("Disconnected", _) => connection::disconnected(&mut context),
            (_, Value::Object(payload)) => dispatch(name, payload, &mut context),
            // Null, or something that no OctoPrint sends: nothing to report.
            _ => {}
        }
        let next_tick = next_tick(&context);
        if name == "environment" {
            self.user_agent = self.state.environment.user_agent();
        }
        Ok(next_tick)
    }

    /// Do what is due. Returns when the next tick is wanted.
    pub fn on_tick(&mut self, world: &dyn Capabilities) -> Option<u64> {
        let mut context = self.context(world);
        lifecycle::tick(&mut context);
        connection::tick(&mut context);
        throttle::tick(&mut context);
        next_tick(&context)
    }

    /// The state for the next instance, as JSON text.
    #[must_use]
    pub fn save(&self, world: &dyn Capabilities) -> String {
        self.state.save(instant(world.now()))
    }

    /// Carry on from a state that was saved `age_ns` nanoseconds ago.
    ///
    /// # Errors
    /// When the text is not such a state; nothing has changed then.
    pub fn restore(&mut self, state: &str, age_ns: u64, world: &dyn Capabilities) -> Result<(), String> {
        self.state = State::restore(state, instant(world.now()), instant(age_ns))?;
        self.user_agent = self.state.environment.user_agent();
        lifecycle::settings_changed(false, &mut self.context(world));
        Ok(())
    }

    fn context<'a>(&'a mut self, world: &'a dyn Capabilities) -> Context<'a> {
        Context {
            settings: &self.settings,
            state: &mut self.state,
            world,
            now: OnceCell::new(),
            user_agent: &self.user_agent,
        }
    }
}

fn dispatch(name: &str, payload: &Payload, cx: &mut Context) {
    match name {
        "PrintStarted" | "PrintDone" | "PrintFailed" | "PrintCancelled" => prints::print(name, payload, cx),
        "Error" => commerror::error(payload, cx),
        "Connected" => connection::connected(payload, cx),
        "FirmwareData" => connection::firmware(payload, cx),
        "PrinterStateChanged" => lifecycle::printer_state(payload, cx),
        "plugin_pi_support_throttle_state" => throttle::told(payload, cx),
        "plugin_pluginmanager_install_plugin" => plugins::changed("install_plugin", payload, cx),
        "plugin_pluginmanager_uninstall_plugin" => plugins::changed("uninstall_plugin", payload, cx),
        "plugin_pluginmanager_enable_plugin" => plugins::changed("enable_plugin", payload, cx),
        "plugin_pluginmanager_disable_plugin" => plugins::changed("disable_plugin", payload, cx),
        "plugin_softwareupdate_update_succeeded" => updates::ended("update_successful", payload, cx),
        "plugin_softwareupdate_update_failed" => updates::ended("update_failed", payload, cx),
        // Firmware Check has two names: today's and the one that OctoPrint's tracker waits for.
        "plugin_printer_safety_check_warning" | "plugin_firmware_check_warning" => safety::warning(payload, cx),
        "plugin_achievements_achievement_unlocked" => achievements::unlocked(payload, cx),
        "SlicingStarted" => slicing::started(payload, cx),
        "webui_load" => webui::loaded(payload, cx),
        "octoprint_started" => lifecycle::started(payload, cx),
        "environment" => cx.state.environment.merge(payload),
        _ => {}
    }
}

/// The earliest of all that wait; none while tracking is off, so that nothing wakes up for it.
fn next_tick(cx: &Context) -> Option<u64> {
    if !cx.on(|_| true) {
        return None;
    }
    [lifecycle::next_tick(cx), connection::next_tick(cx), throttle::next_tick(cx)]
        .into_iter()
        .flatten()
        .min()
        .map(|at| u64::try_from(at).unwrap_or(0))
}

fn instant(ns: u64) -> Instant {
    Instant::try_from(ns).unwrap_or(Instant::MAX)
}
