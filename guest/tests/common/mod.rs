//! A fake host with a clock that only the test moves, and a tracker in it.
#![allow(dead_code)] // every test file uses only a part of it

use glassbox_tracker::python::text;
use glassbox_tracker::{Capabilities, Machine, Method, Report, Tracker};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};

/// What is due when a run of the server begins.
pub const START: [&str; 3] = ["ping", "pong", "startup"];

/// Everything that the tracker may ask for, answered by the test.
#[derive(Default)]
pub struct World {
    /// Milliseconds.
    pub clock_ms: Cell<i64>,
    /// The answer to the throttle query.
    pub throttle: Cell<Option<u32>>,
    /// How often the throttle query was made.
    pub throttle_asked: Cell<u32>,
    /// The answer to the hardware probe.
    pub machine: RefCell<Machine>,
    /// What was sent.
    pub sent: RefCell<Vec<Sent>>,
}

/// A request that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub method: Method,
    pub name: String,
    pub fields: Vec<(&'static str, String)>,
    pub user_agent: String,
}

impl Capabilities for World {
    fn now(&self) -> u64 {
        u64::try_from(self.clock_ms.get()).unwrap() * 1_000_000
    }

    fn machine(&self) -> Machine {
        self.machine.borrow().clone()
    }

    fn throttled(&self) -> Option<u32> {
        self.throttle_asked.set(self.throttle_asked.get() + 1);
        self.throttle.get()
    }

    fn send(&self, report: Report) {
        let sent = Sent {
            method: report.method,
            name: report.name.into(),
            fields: report.fields.iter().map(|(name, value)| (*name, value.to_string())).collect(),
            user_agent: report.user_agent.into(),
        };
        self.sent.borrow_mut().push(sent);
    }
}

/// What was heard, as the host remembers it: the last payload of each event, and when that was (ms).
#[derive(Clone, Default)]
pub struct Heard(Vec<(String, Value, i64)>);

/// The events that a fresh instance is shown again.
pub const SHOWN_AGAIN: [&str; 6] = [
    "environment",
    "octoprint_started",
    "Connected",
    "PrinterStateChanged",
    "PrintStarted",
    "plugin_pi_support_throttle_state",
];

impl Heard {
    /// The last event of this name: its payload, and when it was heard.
    pub fn get(&self, event: &str) -> Option<(&Value, i64)> {
        self.0.iter().find(|(name, ..)| name == event).map(|(_, payload, at)| (payload, *at))
    }

    /// Hear an event. The environment is merged by its parts, and the list of achievements grows.
    fn hear(&mut self, event: &str, payload: &Value, at: i64) {
        let mut all = payload.as_object().cloned().unwrap_or_default();
        if event == "environment" {
            all.retain(|_, part| !part.is_null());
            let before = self.get(event).and_then(|(before, _)| before.as_object().cloned()).unwrap_or_default();
            all = before.into_iter().chain(all).collect();
        }
        let is_null = event != "environment" && !payload.is_object();
        self.put(event, if is_null { Value::Null } else { Value::Object(all) }, at);
        let word = payload.get("key").and_then(text).map(|word| word.to_lowercase());
        let is_word = |word: &String| {
            (1..=64).contains(&word.len())
                && word.bytes().all(|byte| b"_.-".contains(&byte) || byte.is_ascii_alphanumeric())
        };
        if let Some(word) = word.filter(is_word).filter(|_| event == "plugin_achievements_achievement_unlocked") {
            let (mut environment, at) = self.get("environment").map_or((json!({}), at), |(all, at)| (all.clone(), at));
            let list = environment.get("achievements").and_then(Value::as_str).unwrap_or_default();
            let mut words: Vec<_> = list.split(',').filter(|word| !word.is_empty()).collect();
            if !words.contains(&&*word) {
                words.push(&word);
                environment["achievements"] = words.join(",").into();
                self.put("environment", environment, at);
            }
        }
    }

    fn put(&mut self, event: &str, payload: Value, at: i64) {
        self.0.retain(|(name, ..)| name != event);
        self.0.push((event.into(), payload, at));
    }

    /// What a fresh instance is shown again: the environment, then the rest by age.
    fn again(&self, now: i64) -> Vec<glassbox_tracker::Heard> {
        let mut all: Vec<_> = self.0.iter().filter(|(name, ..)| SHOWN_AGAIN.contains(&&**name)).collect();
        all.sort_by_key(|(name, _, at)| (name != "environment", *at));
        let again = |(name, payload, at): &(String, Value, i64)| glassbox_tracker::Heard {
            name: name.clone(),
            payload: payload.to_string(),
            age_ms: u64::try_from(now - at).unwrap(),
        };
        all.into_iter().map(again).collect()
    }
}

/// A tracker and its host.
#[derive(Default)]
pub struct Bench {
    pub tracker: Tracker,
    pub world: World,
    pub settings: Value,
    pub heard: Heard,
}

impl Bench {
    /// With no settings, as after opting in. The clock stands at zero.
    pub fn on() -> Self {
        Self::with(json!({}))
    }

    /// With these settings.
    pub fn with(settings: Value) -> Self {
        let mut bench = Self { settings, ..Self::default() };
        bench.tracker.load(&bench.settings.to_string()).unwrap();
        bench
    }

    /// A running server of this version; what was sent at its start is left out.
    pub fn running(version: &str) -> Self {
        let mut bench = Self::on();
        bench.start(version);
        bench.said();
        bench
    }

    /// The server says its version and that it has started; then the host ticks.
    pub fn start(&mut self, version: &str) {
        self.event("environment", json!({"octoprint": {"version": version}}));
        self.event("octoprint_started", json!({"uptime": 0}));
        self.tick(&START);
    }

    pub fn event(&mut self, name: &str, payload: Value) {
        self.heard.hear(name, &payload, self.world.clock_ms.get());
        self.tracker.on_event(name, &payload.to_string(), &self.world).unwrap();
        if name == "octoprint_stopping" {
            self.heard.0.retain(|(name, ..)| name == "environment");
        }
    }

    /// These reports are due.
    pub fn tick(&mut self, due: &[&str]) {
        let due: Vec<_> = due.iter().map(|name| (*name).to_string()).collect();
        self.tracker.on_tick(&due, &self.world);
    }

    /// Set the clock to this many seconds.
    pub fn sleep_until(&mut self, seconds: f64) {
        let ms = std::time::Duration::from_secs_f64(seconds).as_millis();
        self.world.clock_ms.set(i64::try_from(ms).unwrap());
    }

    /// What was sent since the last such call, as `name a=b c=d`.
    pub fn said(&self) -> Vec<String> {
        self.world.sent.take().iter().map(print).collect()
    }

    /// What was sent since the last such call, as `name`.
    pub fn names(&self) -> Vec<String> {
        self.world.sent.take().into_iter().map(|request| request.name).collect()
    }

    /// The next instance, with the same settings and a clock at `clock_s` seconds; the state is
    /// `age_s` seconds old. The host has not ticked yet.
    pub fn successor(&self, clock_s: i64, age_s: i64) -> Self {
        let mut next = Self::with(self.settings.clone());
        next.world.clock_ms.set(clock_s * 1000);
        next.heard = self.heard.clone();
        for (_, _, at) in &mut next.heard.0 {
            *at += (clock_s - age_s) * 1000 - self.world.clock_ms.get();
        }
        next.carry_on(&self.tracker.save());
        next
    }

    /// Other settings are in force from now on: with a fresh instance, as always.
    pub fn change(&mut self, settings: Value) {
        let saved = self.tracker.save();
        let fresh = Self::with(settings);
        (self.tracker, self.settings) = (fresh.tracker, fresh.settings);
        self.carry_on(&saved);
    }

    fn carry_on(&mut self, saved: &str) {
        let again = self.heard.again(self.world.clock_ms.get());
        self.tracker.restore(&again, saved, &self.world).unwrap();
        assert_eq!(self.said().len(), 0, "what is shown again is reported");
    }
}

/// `name a=b c=d`.
pub fn print(request: &Sent) -> String {
    let fields = request.fields.iter().map(|(name, value)| format!(" {name}={value}"));
    request.name.clone() + &fields.collect::<String>()
}

/// The payload of OctoPrint's event for this throttle mask.
pub fn throttle_event(mask: u32) -> Value {
    let bit = |bits: u32| mask & bits != 0;
    json!({
        "raw_value": mask,
        "current_issue": bit(0x7),
        "past_issue": bit(0x7_0000),
        "current_undervoltage": bit(0x1),
        "past_undervoltage": bit(0x1_0000),
        "current_overheat": bit(0x2),
        "past_overheat": bit(0x2_0000),
    })
}
