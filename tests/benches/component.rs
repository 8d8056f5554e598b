//! Inside the process: events through the component and natively, routing, loading.

use crate::{Sheet, median, nanoseconds};
use bindings::glassbox::tracker::{clock, hardware, http, throttle};
use glassbox::home::BUNDLED;
use glassbox::plugins::running_plugin::{RunningPlugin, Setup};
use glassbox::sources::jsonl;
use glassbox_audit::fake::ManualClock;
use glassbox_contract::{Deny, Prepare, deny};
use glassbox_sandbox::capabilities::{Capabilities, Http};
use glassbox_sandbox::{
    Instance, Manifest, Memory, Outgoing, Plugin, Policy, Purpose, Room, Sandbox, Settings, config_for,
};
use glassbox_tests::identify;
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Store};

mod bindings {
    wasmtime::component::bindgen!({ path: "../wit", world: "tracker" });
}

const SETTINGS: &str = r#"{"enabled": true, "unique_id": "11111111-2222-4333-8444-555555555555",
    "ping": 0, "pong": 0}"#;
/// As the policy hands it on.
const PAYLOAD: &str = r#"{"path":"some folder/a file with a name.gcode","origin":"local","connector":"serial"}"#;

/// What OctoPrint says of itself and its machine.
const ENVIRONMENT: &str = r#"{"octoprint": {"version": "1.11.8"}, "python": {"version": "3.11.7", "pip": "23.2.1"},
    "os": {"id": "linux", "platform": "Linux-6.1.0-18-amd64-x86_64-with-glibc2.36", "bits": 64},
    "hardware": {"cores": 4, "freq": 1800.0, "ram": 3972145152}, "pi_support": {"model": "Raspberry Pi 4 Model B Rev 1.4"},
    "third_party_plugins": [{"key": "bedlevelvisualizer", "version": "1.1.1"}, {"key": "spoolmanager", "version": "1.7.7"}]}"#;

pub fn measure(sheet: &mut Sheet) {
    events(sheet);
    untracked(sheet);
    loading(sheet);
}

/// A world that costs nothing: what is measured is the component and the way to it.
#[derive(Default)]
struct Nothing {
    sent: u64,
}

impl http::Host for Nothing {
    fn send(&mut self, request: http::Request) {
        self.sent += black_box(request).fields.len() as u64;
    }
}
impl clock::Host for Nothing {
    fn now(&mut self) -> u64 {
        1
    }
}
impl hardware::Host for Nothing {
    fn probe(&mut self) -> hardware::Machine {
        unreachable!("not for this event")
    }
}
impl throttle::Host for Nothing {
    fn query(&mut self) -> Option<u32> {
        None
    }
}

#[derive(Default)]
struct Native {
    sent: Cell<usize>,
}

impl glassbox_tracker::Capabilities for Native {
    fn now(&self) -> u64 {
        1
    }
    fn machine(&self) -> glassbox_tracker::Machine {
        glassbox_tracker::Machine::default()
    }
    fn throttled(&self) -> Option<u32> {
        None
    }
    /// As over the boundary: whoever queues a request has it to keep.
    fn send(&self, request: glassbox_tracker::Report) {
        let owned = http::Request {
            method: http::Method::Get,
            name: request.name.into(),
            fields: request.fields.iter().map(|(name, value)| ((*name).into(), value.to_string())).collect(),
            user_agent: request.user_agent.into(),
        };
        self.sent.set(self.sent.get() + black_box(owned).fields.len());
    }
}

fn events(sheet: &mut Sheet) {
    let engine = Engine::new(&config_for(Purpose::Run, Room::Large)).unwrap();
    let mut linker = Linker::new(&engine);
    bindings::Tracker::add_to_linker::<_, HasSelf<Nothing>>(&mut linker, |state| state).unwrap();
    let mut store = Store::new(&engine, Nothing::default());
    store.set_epoch_deadline(u64::MAX / 2);
    let component = Component::from_binary(&engine, BUNDLED).unwrap();
    let world = bindings::Tracker::instantiate(&mut store, &component, &linker).unwrap();
    world.glassbox_tracker_settings().call_load(&mut store, SETTINGS).unwrap().unwrap();
    let world_now = Native::default();
    let mut native = glassbox_tracker::Tracker::default();
    native.load(SETTINGS).unwrap();
    // In turn, so that both see the same machine.
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for _ in 0..51 {
        inside.push(median(1, 2000, || {
            world.call_on_event(&mut store, "PrintStarted", black_box(PAYLOAD)).unwrap().unwrap();
        }));
        outside.push(median(1, 2000, || {
            native.on_event("PrintStarted", black_box(PAYLOAD), &world_now).unwrap();
        }));
    }
    inside.sort();
    outside.sort();
    let (inside, outside) = (nanoseconds(inside[25]), nanoseconds(outside[25]));
    assert_eq!(store.data().sent as usize, world_now.sent.get(), "both did the same");
    sheet.line("a tracked event, natively", &format!("{outside:.0} ns"));
    sheet.line("a tracked event, through the component", &format!("{inside:.0} ns"));
    sheet.bound("  component / native", inside / outside, "x", 3.0);
}

/// Takes every request and drops it.
struct Sink;

impl Http for Sink {
    fn room(&self) -> usize {
        usize::MAX
    }
    fn queue(&mut self, _: Vec<Outgoing>, _: Instant) {}
}

fn running(clock: &ManualClock) -> RunningPlugin {
    let sandbox = Sandbox::new(None).unwrap();
    let plugin = Arc::new(sandbox.prepare("tracking", BUNDLED).unwrap());
    let settings = Settings::parse(SETTINGS).unwrap();
    let clock = clock.clone();
    let make_capabilities = Box::new(move |_: &Arc<Plugin>| Capabilities {
        http: Box::new(Sink),
        clock: Box::new(clock.clone()),
        ..deny()
    });
    RunningPlugin::start(
        Setup {
            plugin,
            settings,
            veto: None,
            identify: identify(),
            make_capabilities,
            throttle: Box::new(Deny),
            save_state: Box::new(|_| ()),
            saved: None,
        },
        0,
    )
    .unwrap()
}

fn untracked(sheet: &mut Sheet) {
    let clock = ManualClock::default();
    let mut running = running(&clock);
    let time = median(51, 100_000, || {
        black_box(running.event(black_box("ZChange"), "{\"new\": 1.0, \"old\": 0.8}", 1));
    });
    sheet.bound("an event that the tracker does not track", nanoseconds(time) / 1000.0, "us", 1.0);
    let line = br#"{"event": "ZChange", "payload": {"new": 1.0, "old": 0.8}}"#;
    let time = median(51, 20_000, || {
        let (event, payload) = jsonl::parse(black_box(line)).unwrap();
        black_box(running.event(&event, &payload, 1));
    });
    sheet.line("  with reading its line", &format!("{:.2} us", nanoseconds(time) / 1000.0));
    // What OctoPrint says of itself: it is remembered, and stored with every report.
    running.event("environment", ENVIRONMENT, 1);
    let mut reported = 0;
    let time = median(51, 2000, || {
        // A busy OctoPrint, so that the limit on reports does not stop them.
        clock.set(clock.get() + 2_000_000_000);
        reported += running.event("PrintStarted", black_box(PAYLOAD), clock.get()).sent.len();
    });
    assert_eq!(reported, 51 * 2000, "each was reported");
    sheet.bound("a tracked event with policy, gate and handover", nanoseconds(time) / 1000.0, "us", 8.0);
}

fn loading(sheet: &mut Sheet) {
    let folder = std::env::temp_dir().join(format!("glassbox-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let sandbox = Sandbox::new(Some(&folder.join("cache"))).unwrap();
    let began = Instant::now();
    let plugin = Arc::new(sandbox.prepare("tracking", BUNDLED).unwrap());
    sheet.line("check, compile, link (cold)", &format!("{:.0} ms", began.elapsed().as_secs_f64() * 1e3));
    let text = glassbox_contract::inspect("tracking", BUNDLED).unwrap().manifest.unwrap();
    // In turns: what a slower moment of the machine adds to both is in neither's difference.
    let (mut checks, mut cached): (Vec<_>, Vec<_>) = (0..101)
        .map(|_| {
            let checks = median(1, 1, || {
                black_box(glassbox_contract::inspect("tracking", BUNDLED).unwrap());
                black_box(glassbox_sandbox::digest(BUNDLED));
                black_box(Policy::new(Manifest::parse(&text).unwrap()).unwrap());
            });
            let whole = median(1, 1, || {
                black_box(sandbox.prepare("tracking", BUNDLED).unwrap());
            });
            (checks, whole.saturating_sub(checks))
        })
        .unzip();
    checks.sort();
    cached.sort();
    sheet.line("digest, imports, manifest, policy", &format!("{:.2} ms", nanoseconds(checks[50]) / 1e6));
    sheet.bound("compiled code from the cache", nanoseconds(cached[50]) / 1e6, "ms", 1.0);
    let time = median(101, 10, || {
        black_box(Instance::new(&plugin, deny(), None, Memory::default()).unwrap());
    });
    sheet.bound("instantiate", nanoseconds(time) / 1000.0, "us", 100.0);
    let _ = std::fs::remove_dir_all(&folder);
}
