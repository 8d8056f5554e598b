//! Recording and replaying with real components: what was recorded is made again exactly, what was altered
//! is found, another version's differences are told, and nothing secret is in what was redacted.
#![allow(missing_docs)]

use glassbox::home::Home;
use glassbox::plugins::running_plugin::LifecycleEvent;
use glassbox::record::{Call, Components, Ending, Recording, Redactor, Replay, compare, header, lines, replay};
use glassbox_contract::Prepare;
use glassbox_sandbox::{Plugin, Settings};
use glassbox_tests::{Folder, SANDBOX, TRACKING, counter, misfit, workspace};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod host;

use host::{Host, SECOND, SECRETS, SESSION, session};

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
    for what in ["hardware.probe", "throttle.query", "handover.restore", "handover.save", "on-tick", "settings.load"] {
        assert!(SESSION.contains(what), "{what}");
    }
    let calls = recording.calls.iter().filter(|(_, recorded)| !matches!(recorded.call, Call::Heard { .. })).count();
    // What was not shown and what is due depends on.
    assert!(calls < recording.calls.len() && SESSION.contains(r#""call":"heard","name":"Disconnected"}"#));
    let replay = again(&SESSION);
    assert_eq!(replay.divergence, None);
    assert_eq!(
        (replay.calls, replay.instances, replay.from_the_middle),
        (calls, 2, false),
        "tracking was switched off and on again"
    );
    // Only what the tracker may see is in it.
    assert!(!SESSION.contains("third_party_plugins\":[{\"key\":\"printer_safety_check\",\"version\":\"2021.8.1\",\""));
    assert!(!SESSION.contains(r#""user":"#) && !SESSION.contains(r#""owner":"#));
    assert!(!SESSION.contains(".gcode") && !SESSION.contains(SECRETS[1]), "a path, or the salt");
}

/// A line of each kind is altered in turn; what the alteration must lead to is found.
#[test]
fn one_altered_line_of_any_kind_is_found() {
    let alterations: [(&str, &str, &str); 17] = [
        (r#""call":"settings.load""#, r#""shown":{"ping":20"#, r#""shown":{"ping":21"#),
        (r#""call":"settings.load""#, r#""document":{"enabled":true"#, r#""document":{"enabled":false"#),
        (r#""call":"on-event","name":"PrintStarted""#, r#""origin":"local""#, r#""origin":"sdcard""#),
        (r#""call":"on-event","name":"PrintStarted""#, "PrintStarted", "PrintDone"),
        (r#""call":"on-tick""#, "on-tick\"", "on-event\",\"name\":\"FirmwareData\",\"payload\":{}"),
        (r#""call":"on-tick""#, r#""due":["ping"]"#, r#""due":[]"#),
        (r#""call":"on-tick""#, r#""clock":"#, r#""clock":9"#),
        (r#""call":"handover.restore""#, r#""version":"1.11.8""#, r#""version":"1.11.9""#),
        (
            r#""call":"handover.restore""#,
            r#""name":"octoprint_started","payload":{"uptime":"#,
            r#""name":"octoprint_started","payload":{"uptime":9"#,
        ),
        (r#""asks":"http.send","method":"GET","name":"print_started""#, r#""local""#, r#""locale""#),
        (r#""name":"print_started""#, r#""GET""#, r#""POST""#),
        (r#""name":"print_started""#, r#""user_agent":"#, r#""refused":"so","user_agent":"#),
        (r#""asks":"http.send""#, r#""room":18446744073709551615"#, r#""room":0"#),
        (r#""asks":"throttle.query","answer":327685"#, "327685", "327680"),
        (r#""returns":"on-tick""#, r#""returns":"on-tick""#, r#""returns":"on-tick","next_tick":1"#),
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

/// A printer is connected, and while a print goes on, the settings change: the first instance hears of both, and the second
/// one reports them.
fn handed_over(name: &str) -> String {
    let settings = json!({"enabled": true, "unique_id": "4711", "ping": 20});
    let mut host = Host::start(name, &TRACKING, &settings, false);
    host.event("environment", r#"{"octoprint": {"version": "1.11.8"}, "os": {"id": "linux"}}"#);
    host.event("environment", r#"{"python": {"version": "3.13.5"}}"#);
    host.event("octoprint_started", r#"{"uptime": 7.25}"#);
    host.until(10 * SECOND);
    host.event("Connected", r#"{"port": "/dev/serial/by-id/usb-secret-1", "baudrate": 115200}"#);
    host.event("PrintStarted", r#"{"path": "secret.gcode", "origin": "sdcard"}"#);
    host.until(15 * SECOND + 3_700_000);
    let settings = Settings::parse(r#"{"enabled": true, "unique_id": "4711", "ping": 21}"#).unwrap();
    host.running.change_settings(settings, host.clock.get()).unwrap();
    host.until(17 * SECOND);
    host.event("FirmwareData", r#"{"name": "Marlin"}"#);
    host.event("PrintFailed", r#"{"reason": "error", "time": 6.5}"#);
    host.until(60 * SECOND);
    let (_folder, file) = host.recording();
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn pinned_reports_are_made_again_of_what_the_recording_shows() {
    let whole = handed_over("record-pinned");
    let replayed = again(&whole);
    assert_eq!((replayed.divergence, replayed.instances), (None, 2));
    // Also of the second instance alone, which knows of the connection and the print only what it was shown again.
    let head = whole.lines().next().unwrap();
    let second: Vec<_> = whole.lines().filter(|line| line.starts_with(r#"{"n":2,"#)).collect();
    let text = |lines: &[&str]| format!("{head}\n{}\n", lines.join("\n"));
    assert_eq!(again(&text(&second)).divergence, None);
    let sent: Vec<_> = second.iter().filter(|line| line.contains(r#""asks":"http.send""#)).collect();
    assert!(sent.iter().all(|line| !line.contains("refused")), "{sent:?}");
    for report in [
        r#""name":"printer_connected","fields":[["firmware_name","Marlin"],["printer_port","/dev/serial/by-id"],["printer_baudrate","115200"]]"#,
        r#""name":"print_failed","fields":[["origin","sdcard"],["file",""#,
        r#""name":"ping","fields":[["octoprint_uptime","#,
        r#""user_agent":"OctoPrint/1.11.8""#,
    ] {
        assert!(sent.iter().any(|line| line.contains(report)), "{report} is not in {sent:#?}");
    }
    // What the host makes itself is made of the recording: where it shows something else, the report is another, or it is
    // refused.
    let restored = second.iter().position(|line| line.contains(r#""call":"handover.restore""#)).unwrap();
    for (was, is, replayed) in [
        (r#""baudrate":115200"#, r#""baudrate":250000"#, "printer_baudrate=250000"),
        (r#""origin":"sdcard""#, r#""origin":"local""#, "origin=local"),
        (r#""version":"1.11.8""#, r#""version":"1.11.9""#, "(OctoPrint/1.11.9)"),
        // That the connection waits to be reported, only the host knows.
        (r#""printer_connected":"#, r#""printer_disconnected":"#, ": refused, it was already reported"),
    ] {
        assert!(second[restored].contains(was), "{was} is not in {}", second[restored]);
        let mut altered = second.clone();
        let line = second[restored].replace(was, is);
        altered[restored] = &line;
        let found = again(&text(&altered)).divergence.unwrap();
        assert!(found.replayed.contains(replayed) && !found.recorded.contains(replayed), "{found:?}");
    }
    assert!(!whole.contains("secret.gcode") && !whole.contains("usb-secret"));
}

#[test]
fn what_was_heard_and_not_shown_counts_in_a_replay() {
    let settings = json!({"enabled": true, "unique_id": "4711", "ping": 20});
    let mut host = Host::start("record-unshown", &TRACKING, &settings, false);
    host.event("environment", r#"{"octoprint": {"version": "1.12.0"}}"#);
    host.event("octoprint_started", r#"{"uptime": 7}"#);
    host.until(10 * SECOND);
    host.event("Connected", r#"{"connector": "serial"}"#);
    host.until(13 * SECOND);
    // After 15 seconds the connection would be reported.
    host.event("Disconnected", r#"{"secret": 1}"#);
    host.until(60 * SECOND);
    let (_folder, file) = host.recording();
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains("printer_connected\",") && !text.contains("secret"), "{text}");
    assert_eq!(again(&text).divergence, None);
    let same = compare::compare(&Recording::parse(&text).unwrap(), &TRACKING);
    assert!(same.is_same() && same.kinds["ping"].same > 1, "{same}");
    let mut lines: Vec<_> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains(r#""call":"heard","name":"Disconnected"}"#)).unwrap();
    lines.drain(at..at + 2);
    let without = compare::compare(&Recording::parse(&(lines.join("\n") + "\n")).unwrap(), &TRACKING);
    assert_eq!(without.kinds["printer_connected"].only_other, 1, "{without}");
}

/// The counter with another manifest.
fn pinned_counter(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut manifest = std::fs::read_to_string(workspace().join("examples/counter/counter.toml")).unwrap();
    for (was, is) in changes {
        assert!(manifest.contains(was), "{was}");
        manifest = manifest.replacen(was, is, 1);
    }
    let bytes = counter("first");
    let name = glassbox_component::MANIFEST_SECTION.as_bytes();
    let at = bytes.windows(name.len()).rposition(|part| part == name).unwrap();
    // Before the name: its length, the section's length, and the section's id.
    let start = (at - 6..at).find(|start| glassbox_contract::inspect("x", &bytes[..*start]).is_ok()).unwrap();
    glassbox_component::embed(&bytes[..start], &manifest).unwrap()
}

#[test]
fn what_the_host_itself_asks_for_a_report_is_recorded_and_answered() {
    // The component asks for nothing: the host does, to know what the report would be.
    let bytes = pinned_counter(&[
        ("user_agent =", "hardware = [\"os\", \"platform\"]\nthrottle = true\nuser_agent ="),
        ("request = \"report\"", "request = \"report\"\non = [\"Report\"]"),
        ("{ name = \"version\", pattern", "{ name = \"version\", from = [\"throttle.mask\", \"hardware.os\"], pattern"),
        // Not for a report that is off: the platform does not enter, and is not recorded.
        ("request = \"timer\"", "request = \"timer\"\non = [\"Timer\"]\nswitch = \"timer\""),
        (
            "fields = [{ name = \"version\", pattern",
            "fields = [{ name = \"version\", from = \"hardware.platform\", pattern",
        ),
    ]);
    let plugin = Arc::new(SANDBOX.prepare("counter", &bytes).unwrap());
    let settings = json!({"enabled": true, "id": "4711", "timer": false});
    let mut host = Host::start("record-host-asks", &plugin, &settings, false);
    host.throttle.set(Some(5));
    host.event("Report", "null");
    host.throttle.set(None);
    host.event("Report", "null");
    let own = file(&host.folder.0, "counter.wasm", &bytes);
    let (_folder, recorded) = host.recording();
    let text = std::fs::read_to_string(&recorded).unwrap();
    let asked: Vec<_> = text.lines().filter(|line| line.contains(r#""asks":"#)).collect();
    let what = [
        r#""throttle.query","answer":5}"#,
        "http.send",
        r#""throttle.query","answer":null}"#,
        "hardware.probe",
        "http.send",
    ];
    assert_eq!(asked.len(), what.len(), "{asked:?}");
    for (line, what) in asked.iter().zip(what) {
        assert!(line.contains(what) && !line.contains("platform"), "{line}");
    }
    let refused = r#""refused":"version is not what the host would make of it""#;
    assert!(asked[1].contains(refused) && asked[4].contains(refused), "{asked:?}");
    let mut own = components(&[own]);
    assert_eq!(replay(&Recording::parse(&text).unwrap(), &mut own).unwrap().divergence, None);
    // What was answered is what a report is compared with.
    let first = text.replace(r#""throttle.query","answer":5}"#, r#""throttle.query","answer":null}"#);
    let found = replay(&Recording::parse(&first).unwrap(), &mut own).unwrap().divergence.unwrap();
    assert!(found.replayed.starts_with("hardware.probe = "), "{found:?}");
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
