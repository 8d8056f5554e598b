//! A plugin that runs and is recorded, and a recorded session.

use glassbox::plugins::running_plugin::{LifecycleEvent, RunningPlugin, Setup};
use glassbox::record::{Recorder, Sink};
use glassbox::system::SystemHardware;
use glassbox_audit::conformance::session::{SessionInput, read_events};
use glassbox_audit::conformance::{case, replay::mask};
use glassbox_audit::fake::{Logged, ManualClock, ManualThrottle, UseLog};
use glassbox_contract::Deny;
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Plugin, Settings};
use glassbox_tests::{Folder, TRACKING, identify, workspace};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

pub const SECOND: u64 = 1_000_000_000;

/// A plugin that runs, and is recorded.
pub struct Host {
    pub running: RunningPlugin,
    pub clock: ManualClock,
    pub throttle: ManualThrottle,
    pub folder: Folder,
}

impl Host {
    pub fn start(name: &str, plugin: &Arc<Plugin>, settings: &Value, scrub: bool) -> Self {
        let folder = Folder::new(name);
        let (clock, throttle) = (ManualClock::new(SECOND), ManualThrottle::default());
        let (own, query) = (clock.clone(), throttle.clone());
        let setup = Setup {
            plugin: plugin.clone(),
            settings: Settings::parse(&settings.to_string()).unwrap(),
            veto: None,
            identify: identify(),
            make_capabilities: Box::new(move |_| Capabilities {
                http: Box::new(Logged(Deny, UseLog::default())),
                clock: Box::new(own.clone()),
                hardware: Box::new(SystemHardware::new("/")),
                throttle: Box::new(query.clone()),
                salt: SECRETS[1].into(),
            }),
            throttle: Box::new(Deny),
            save_state: Box::new(|_| ()),
            saved: None,
        };
        let sink = Sink::create(&folder.0.join("recording.jsonl"), 1 << 26, scrub).unwrap();
        let recorder = Recorder::new(None, "test", Some(sink), folder.0.join("trap.jsonl"));
        let running = RunningPlugin::start_recorded(setup, SECOND, Some(recorder)).unwrap();
        Self { running, clock, throttle, folder }
    }

    pub fn event(&mut self, name: &str, payload: &str) -> Vec<LifecycleEvent> {
        self.running.event(name, payload, self.clock.get()).lifecycle
    }

    /// Let time pass, with the ticks that are asked for.
    pub fn until(&mut self, ns: u64) {
        while let Some(at) = self.running.next_tick().filter(|at| *at <= ns) {
            // A little late, as in life.
            self.clock.set(at.max(self.clock.get()) + 3_000_000);
            self.running.tick(self.clock.get());
        }
        self.clock.set(ns.max(self.clock.get()));
    }

    pub fn recording(self) -> (Folder, PathBuf) {
        let Self { running, folder, .. } = self;
        drop(running);
        let file = folder.0.join("recording.jsonl");
        (folder, file)
    }
}

pub const SECRETS: [&str; 5] =
    ["8f14e45f-ceea-467a-9575-1a3c0c1d2e3f", "c9f0f895-fb98-4b91-8f61-7d3e2a1b0c4d", "print", "example.org", "cube"];

/// The recorded session of a real OctoPrint, through the bundled tracker.
pub fn session(name: &str, scrub: bool) -> (Folder, PathBuf) {
    let settings = json!({"enabled": true, "unique_id": SECRETS[0], "ping": 20, "pong": 60,
        "server": "https://tracker.example.org/{id}/{event}/"});
    let mut host = Host::start(name, &TRACKING, &settings, scrub);
    let file = workspace().join("examples/sessions/octoprint-1.11.8.events.jsonl");
    for entry in read_events(&file).unwrap() {
        host.until(SECOND + (entry.t * 1e9) as u64);
        match entry.what {
            SessionInput::Event(name, payload) => drop(host.event(&name, &case::payload_text(&payload))),
            SessionInput::Throttled(answer) => host.throttle.set(answer.as_deref().and_then(mask)),
            SessionInput::Settings(changes) => {
                let mut settings = host.running.settings().clone();
                changes.into_iter().for_each(|(key, value)| settings.set(&key, value).unwrap());
                host.running.change_settings(settings, host.clock.get()).unwrap();
            }
        }
    }
    // The last instance reports what only those before it heard.
    host.until(host.clock.get() + 25 * SECOND);
    host.recording()
}

pub static SESSION: LazyLock<String> = LazyLock::new(|| {
    let (_folder, file) = session("record-session", false);
    std::fs::read_to_string(file).unwrap()
});
