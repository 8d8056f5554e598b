//! Recording and replaying with real components: what was recorded is made again exactly, what was altered
//! is found, another version's differences are told, and nothing secret is in what was redacted.
#![allow(missing_docs)]

use glassbox::home::Home;
use glassbox::plugins::running_plugin::{LifecycleEvent, RunningPlugin, Setup};
use glassbox::record::{
    Components, Ending, Recorder, Recording, Redactor, Replay, Sink, compare, header, lines, replay,
};
use glassbox::system::SystemHardware;
use glassbox_audit::conformance::session::{SessionInput, read_events};
use glassbox_audit::conformance::{case, replay::mask};
use glassbox_sandbox::capabilities::{Capabilities, Deny};
use glassbox_sandbox::fake::{Logged, ManualClock, ManualThrottle, UseLog};
use glassbox_sandbox::{Plugin, Settings};
use glassbox_tests::{Folder, SANDBOX, TRACKING, counter, identify, misfit, workspace};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

const SECOND: u64 = 1_000_000_000;

/// A plugin that runs, and is recorded.
struct Host {
    running: RunningPlugin,
    clock: ManualClock,
    throttle: ManualThrottle,
    folder: Folder,
}

impl Host {
    fn start(name: &str, plugin: &Arc<Plugin>, settings: &Value, scrub: bool) -> Self {
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
            save_state: Box::new(|_| ()),
            saved: None,
        };
        let sink = Sink::create(&folder.0.join("recording.jsonl"), 1 << 26, scrub).unwrap();
        let recorder = Recorder::new(None, "test", Some(sink), folder.0.join("trap.jsonl"));
        let running = RunningPlugin::start_recorded(setup, SECOND, Some(recorder)).unwrap();
        Self { running, clock, throttle, folder }
    }

    fn event(&mut self, name: &str, payload: &str) -> Vec<LifecycleEvent> {
        self.running.event(name, payload, self.clock.get()).lifecycle
    }

    /// Let time pass, with the ticks that are asked for.
    fn until(&mut self, ns: u64) {
        while let Some(at) = self.running.next_tick().filter(|at| *at <= ns) {
            // A little late, as in life.
            self.clock.set(at.max(self.clock.get()) + 3_000_000);
            self.running.tick(self.clock.get());
        }
        self.clock.set(ns.max(self.clock.get()));
    }

    fn recording(self) -> (Folder, PathBuf) {
        let Self { running, folder, .. } = self;
        drop(running);
        let file = folder.0.join("recording.jsonl");
        (folder, file)
    }
}

const SECRETS: [&str; 5] =
    ["8f14e45f-ceea-467a-9575-1a3c0c1d2e3f", "c9f0f895-fb98-4b91-8f61-7d3e2a1b0c4d", "print", "example.org", "cube"];

/// The recorded session of a real OctoPrint, through the bundled tracker.
fn session(name: &str, scrub: bool) -> (Folder, PathBuf) {
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
    host.recording()
}

static SESSION: LazyLock<String> = LazyLock::new(|| {
    let (_folder, file) = session("record-session", false);
    std::fs::read_to_string(file).unwrap()
});

fn components(named: &[PathBuf]) -> Components {
    Components::find(&Home::at("/nowhere"), named, false).unwrap()
}

fn again(text: &str) -> Replay {
    replay(&Recording::parse(text).unwrap(), &mut components(&[])).unwrap()
}

fn version(word: &str) -> Arc<Plugin> {
    Arc::new(SANDBOX.prepare("counter", &counter(word)).unwrap())
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn a_session_is_made_again_exactly() {
    let recording = Recording::parse(&SESSION).unwrap();
    assert_eq!(recording.ending, Ending::Stopped);
    let sent = SESSION.lines().filter(|line| line.contains(r#""asks":"http.send""#)).count();
    assert!(sent > 60 && recording.calls.len() > 200, "{sent} {}", recording.calls.len());
    for what in ["clock.now", "hardware.probe", "throttle.query", "handover.save", "on-tick", "settings.load"] {
        assert!(SESSION.contains(what), "{what}");
    }
    let replay = again(&SESSION);
    assert_eq!(replay.divergence, None);
    assert_eq!(
        (replay.calls, replay.instances, replay.from_the_middle),
        (recording.calls.len(), 3, false),
        "settings were changed twice"
    );
    // Only what the tracker may see is in it.
    assert!(!SESSION.contains("third_party_plugins\":[{\"key\":\"printer_safety_check\",\"version\":\"2021.8.1\",\""));
    assert!(!SESSION.contains(r#""user":"#) && !SESSION.contains(r#""owner":"#));
    assert!(!SESSION.contains(".gcode") && !SESSION.contains(SECRETS[1]), "a path, or the salt");
}

/// A line of each kind is altered in turn; what the alteration must lead to is found.
#[test]
fn one_altered_line_of_any_kind_is_found() {
    let alterations: [(&str, &str, &str); 14] = [
        (r#""call":"settings.load""#, r#""shown":{"enabled":true"#, r#""shown":{"enabled":false"#),
        (r#""call":"settings.load""#, r#""document":{"enabled":true"#, r#""document":{"enabled":false"#),
        (r#""call":"on-event","name":"PrintStarted""#, r#""origin":"local""#, r#""origin":"sdcard""#),
        (r#""call":"on-event","name":"PrintStarted""#, "PrintStarted", "PrintDone"),
        (r#""call":"on-tick""#, "on-tick\"", "on-event\",\"name\":\"FirmwareData\",\"payload\":{}"),
        (r#""asks":"http.send","method":"GET","name":"print_started""#, r#""local""#, r#""locale""#),
        (r#""name":"print_started""#, r#""GET""#, r#""POST""#),
        (r#""name":"print_started""#, r#""answer":"queued""#, r#""answer":"forbidden","why":"so""#),
        (r#""asks":"http.send""#, r#""room":18446744073709551615"#, r#""room":0"#),
        (r#""asks":"throttle.query","answer":327685"#, "327685", "327680"),
        (r#""asks":"clock.now""#, r#""answer":"#, r#""answer":9"#),
        (r#""returns":"on-tick""#, r#""next_tick":"#, r#""next_tick":1"#),
        (r#""returns":"handover.save""#, r#""state":{"#, r#""state":{"more":1,"#),
        (r#""returns":"settings.load""#, r#""returns":"settings.load""#, r#""returns":"settings.load","refuses":"so""#),
    ];
    let mut found_here = components(&[]);
    let lines: Vec<_> = SESSION.lines().collect();
    for (kind, was, is) in alterations {
        let such = |line: &&str| line.contains(kind) && line.contains(was);
        let candidates: Vec<_> = lines.iter().enumerate().filter(|(_, line)| such(line)).map(|(at, _)| at).collect();
        assert!(!candidates.is_empty(), "there is no line with {kind} {was}");
        let found = candidates.into_iter().find_map(|at| {
            let alter = |(i, line): (usize, &&str)| if i == at { line.replacen(was, is, 1) } else { (*line).into() };
            let altered: String = lines.iter().enumerate().map(|line| alter(line) + "\n").collect();
            let recording = Recording::parse(&altered).unwrap();
            let found = replay(&recording, &mut found_here).unwrap().divergence?;
            assert!(found.line > at, "{kind}: line {} is before the altered one, {}", found.line, at + 1);
            assert_ne!(found.recorded, found.replayed, "{kind}");
            Some(found)
        });
        assert!(found.is_some(), "{kind}: {was} -> {is} was not found");
    }
    // One that is missing is found as well.
    let sent = SESSION.lines().position(|line| line.contains(r#""asks":"http.send""#)).unwrap();
    let without: String =
        SESSION.lines().enumerate().filter(|(i, _)| *i != sent).map(|(_, line)| format!("{line}\n")).collect();
    let found = again(&without).divergence.unwrap();
    assert_eq!(found.line, sent + 1);
    assert!(found.replayed.starts_with("http.send GET "), "{found:?}");
    // And a component that is another.
    let other = SESSION.replacen(&TRACKING.digest, &"0".repeat(64), 1);
    let refused = replay(&Recording::parse(&other).unwrap(), &mut components(&[])).unwrap_err().to_string();
    assert!(refused.contains("is not here: plugin 'tracking' with SHA-256 0000"), "{refused}");
}

#[test]
fn the_same_version_compared_says_the_same() {
    let comparison = compare::compare(&Recording::parse(&SESSION).unwrap(), &TRACKING);
    assert!(comparison.is_same(), "{comparison}");
    assert_eq!(comparison.ticks.0, comparison.ticks.1, "{comparison}");
    assert!(comparison.kinds["print_started"].same > 5, "{comparison}");
}

/// A counter that counts, reports, and has a timer.
fn counted(name: &str, word: &str) -> (Folder, PathBuf) {
    let mut host = Host::start(name, &version(word), &json!({"enabled": true, "id": "4711"}), false);
    host.until(2 * SECOND);
    for seq in 1..5 {
        host.event("Count", &json!({"seq": seq, "secret": "unseen"}).to_string());
    }
    host.event("Report", "null");
    host.event("Timer", r#"{"ms":1500}"#);
    host.until(10 * SECOND);
    host.event("octoprint_started", "{}");
    host.recording()
}

#[test]
fn another_version_is_told_apart_by_what_it_says() {
    let (folder, recorded) = counted("record-with", "first");
    let recording = Recording::read(&recorded).unwrap();
    let own = file(&folder.0, "counter.wasm", &counter("first"));
    assert_eq!(replay(&recording, &mut components(&[own])).unwrap().divergence, None);

    let other = compare::compare(&recording, &version("second"));
    let report = &other.kinds["report"];
    assert_eq!((report.same, report.changed, report.only_recorded, report.only_other), (0, 1, 0, 0));
    assert_eq!(report.changes.keys().collect::<Vec<_>>(), ["the field version"]);
    assert!(report.changes["the field version"].1[0].ends_with("Report: 'first' -> 'second'"), "{other}");
    assert_eq!((other.kinds["started"].same, other.kinds["timer"].changed), (1, 1), "{other}");
    assert!(!other.is_same());
    let text = other.to_string();
    assert!(text.contains("report                            0        1              0           0"), "{text}");

    // One that fails at its third event of each life, and what it would not have said.
    let failing = compare::compare(&recording, &version("trap-event"));
    assert_eq!(failing.kinds["report"].only_recorded, 1, "{failing}");
    assert_eq!(failing.failures["on-event: it panicked"].1, 7, "{failing}");
}

#[test]
fn a_recording_with_stand_ins_holds_no_secret_and_can_be_made_again() {
    let secret = |text: &str, what: &str| text.contains(what);
    assert!(secret(&SESSION, SECRETS[0]) && secret(&SESSION, SECRETS[3]));
    let (_folder, recorded) = session("record-scrub", true);
    let text = std::fs::read_to_string(recorded).unwrap();
    for line in SESSION.lines().filter(|line| line.contains("\"call\":\"on-event\"")) {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(path) = line["payload"]["path"].as_str() {
            assert!(!secret(&text, &format!("\"{path}\"")), "{path}");
        }
    }
    let hashes = SESSION.split(r#"["file",""#).skip(1).map(|rest| rest.split('"').next().unwrap());
    for what in hashes.chain([SECRETS[0], SECRETS[1], SECRETS[3], "Virtual Marlin"]) {
        assert!(!secret(&text, what), "{what}");
    }
    let replay = again(&text);
    assert_eq!(replay.divergence, None);
    assert!(Recording::parse(&text).unwrap().header.redacted);
    // It is the same run otherwise: the same requests in the same order.
    let names = |text: &str| {
        let sent = text.lines().filter(|line| line.contains(r#""asks":"http.send""#));
        let names = sent.map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].clone());
        names.collect::<Vec<_>>()
    };
    for (is, was) in names(&text).iter().zip(names(&SESSION)) {
        // A text may be part of a name.
        let kind = |name: &Value| name.as_str().unwrap().split("error_").next().map(String::from);
        assert_eq!(kind(is), kind(&was));
    }
    assert_eq!(names(&text).len(), names(&SESSION).len());
}

#[test]
fn a_failure_leaves_the_calls_that_lead_to_it() {
    for calls in [1, 400] {
        let word = "first";
        let mut host = Host::start("record-trap", &version(word), &json!({"enabled": true, "id": "4711"}), false);
        host.until(2 * SECOND);
        for seq in 1..calls {
            host.event("Count", &json!({"seq": seq, "secret": "unseen"}).to_string());
        }
        let turns = host.event("Fail", "{}");
        assert_eq!(turns, [LifecycleEvent::Failed("on-event: it panicked".into())]);
        let own = file(&host.folder.0, "counter.wasm", &counter(word));
        let trap = std::fs::read_to_string(host.folder.0.join("trap.jsonl")).unwrap();
        assert!(trap.len() < 100_000 && !trap.contains("unseen"), "{}", trap.len());
        let recording = Recording::parse(&trap).unwrap();
        let replayed = replay(&recording, &mut components(std::slice::from_ref(&own))).unwrap();
        assert_eq!(replayed.divergence, None);
        assert_eq!(replayed.failure.as_deref(), Some("on-event: it panicked"));
        assert_eq!(replayed.from_the_middle, calls > 100);
        // Another that does not fail is found out.
        let repaired = trap.replace("\"name\":\"Fail\"", "\"name\":\"Timer\"");
        let found = replay(&Recording::parse(&repaired).unwrap(), &mut components(std::slice::from_ref(&own))).unwrap();
        assert_eq!(found.divergence.unwrap().recorded, "failed: on-event: it panicked");
        // The whole recording goes on after it, with the fresh instance.
        let (_folder, recorded) = host.recording();
        let whole = replay(&Recording::read(&recorded).unwrap(), &mut components(&[own])).unwrap();
        assert_eq!((whole.divergence, whole.instances), (None, 2));
    }
}

#[test]
fn what_was_scrubbed_later_is_the_same_as_at_once_but_for_the_stand_ins() {
    let recording = Recording::parse(&SESSION).unwrap();
    let mut redactor = Redactor::default();
    redactor.look_ahead(&recording);
    let mut text = header(&recording.header);
    for (_, recorded) in &recording.calls {
        text.push_str(&lines(&redactor.stand_in(&TRACKING, recorded)));
    }
    assert!(!text.contains(SECRETS[0]) && !text.contains(SECRETS[1]));
    assert_eq!(again(&text).divergence, None);
}

#[test]
fn a_call_that_asks_without_end_is_bounded() {
    let settings = json!({"enabled": true, "unique_id": "4711", "act": "many"});
    let plugin = Arc::new(SANDBOX.prepare("misfit", &misfit("")).unwrap());
    let mut host = Host::start("record-many", &plugin, &settings, false);
    host.event("PrintStarted", "{}");
    let own = file(&host.folder.0, "misfit.wasm", &misfit(""));
    let (_folder, recorded) = host.recording();
    let text = std::fs::read_to_string(&recorded).unwrap();
    assert!(text.contains(r#""asks":"too much to keep""#) && text.len() < 2 << 20, "{}", text.len());
    let replayed = replay(&Recording::parse(&text).unwrap(), &mut components(&[own])).unwrap();
    assert_eq!(replayed.divergence, None);
}
