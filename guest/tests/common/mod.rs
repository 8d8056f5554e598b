//! A fake host with a clock that only the test moves, and a tracker in it.
#![allow(dead_code)] // every test file uses only a part of it

use glassbox_tracker::{Capabilities, Machine, Method, Report, Tracker};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};

/// A version 4 UUID.
pub const ID: &str = "11111111-2222-4333-8444-555555555555";

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// Everything that the tracker may ask for, answered by the test.
#[derive(Default)]
pub struct World {
    /// Nanoseconds.
    pub clock: RefCell<u64>,
    /// The answer to the throttle query.
    pub throttle: Cell<Option<u32>>,
    /// How often the throttle query was made.
    pub throttle_asked: Cell<u32>,
    /// The answer to the hardware probe.
    pub machine: RefCell<Machine>,
    /// What was sent, and when.
    pub sent: RefCell<Vec<(u64, Sent)>>,
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
        *self.clock.borrow()
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
        self.sent.borrow_mut().push((self.now(), sent));
    }
}

/// A tracker, its host, and the tick that it last asked for.
#[derive(Default)]
pub struct Bench {
    pub tracker: Tracker,
    pub world: World,
    pub next: Option<u64>,
}

impl Bench {
    /// With the settings of [`settings`]. The clock stands at zero.
    pub fn on() -> Self {
        Self::with(json!({}))
    }

    /// With the settings of [`settings`], some of them replaced.
    pub fn with(other: Value) -> Self {
        let mut bench = Self::default();
        bench.load(&settings(other));
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
        self.tick();
    }

    /// Load valid settings.
    pub fn load(&mut self, settings: &Value) {
        self.tracker.load(&settings.to_string(), &self.world).unwrap();
    }

    pub fn event(&mut self, name: &str, payload: Value) {
        self.next = self.tracker.on_event(name, &payload.to_string(), &self.world).unwrap();
    }

    pub fn tick(&mut self) {
        self.next = self.tracker.on_tick(&self.world);
    }

    /// Set the clock to this many seconds, without ticks.
    pub fn sleep_until(&mut self, seconds: f64) {
        let ns = std::time::Duration::from_secs_f64(seconds).as_nanos();
        *self.world.clock.borrow_mut() = u64::try_from(ns).unwrap();
    }

    /// Set the clock to this many seconds, and tick whenever the tracker asks for it until then.
    pub fn run_until(&mut self, seconds: u64) {
        let end = seconds * SECOND;
        let mut ticks = 0;
        while let Some(at) = self.next.filter(|at| *at <= end) {
            let now = self.world.now().max(at);
            *self.world.clock.borrow_mut() = now;
            self.tick();
            ticks += 1;
            assert!(ticks < 10_000, "it asks for ticks forever");
        }
        *self.world.clock.borrow_mut() = end;
    }

    /// When the next tick is wanted, in seconds of the clock.
    pub fn next_s(&self) -> Option<f64> {
        self.next.map(|ns| std::time::Duration::from_nanos(ns).as_secs_f64())
    }

    /// What was sent since the last such call, as `name a=b c=d`.
    pub fn said(&self) -> Vec<String> {
        self.world.sent.take().iter().map(|(_, request)| print(request)).collect()
    }

    /// What was sent since the last such call, as `name`.
    pub fn names(&self) -> Vec<String> {
        self.world.sent.take().into_iter().map(|(_, request)| request.name).collect()
    }

    /// What was sent since the last such call, as `seconds name`.
    pub fn timeline(&self) -> Vec<String> {
        self.world.sent.take().iter().map(|(at, request)| format!("{} {}", at / SECOND, request.name)).collect()
    }

    pub fn save(&self) -> String {
        self.tracker.save(&self.world)
    }

    /// The next instance, with the same settings and a clock at `clock_s` seconds; the state is
    /// `age_s` seconds old. The host has not ticked yet.
    pub fn successor(&self, clock_s: u64, age_s: u64) -> Self {
        let mut next = Self::on();
        *next.world.clock.borrow_mut() = clock_s * SECOND;
        next.tracker.restore(&self.save(), age_s * SECOND, &next.world).unwrap();
        next
    }
}

/// Settings of a user who has opted in, some of them replaced.
pub fn settings(other: Value) -> Value {
    let mut settings = json!({"enabled": true});
    if let Value::Object(other) = other {
        settings.as_object_mut().unwrap().extend(other);
    }
    settings
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
