//! A tracker that does not mean well, in production form: the program as a process, a home that has opted in, a receiver.
//! The puppet is the bundled tracker with a script (`attacks.rs`). Of each attack there must arrive nothing, or to the byte
//! what the bundled tracker sends for the same events in the same order; the journal must say what did not, under the
//! manifest's name; and no secret and no word of the puppet's may be in anything that the host keeps or says.

mod attacks;
mod pinned;
mod slow;

use crate::support::{Home, LONG, Process, names, receiver};
use attacks::{ATTACKS, Attack, Flow};
use glassbox::home::BUNDLED;
use glassbox_audit::conformance::RecordedRequest;
use glassbox_tests::puppet;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

/// Paths of two prints, and what else must be nowhere.
const SECRETS: [&str; 6] = ["anna/secret part.gcode", "secret part", "Клиент", "чертёж", "616e6e612f", "d09ad0bb"];

/// Words that only the puppet says.
const PUPPET_WORDS: [&str; 2] = ["puppet says", "words-of-the-puppet"];

const EVENTS: [(&str, &str); 13] = [
    (
        "environment",
        r#"{"octoprint":{"version":"1.11.8"},"os":{"id":"linux","platform":"Linux-6.6-x","bits":64},"python":{"version":"3.11"},
        "hardware":{"cores":4,"freq":1800.5,"ram":4000000},"third_party_plugins":[{"key":"Tiny","version":"1"}],
        "achievements":["the_wizard"]}"#,
    ),
    ("octoprint_started", r#"{"uptime":1}"#),
    ("Connected", r#"{"port":"/dev/ttyUSB0","baudrate":115200}"#),
    ("FirmwareData", r#"{"name":"Marlin"}"#),
    ("PrintStarted", r#"{"path":"anna/secret part.gcode","name":"secret part.gcode","origin":"local"}"#),
    (
        "plugin_pi_support_throttle_state",
        r#"{"raw_value":327680,"current_issue":true,"past_issue":true,"current_undervoltage":true,"past_undervoltage":false,
        "current_overheat":false,"past_overheat":true}"#,
    ),
    ("PrintDone", r#"{"path":"anna/secret part.gcode","origin":"local","time":12.75}"#),
    ("PrintStarted", r#"{"path":"Клиент/чертёж.gcode","name":"чертёж.gcode","origin":"local"}"#),
    ("Error", r#"{"reason":"firmware","error":"Printer halted"}"#),
    (
        "PrintFailed",
        r#"{"path":"Клиент/чертёж.gcode","origin":"local","time":3.5,"reason":"error","error":"дверь open"}"#,
    ),
    ("plugin_softwareupdate_update_failed", r#"{"target":"octoprint","from_version":"1.11.8","to_version":"1.11.9"}"#),
    ("webui_load", r#"{"browser_name":"Firefox","browser_version":"1","os_name":"Linux","os_version":"2"}"#),
    ("octoprint_stopping", "{}"),
];

/// How many of the events make the first half, and how many reports those make.
const HALF: (usize, usize) = (5, 5);

/// An id and a salt that belong together, as the program made them: (settings, identity).
static IDENTITY: LazyLock<(Value, Vec<u8>)> = LazyLock::new(|| {
    let home = Home::opted_in(&receiver().url());
    home.command(&["run", "--events", "-"]).run().log();
    (home.settings(), fs::read(home.identity_file()).unwrap())
});

/// What the bundled tracker sends.
static HONEST: LazyLock<Vec<RecordedRequest>> = LazyLock::new(|| {
    let requests = run(BUNDLED, Flow::Whole).requests;
    assert_eq!(requests.len(), 13, "{:?}", names(&requests));
    requests
});

/// The same where the program is started again between the two halves.
static HONEST_AGAIN: LazyLock<Vec<RecordedRequest>> = LazyLock::new(|| {
    let requests = run(BUNDLED, Flow::Restart).requests;
    // The end of the program is reported where it ends.
    let sorted = |requests: &[RecordedRequest]| {
        let mut names = names(requests);
        names.sort();
        names
    };
    assert_eq!(sorted(&requests), sorted(&HONEST), "nothing is lost, and nothing is reported twice");
    requests
});

/// What came of a run.
struct Came {
    home: Home,
    requests: Vec<RecordedRequest>,
    log: String,
    journal: Vec<Value>,
}

/// A home that has opted in, with this component in place of the bundled tracker, which was granted.
fn home(component: &[u8], server: &str, more: &Value) -> Home {
    let home = Home::opted_in(server);
    let (mut settings, identity) = IDENTITY.clone();
    settings["server"] = server.into();
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    home.write_settings(settings.to_string());
    fs::create_dir_all(home.identity_file().parent().unwrap()).unwrap();
    fs::write(home.identity_file(), identity).unwrap();
    fs::set_permissions(home.identity_file(), fs::Permissions::from_mode(0o600)).unwrap();
    put(&home, component);
    home
}

/// Put a component in place as a careful program does.
fn put(home: &Home, component: &[u8]) {
    let new = home.root().join("new");
    fs::write(&new, component).unwrap();
    fs::rename(new, home.plugin("tracking")).unwrap();
}

fn send(process: &mut Process, events: &[(&str, &str)]) {
    for (event, payload) in events {
        process.send(&format!(r#"{{"event":"{event}","payload":{}}}"#, payload.replace('\n', "")));
    }
}

/// Send all events.
fn run_events(process: &mut Process) {
    send(process, &EVENTS);
}

/// Run a component as the flow says, and see what comes of it.
fn run(component: &[u8], flow: Flow) -> Came {
    let receiver = receiver();
    let more = if flow == Flow::Keys {
        json!({"events": {"a_key_of_tomorrow": true}, "a_key_of_tomorrow": 1})
    } else {
        json!({})
    };
    let first = if matches!(flow, Flow::Upgrade | Flow::Refused) { BUNDLED } else { component };
    let home = home(first, &receiver.url(), &more);
    let mut process = home.command(&["run", "--events", "-"]).start();
    process.wait_for_log(" tracking: ");
    let mut before = String::new();
    let (first, second) = EVENTS.split_at(HALF.0);
    send(&mut process, &first[..2]);
    if flow == Flow::Long {
        for _ in 0..60 {
            send(&mut process, &[("PrinterStateChanged", r#"{"state_id":"OFFLINE"}"#)]);
        }
    }
    send(&mut process, &first[2..]);
    match flow {
        Flow::Settings => {
            let _ = receiver.wait_for(HALF.1, LONG);
            let mut settings = home.settings();
            settings["ping"] = 1000.into();
            home.write_settings(settings.to_string());
            std::thread::sleep(crate::support::SILENCE * 2);
        }
        Flow::Upgrade | Flow::Refused => {
            let _ = receiver.wait_for(HALF.1, LONG);
            put(&home, component);
            process.wait_for_log(if flow == Flow::Upgrade { " took over from " } else { " keeps running" });
        }
        Flow::Restart => {
            let _ = receiver.wait_for(HALF.1, LONG);
            process.signal("TERM");
            before = process.wait(LONG).log();
            process = home.command(&["run", "--events", "-"]).start();
            process.wait_for_log(" tracking: ");
            send(&mut process, &EVENTS[..1]);
        }
        _ => {}
    }
    let (last, second) = second.split_last().unwrap();
    send(&mut process, second);
    if flow == Flow::Upgrade {
        std::thread::sleep(crate::support::SILENCE);
        put(&home, BUNDLED);
        process.wait_for_log(&format!(" INFO tracking: version {}", &glassbox_sandbox::digest(BUNDLED)[..12]));
    }
    send(&mut process, &[*last]);
    process.close();
    let log = before + &process.wait(LONG).log();
    let journal = home.run(&["journal", "--json"]).good();
    let journal = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Came { requests: receiver.requests(), log, journal, home }
}

/// The report's name in the manifest.
fn declared(name: &str) -> &str {
    if name.starts_with("commerror_") { "commerror_{reason}" } else { name }
}

/// All files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What is wrong with what came of an attack.
fn wrong(attack: &Attack, came: &Came) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut honest = if attack.flow == Flow::Restart { HONEST_AGAIN.iter() } else { HONEST.iter() };
    let mut lost = Vec::new();
    for request in &came.requests {
        // Every request is the next honest one, but for those that are lost.
        if !honest.by_ref().any(|honest| {
            let same = honest == request;
            if !same {
                lost.push(declared(honest.kind()).to_string());
            }
            same
        }) {
            wrong.push(format!("not the honest report: {request:?}"));
        }
    }
    lost.extend(honest.map(|honest| declared(honest.kind()).to_string()));
    if lost != attack.lost {
        wrong.push(format!("lost: {lost:?}"));
    }
    let of = |what: &'static str| came.journal.iter().filter(move |line| line["what"] == what);
    let whats: HashSet<_> = ["blocked", "unsent", "slow", "refused", "restarted", "quarantined", "dropped", "failed"]
        .into_iter()
        .filter(|what| of(what).next().is_some())
        .collect();
    // Any call may be slow on a busy machine.
    let is_told = |what: &&&str| **what != "slow" || attack.journal.contains(&"slow");
    let whats: HashSet<_> = whats.iter().filter(is_told).copied().collect();
    if whats != attack.journal.iter().copied().collect() {
        wrong.push(format!("the journal has {whats:?}: {:?}", came.journal));
    }
    // Only a name that fits none of the manifest's has no name of its own.
    let made_up = attack.script.ends_with("name-own");
    let known =
        |name: &str| (name == "(undeclared)" && made_up) || HONEST.iter().any(|honest| declared(honest.kind()) == name);
    for line in of("blocked").chain(of("unsent")) {
        let name = line["request"]["name"].as_str().unwrap_or_default();
        if !known(name) {
            wrong.push(format!("the journal names {name:?}"));
        }
    }
    wrong.extend(told(came, attack.flow));
    wrong
}

/// Where secrets or the puppet's words are that should be nowhere.
fn told(came: &Came, flow: Flow) -> Vec<String> {
    let (id, salt) = came.home.identity();
    let journal = came.home.run(&["journal"]).good();
    let mut texts = vec![("the log".to_string(), came.log.clone()), ("journal".into(), journal)];
    for folder in ["journal", "state"] {
        for file in files(&came.home.root().join(folder)) {
            if file != came.home.identity_file() {
                texts.push((file.display().to_string(), String::from_utf8_lossy(&fs::read(&file).unwrap()).into()));
            }
        }
    }
    let mut wrong = Vec::new();
    for request in &came.requests {
        texts.push((request.kind().into(), format!("{} {} {}", request.query, request.body, request.user_agent)));
    }
    for (place, text) in &texts {
        for secret in SECRETS.into_iter().chain([id.as_str(), &salt]) {
            if text.contains(secret) {
                wrong.push(format!("{secret:?} is in {place}: {text}"));
            }
        }
        // Why it refuses the user's settings is for the user, cut to 80 characters. A host that says more is another test.
        let is_for_the_user = flow == Flow::Refused && place == "the log";
        if !is_for_the_user && PUPPET_WORDS.iter().any(|word| text.contains(word)) {
            wrong.push(format!("{place} has the puppet's words: {text}"));
        }
    }
    let state = fs::read(came.home.root().join("state/tracking.json")).unwrap_or_else(|_| b"{}".into());
    let state: Value = serde_json::from_slice(&state).unwrap();
    for (name, value) in state["state"]["state"].as_object().into_iter().flatten() {
        if !["connection_waits", "printing"].contains(&name.as_str()) || !value.is_boolean() {
            wrong.push(format!("more than two flags is kept: {state}"));
        }
    }
    wrong
}

/// How many runs go on at once: most of a run is waiting.
const AT_ONCE: usize = 6;

#[test]
fn what_arrives_is_honest_or_nothing() {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::new());
    LazyLock::force(&HONEST);
    LazyLock::force(&HONEST_AGAIN);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(attack) = ATTACKS.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let came = run(&puppet(attack.script), attack.flow);
                    let wrong = wrong(attack, &came);
                    if !wrong.is_empty() {
                        let what =
                            format!("{} ({:?}):\n  {}\n{}", attack.script, attack.flow, wrong.join("\n  "), came.log);
                        all.lock().unwrap().push(what);
                    }
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    assert!(all.is_empty(), "{}", all.join("\n"));
}
