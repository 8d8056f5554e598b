//! Tests of pinned requests and due times, with the bundled tracker's manifest: what the host makes of what it heard.

use crate::capabilities::Machine;
use crate::pins::{Cause, Context, Facts};
use crate::{Consent, Manifest, Memory, Method, Policy, Request, Settings, gate};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MANIFEST: &str = include_str!("../../../guest/tracker.toml");

/// What is known of the machine.
#[derive(Default)]
struct Known(Machine, Option<u32>);

impl Facts for Known {
    fn machine(&self) -> Machine {
        self.0.clone()
    }
    fn throttle(&self) -> Option<u32> {
        self.1
    }
}

/// A tracker without a component: what was heard, and the gate.
struct Tracker {
    policy: Policy,
    memory: Memory,
    settings: Settings,
    known: Known,
    now: i64,
}

impl Tracker {
    fn new() -> Self {
        let settings = json!({"enabled": true, "unique_id": "4711"}).to_string();
        Self {
            policy: Policy::new(Manifest::parse(MANIFEST).unwrap()).unwrap(),
            memory: Memory::default(),
            settings: Settings::parse(&settings).unwrap(),
            known: Known::default(),
            now: 5000,
        }
    }

    fn hear(&mut self, event: &str, payload: &Value) {
        let entered = self.policy.enter(event, &payload.to_string(), "salt").unwrap().unwrap();
        assert!(self.memory.hear(&self.policy, event, entered, self.now, self.now));
    }

    fn due(&self) -> Vec<String> {
        self.memory.due.now(&self.policy, &self.settings, self.memory.release(&self.policy), self.now)
    }

    fn ticked(&mut self) {
        let release = self.memory.release(&self.policy);
        self.memory.due.ticked(&self.policy, &self.settings, release, self.now);
    }

    fn pass(
        &self,
        cause: Cause,
        method: Method,
        name: &str,
        fields: &[(&str, &str)],
        agent: &str,
    ) -> Result<(), String> {
        let context = Context { cause: &cause, memory: &self.memory, facts: &self.known, now_ms: self.now };
        let fields = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let request = Request { method, name: name.into(), fields, user_agent: agent.into() };
        let passed = gate::pass(request, &self.policy, &self.settings, Consent::Given, Some(&context));
        passed.map(drop).map_err(|blocked| blocked.reason)
    }

    fn on(&self, event: &str, name: &str, fields: &[(&str, &str)]) -> Result<(), String> {
        self.pass(Cause::Event(event.into()), Method::Get, name, fields, "OctoPrint/1.11.8")
    }

    #[track_caller]
    fn refuses(&self, event: &str, name: &str, fields: &[(&str, &str)], reason: &str) {
        let refused = self.on(event, name, fields).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}

// printf 'a.gcodesalt' | sha1sum
const HASH: &str = "51ad1a599619b7bd4bc293a65bf69d073ebe8a73";

fn known() -> Tracker {
    let mut tracker = Tracker::new();
    tracker.hear("environment", &json!({"octoprint": {"version": "1.11.8"}}));
    tracker
}

#[test]
fn only_what_the_host_would_make_itself_passes() {
    let mut tracker = known();
    let print = json!({"path": "a.gcode", "origin": "local", "connector": "serial"});
    tracker.hear("PrintStarted", &print);
    let (origin, file) = (("origin", "local"), ("file", HASH));
    assert_eq!(tracker.on("PrintStarted", "print_started", &[origin, file]), Ok(()));
    let other = ("file", "61ad1a599619b7bd4bc293a65bf69d073ebe8a73");
    tracker.refuses("PrintStarted", "print_started", &[origin, other], "file is not what the host would make of it");
    tracker.refuses("PrintStarted", "print_started", &[("origin", "sdcard"), file], "origin is not what");
    tracker.refuses("PrintStarted", "print_started", &[file], "origin is not what");
    tracker.refuses("PrintStarted", "print_started", &[file, origin], "out of order");
    tracker.refuses(
        "PrintStarted",
        "print_started",
        &[origin, file, ("printer_connector", "serial")],
        "printer_connector",
    );
    tracker.refuses("PrintDone", "print_started", &[origin, file], "this is not the occasion for it");
    tracker.refuses("PrintStarted", "print_done", &[origin, file], "this is not the occasion for it");
    let agent = tracker.pass(
        Cause::Event("PrintStarted".into()),
        Method::Get,
        "print_started",
        &[origin, file],
        "OctoPrint/1.11.9",
    );
    assert!(agent.unwrap_err().contains("user agent"));
    tracker.settings.set("events.printjob", false.into()).unwrap();
    tracker.refuses("PrintStarted", "print_started", &[origin, file], "the setting events.printjob is off");
}

#[test]
fn what_is_throttled_comes_from_the_query_or_else_from_the_event() {
    let mut tracker = known();
    tracker.hear("PrintStarted", &json!({"path": "a.gcode"}));
    let fields = [("file", HASH), ("throttled_now", "True"), ("throttled_past", "False"), ("throttled_mask", "1")];
    tracker.refuses("PrintStarted", "print_started", &fields, "throttled_now is not what");
    tracker.known.1 = Some(1);
    assert_eq!(tracker.on("PrintStarted", "print_started", &fields), Ok(()));
    tracker.refuses("PrintStarted", "print_started", &fields[..1], "throttled_now is not what");
    tracker.known.1 = Some(0);
    assert_eq!(tracker.on("PrintStarted", "print_started", &fields[..1]), Ok(()));
    tracker.known.1 = None;
    tracker
        .hear("plugin_pi_support_throttle_state", &json!({"raw_value": 1, "current_issue": true, "past_issue": false}));
    assert_eq!(tracker.on("PrintStarted", "print_started", &fields), Ok(()));
}

#[test]
fn a_lost_print_is_known_from_its_start_until_another_event_says_otherwise() {
    let mut tracker = known();
    tracker.hear("PrintStarted", &json!({"path": "a.gcode", "origin": "local"}));
    tracker.hear("PrintFailed", &json!({"connector": "serial"}));
    let fields = [("origin", "local"), ("file", HASH), ("reason", "unknown")];
    assert_eq!(tracker.on("PrintFailed", "print_failed", &fields), Ok(()));
    tracker.memory.forget_hashes();
    tracker.refuses("PrintFailed", "print_failed", &fields, "file is not known");
}

#[test]
fn a_name_is_made_as_well() {
    let mut tracker = known();
    tracker.hear("Error", &json!({"reason": "firmware", "error": "Halt"}));
    assert_eq!(tracker.on("Error", "commerror_firmware", &[("commerror_text", "Halt")]), Ok(()));
    tracker.refuses("Error", "commerror_other", &[("commerror_text", "Halt")], "its name is not the one");
}

#[test]
fn times_are_the_hosts() {
    let mut tracker = known();
    tracker.hear("octoprint_started", &json!({"uptime": 2.5}));
    assert_eq!(tracker.due(), ["ping", "pong", "startup"]);
    let ping = |tracker: &Tracker, due: &[&str], uptime: &str| {
        let due: Vec<String> = due.iter().map(|name| (*name).into()).collect();
        let fields = [("octoprint_uptime", uptime), ("printer_state", "OFFLINE")];
        tracker.pass(Cause::Tick(due.clone()), Method::Get, "ping", &fields, "OctoPrint/1.11.8")
    };
    assert_eq!(ping(&tracker, &["ping"], "2"), Ok(()));
    assert_eq!(ping(&tracker, &["ping"], "3").unwrap_err(), "octoprint_uptime is not what the host would make of it");
    assert_eq!(ping(&tracker, &["pong"], "2").unwrap_err(), "this is not the occasion for it");
    tracker.ticked();
    assert_eq!(tracker.due(), [""; 0]);
    tracker.now += 899_999;
    assert_eq!(tracker.due(), [""; 0]);
    tracker.now += 1;
    assert_eq!(tracker.due(), ["ping"]);
    assert_eq!(ping(&tracker, &["ping"], "902"), Ok(()));
    // Long overdue, it comes once, and keeps its rhythm.
    tracker.now += 2_000_000;
    tracker.ticked();
    assert_eq!(tracker.memory.due.next(), Some(5000 + 4 * 900_000));
    tracker.memory.handled("octoprint_stopping");
    assert_eq!(tracker.memory.due.next(), None);
}

#[test]
fn once_is_once() {
    let mut tracker = Tracker::new();
    let fields = [("printer_connector", "serial"), ("firmware_name", "Marlin")];
    let report = |tracker: &Tracker| {
        tracker.pass(Cause::Event("FirmwareData".into()), Method::Get, "printer_connected", &fields, "OctoPrint/1.12.0")
    };
    tracker.hear("environment", &json!({"octoprint": {"version": "1.12.0"}}));
    tracker.hear("Connected", &json!({"connector": "serial", "port": "/dev/ttyUSB0", "baudrate": 115_200}));
    tracker.hear("FirmwareData", &json!({"name": "Marlin"}));
    assert_eq!(report(&tracker), Ok(()));
    tracker.memory.due.reported("printer_connected");
    assert_eq!(report(&tracker), Err("it was already reported".into()));
    tracker.hear("Connected", &json!({"connector": "serial"}));
    tracker.now += 14_999;
    assert_eq!(tracker.due(), [""; 0]);
    tracker.now += 1;
    assert_eq!(tracker.due(), ["printer_connected"]);
    tracker.hear("Disconnected", &json!({}));
    assert_eq!(tracker.due(), [""; 0], "it does not wait any longer");
    tracker.hear("FirmwareData", &json!({"name": "Marlin"}));
    assert_eq!(report(&tracker), Ok(()), "though it may still be reported");
    // Older ones have no connectors: there the time passes, and the firmware is reported when it is known.
    let mut older = known();
    older.hear("Connected", &json!({"port": "/dev/ttyUSB0", "baudrate": 115_200}));
    older.now += 20_000;
    assert_eq!(older.due(), [""; 0]);
    older.ticked();
    assert_eq!(older.memory.due.next(), None);
    older.hear("FirmwareData", &json!({"name": "Marlin"}));
    let fields = [("firmware_name", "Marlin"), ("printer_port", "/dev/ttyUSB0"), ("printer_baudrate", "115200")];
    assert_eq!(older.on("FirmwareData", "printer_connected", &fields), Ok(()));
}

#[test]
fn an_event_that_is_called_tick_is_no_tick() {
    // Any plugin of OctoPrint could fire it, and a report with a rhythm would come whenever it does.
    let sees = format!("{MANIFEST}\n[[sees]]\nevent = \"tick\"\nfields = []");
    let mut tracker = known();
    tracker.policy = Policy::new(Manifest::parse(&sees).unwrap()).unwrap();
    tracker.hear("octoprint_started", &json!({"uptime": 2}));
    tracker.hear("tick", &json!({}));
    let ping = [("octoprint_uptime", "2"), ("printer_state", "OFFLINE")];
    tracker.refuses("tick", "ping", &ping, "this is not the occasion for it");
}

#[test]
fn other_settings_keep_the_rhythm_and_off_is_off() {
    let mut tracker = known();
    tracker.hear("octoprint_started", &json!({"uptime": 0}));
    tracker.ticked();
    tracker.settings.set("ping", 60.into()).unwrap();
    let in_force = |tracker: &mut Tracker, resumed| {
        tracker.memory.settings_in_force(&tracker.policy, &tracker.settings, tracker.now, resumed);
        tracker.memory.due.next()
    };
    assert_eq!(in_force(&mut tracker, false), Some(65_000), "a shorter interval counts from now");
    tracker.now = 70_000;
    assert_eq!(in_force(&mut tracker, false), Some(65_000), "what is overdue is due");
    assert_eq!(in_force(&mut tracker, true), Some(125_000), "unless tracking was off until now");
    for never in [json!(0), json!("60"), json!(-1), json!(1e10)] {
        tracker.settings.set("ping", never.clone()).unwrap();
        tracker.now = 200_000;
        in_force(&mut tracker, false);
        assert_eq!(tracker.due(), [""; 0], "{never}");
    }
}

#[test]
fn memory_survives_a_restart_under_another_clock() {
    let mut tracker = known();
    tracker.hear("octoprint_started", &json!({"uptime": 2.5}));
    tracker.hear("Connected", &json!({"connector": "serial", "port": "/dev/ttyUSB0"}));
    tracker.hear("PrintStarted", &json!({"path": "a.gcode", "origin": "local"}));
    tracker.hear("PrintDone", &json!({"path": "a.gcode", "time": 7.9}));
    tracker.ticked();
    tracker.now += 100;
    let saved = serde_json::to_value(tracker.memory.save(&tracker.policy, tracker.now, true)).unwrap();
    assert!(saved["heard"].get("PrintDone").is_none(), "nothing is made of it later: {saved}");
    let again = Memory::restore(&saved, 1_000_000, 250);
    assert_eq!(serde_json::to_value(again.save(&tracker.policy, 1_000_000 - 250, true)).unwrap(), saved);
    assert_eq!(again.due.next(), Some(1_000_000 - 250 - 100 + 15_000));
    for damaged in
        [json!(null), json!([]), json!({"heard": 7, "due": "x"}), json!({"heard": {"Connected": {"age_ms": "x"}}})]
    {
        assert_eq!(Memory::restore(&damaged, 0, 0), Memory::default());
    }
}

#[test]
fn a_fresh_instance_is_shown_what_was_heard() {
    let mut tracker = known();
    tracker.hear("PrinterStateChanged", &json!({"state_id": "PRINTING"}));
    tracker.now += 10;
    tracker.hear("octoprint_started", &json!({"uptime": 1}));
    tracker.now -= 5;
    tracker.hear("Connected", &json!({"port": "/dev/ttyUSB0"}));
    tracker.hear("SlicingStarted", &json!({"slicer": "x"}));
    let shown = |tracker: &Tracker| {
        let again = tracker.policy.shown_again(&tracker.memory, &tracker.policy.doors(&tracker.settings));
        again.into_iter().map(|(name, payload, at)| format!("{name} {payload} {at}")).collect::<Vec<_>>()
    };
    let all = [
        r#"environment {"octoprint":{"version":"1.11.8"}} 5000"#,
        r#"PrinterStateChanged {"state_id":"PRINTING"} 5000"#,
        r#"Connected {"port":"/dev/ttyUSB0"} 5005"#,
        r#"octoprint_started {"uptime":1} 5010"#,
    ];
    assert_eq!(shown(&tracker), all);
    tracker.settings.set("events.printer", false.into()).unwrap();
    tracker.settings.set("ping", 0.into()).unwrap();
    assert_eq!(shown(&tracker), [all[0], "octoprint_started {} 5010"], "the uptime is for pings only");
}

#[test]
fn an_environment_is_merged_by_its_parts_and_words_grow() {
    let mut tracker = known();
    tracker.hear("environment", &json!({"os": {"id": "linux", "bits": 64}, "achievements": ["One"]}));
    tracker.hear("environment", &json!({"os": {"id": "windows"}, "octoprint": null, "third_party_plugins": null}));
    tracker.hear("plugin_achievements_achievement_unlocked", &json!({"key": "Two"}));
    tracker.hear("plugin_achievements_achievement_unlocked", &json!({"key": "one"}));
    tracker.hear("plugin_achievements_achievement_unlocked", &json!({"key": "no word"}));
    let heard = tracker.memory.heard.get("environment").unwrap();
    assert_eq!(heard.get("octoprint.version"), Some(&json!("1.11.8")));
    assert_eq!(heard.get("os.id"), Some(&json!("windows")));
    assert_eq!(heard.get("os.bits"), None);
    assert_eq!(heard.get("achievements as words"), Some(&json!("one,two")));
}

#[test]
fn while_tracking_is_off_only_control_facts_are_remembered() {
    let hear_all = |tracker: &mut Tracker, is_on: bool| {
        for (event, payload) in [
            (
                "environment",
                json!({"octoprint": {"version": "1.11.8"}, "python": {"version": "3"}, "achievements": ["one"]}),
            ),
            ("octoprint_started", json!({"uptime": 7})),
            ("Connected", json!({"port": "/dev/ttyUSB0"})),
            ("PrinterStateChanged", json!({"state_id": "PRINTING"})),
            ("PrintStarted", json!({"path": "a.gcode", "origin": "local"})),
            ("plugin_pi_support_throttle_state", json!({"raw_value": 5})),
            ("plugin_achievements_achievement_unlocked", json!({"key": "two"})),
        ] {
            let now = tracker.now;
            tracker.memory.hear_without_instance(&tracker.policy, event, &payload.to_string(), now, is_on);
        }
    };
    let expected = json!({
        "environment": {"age_ms": 0, "values": {"octoprint.version": "1.11.8"}},
        "octoprint_started": {"age_ms": 0, "values": {"uptime": 7}},
    });
    let stored = |tracker: &Tracker| {
        serde_json::to_value(tracker.memory.save(&tracker.policy, tracker.now, false)).unwrap()["heard"].clone()
    };
    let heard = |tracker: &Tracker| {
        let saved: BTreeMap<_, _> = tracker.memory.heard.save(|_, _| true, tracker.now).into_iter().collect();
        serde_json::to_value(saved).unwrap()
    };
    // What OctoPrint says of itself once is kept whole, and not stored.
    let kept = |tracker: &Tracker| {
        let mut heard = heard(tracker);
        let environment = heard["environment"]["values"].as_object_mut().unwrap();
        assert_eq!(environment.remove("python.version"), Some("3".into()));
        assert!(environment["achievements as words"].as_str().unwrap().starts_with("one"));
        environment.retain(|key, value| key != "achievements as words" && !value.is_null());
        heard
    };
    let mut off = Tracker::new();
    hear_all(&mut off, false);
    assert_eq!((kept(&off), stored(&off)), (expected.clone(), expected.clone()));
    // That it began is reported when it is switched on.
    assert_eq!(off.due(), ["ping", "pong", "startup"]);

    let mut on = Tracker::new();
    hear_all(&mut on, true);
    assert_ne!(heard(&on), expected);
    assert!(on.memory.due.waits("printer_connected"));
    on.memory.keep_control_facts(&on.policy);
    assert_eq!((kept(&on), stored(&on)), (expected.clone(), expected));
    assert!(!on.memory.due.waits("printer_connected") && on.memory.due.waits("startup"));
}
