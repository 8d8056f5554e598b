//! What enters the box of a running host, and what leaves it: secrets are put into everything that OctoPrint says and into
//! the settings, and none is in what the component was shown, nor in what a receiver got. The recording of the run says
//! what the component was shown. What each form of a field is, is tested in the sandbox.

use crate::support::{Home, LONG, Process, receiver, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// All that must not enter, in no form.
const SECRETS: [&str; 12] = [
    "secret",
    "anna",
    "SN1234",
    "192.168.7.7",
    "b8:27:eb",
    "hunter2",
    "d0d0d0d0",
    "47114711",
    "fe80",
    "ssh://",
    "Клиент",
    "9f86d081884c7d65",
];

fn events() -> Vec<(&'static str, Value)> {
    let print = |more: Value| {
        let mut print = json!({
            "path": "anna/secret part.gcode", "name": "secret part.gcode", "origin": "local", "size": 47_114_711,
            "owner": "anna", "user": "anna", "time": 12.75,
        });
        print.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        print
    };
    vec![
        (
            "environment",
            json!({"octoprint": {"version": "1.11.8", "base": "/home/anna"}, "os": {"id": "linux", "host": "anna-pc"},
                "third_party_plugins": [{"key": "Tiny", "version": "1.0", "author": "anna", "path": "/home/anna/tiny"}],
                "achievements": ["the_wizard", "not a word of anna", {"secret": 1}]}),
        ),
        ("octoprint_started", json!({"uptime": 1, "token": "secret"})),
        ("Connected", json!({"port": "/dev/serial/by-id/usb-SN1234-if00", "baudrate": 115_200, "profile": "anna"})),
        ("FirmwareData", json!({"name": "Marlin", "data": {"UUID": "d0d0d0d0-1111-4222-8333-444444444444"}})),
        ("PrintStarted", print(json!({}))),
        ("PrintFailed", print(json!({"reason": "error", "error": "No such file: '/home/anna/secret part.gcode'"}))),
        ("PrintStarted", print(json!({"path": "Клиент/чертёж.gcode"}))),
        ("PrintDone", print(json!({"path": "Клиент/чертёж.gcode"}))),
        ("PrintStarted", print(json!({"path": {"secret": "anna"}}))),
        ("Error", json!({"reason": "firmware", "error": "b8:27:eb:12:34:56 at 192.168.7.7 (anna@example.org) failed"})),
        ("Error", json!({"reason": "timeout", "error": "ssh://anna:hunter2@host is gone, fe80::1%wlan0 too"})),
        ("Connected", json!({"port": "socket://anna:hunter2@192.168.7.7:23", "baudrate": 115_200})),
        ("FirmwareData", json!({"name": "Klipper"})),
        ("octoprint_stopping", json!({"who": "anna"})),
    ]
}

#[test]
fn what_may_not_leave_does_not_enter() {
    let (home, receiver) = (Home::new(), receiver());
    home.grant();
    let id = "47114711-4711-4711-8711-471147114711";
    let settings = json!({
        "enabled": true, "server": receiver.url(), "unique_id": id, "file_salt": "9f86d081884c7d65", "owner": "anna",
        "ping": 0, "events": {"pong": true},
    });
    home.write_settings(settings.to_string());
    let recording = home.0.path("recording");
    let lines =
        events().into_iter().map(|(event, payload)| json!({"event": event, "payload": payload}).to_string() + "\n");
    let input = lines.collect::<String>();
    let command = home.command(&["run", "--events", "-", "--record"]).arg(&recording);
    command.run_with(input.as_bytes()).log();

    // What the component was shown.
    let lines = fs::read_to_string(&recording).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown = lines.iter().filter(|line| line["call"] == "on-event" || line["call"] == "settings.load");
    let shown: Vec<String> =
        shown.map(|line| [&line["payload"], &line["shown"]].map(Value::to_string).join(" ")).collect();
    assert_eq!(shown.len(), events().len() + 1, "{shown:?}");
    let (_, salt) = home.identity();
    let all = shown.join("\n");
    assert!(all.contains("\"ping\":0") && all.contains("tiny:1.0") && all.contains("the_wizard"), "{all}");
    for secret in SECRETS.into_iter().chain([id, &salt]) {
        assert!(!all.to_lowercase().contains(&secret.to_lowercase()), "{secret} was shown: {all}");
    }

    // What left: all that was to leave, in the form in which it had entered.
    let requests = receiver.wait_for(11, LONG);
    let kinds: Vec<_> = requests.iter().map(|request| request.kind().to_string()).collect();
    for kind in ["pong", "startup", "printer_connected", "print_started", "print_failed", "print_done", "shutdown"] {
        assert!(kinds.iter().any(|sent| sent == kind), "{kind}: {kinds:?}");
    }
    for request in &requests {
        let said = format!("{} {}", request.query, request.body);
        for secret in SECRETS.into_iter().chain([id, &salt]) {
            assert!(!said.to_lowercase().contains(&secret.to_lowercase()), "{secret} left: {request:?}");
        }
    }
    let value = |kind: &str, field: &str| {
        requests
            .iter()
            .filter(|request| request.kind() == kind)
            .filter_map(|request| request.value(field))
            .collect::<Vec<_>>()
    };
    assert_eq!(value("printer_connected", "printer_port"), ["/dev/serial/by-id", "network"]);
    assert_eq!(value("print_failed", "commerror_text"), ["No such file: …"]);
    assert_eq!(value("print_done", "elapsed"), ["12"]);
    let started = value("print_started", "file");
    assert!(started.len() == 2 && started[0] != started[1], "{started:?}");
    assert_eq!(value("print_done", "file"), [started[1].clone()]);
}

/// While tracking is off nothing that OctoPrint says is remembered, but what the manifest gives a reason for.
#[test]
fn what_is_said_while_tracking_is_off_is_not_remembered() {
    let (home, receiver) = (Home::new(), receiver());
    home.grant();
    let settings = |enabled: bool| {
        let id = "47114711-4711-4711-8711-471147114711";
        json!({"enabled": enabled, "server": receiver.url(), "unique_id": id, "ping": 1}).to_string()
    };
    home.write_settings(settings(true));
    let mut process = home.command(&["run", "--events", "-"]).start();
    let send = |process: &mut Process, events: &[(&str, Value)]| {
        events
            .iter()
            .for_each(|(event, payload)| process.send(&json!({"event": event, "payload": payload}).to_string()));
    };
    let print = json!({"path": "a.gcode", "origin": "sdcard"});
    let version = json!({"octoprint": {"version": "1.11.8"}, "python": {"version": "3.11.99"}});
    send(&mut process, &[("environment", version), ("octoprint_started", json!({"uptime": 5000}))]);
    send(
        &mut process,
        &[("Connected", json!({"port": "COM7"})), ("PrinterStateChanged", json!({"state_id": "PRINTING"}))],
    );
    send(&mut process, &[("PrintStarted", print.clone())]);
    let is_there = |kind: &str, after: usize| {
        wait_until(kind, || receiver.requests().iter().skip(after).any(|one| one.kind() == kind));
    };
    is_there("print_started", 0);

    home.write_settings(settings(false));
    process.wait_for_log(" tracking: nothing is sent");
    let count = receiver.requests().len();
    send(
        &mut process,
        &[("Connected", json!({"port": "COM8"})), ("PrinterStateChanged", json!({"state_id": "PAUSED"}))],
    );
    send(&mut process, &[("plugin_pi_support_throttle_state", json!({"raw_value": 458_752})), ("PrintStarted", print)]);
    let state = home.root().join("state/tracking.json");
    let is_forgotten = |text: &str| !["PRINTING", "COM7", "sdcard", "3.11.99"].iter().any(|said| text.contains(said));
    let stored = || fs::read_to_string(&state).unwrap();
    wait_until("it is forgotten", || is_forgotten(&stored()));

    // Switched on in the middle of a print: it knows how things are, and nothing of the print.
    home.write_settings(settings(true));
    is_there("ping", count);
    send(&mut process, &[("FirmwareData", json!({"name": "Marlin"})), ("PrintFailed", json!({"reason": "error"}))]);
    send(&mut process, &[("SlicingStarted", json!({"slicer": "last"}))]);
    is_there("slicing_started", count);
    process.close();
    process.wait(LONG).log();
    let requests = receiver.requests();
    let ping = requests[count..].iter().find(|one| one.kind() == "ping").unwrap();
    assert_eq!(ping.value("printer_state").as_deref(), Some("PAUSED"));
    let uptime: u64 = ping.value("octoprint_uptime").unwrap().parse().unwrap();
    assert!((5000..8000).contains(&uptime), "{uptime}");
    let kinds: Vec<_> = requests[count..].iter().map(|request| request.kind()).filter(|kind| *kind != "ping").collect();
    assert_eq!(kinds, ["slicing_started", "shutdown"]);
    let journal = home.run(&["journal", "--json"]).good();
    assert!(!journal.contains(r#""what":"blocked""#), "{journal}");
    assert!(!["COM8", "458752", "sdcard"].iter().any(|said| stored().contains(said)), "{}", stored());
}

/// The start of a run is reported once, also where the file is damaged that says so.
#[test]
fn a_damaged_state_makes_no_second_startup() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut process = home.command(&["run", "--events", "-"]).start();
    process.wait_for_log(" tracking: ");
    let started = json!({"event": "octoprint_started", "payload": {"uptime": 5000}}).to_string();
    process.send(&started);
    let count = |kind: &str| receiver.requests().iter().filter(|one| one.kind() == kind).count();
    wait_until("startup", || count("startup") == 1 && count("ping") == 1);
    let (plugin, away) = (home.plugin("tracking"), home.root().join("away"));
    fs::rename(&plugin, &away).unwrap();
    process.wait_for_log("its file is gone");
    let state = home.root().join("state/tracking.json");
    // It is stored once more when the plugin ends.
    std::thread::sleep(Duration::from_secs(2));
    fs::write(&state, "{").unwrap();
    let mut settings = home.settings();
    settings["ping"] = 1.into();
    home.write_settings(settings.to_string());
    fs::rename(&away, &plugin).unwrap();
    process.wait_for_log("is damaged");
    // The run goes on, as long as it has.
    wait_until("a ping", || count("ping") > 1);
    process.close();
    process.wait(LONG).log();
    assert_eq!(count("startup"), 1, "{:?}", receiver.requests());
    let uptimes = receiver.requests().into_iter().filter_map(|one| one.value("octoprint_uptime"));
    assert!(uptimes.clone().all(|uptime| uptime.starts_with("500")), "{:?}", uptimes.collect::<Vec<_>>());
}
