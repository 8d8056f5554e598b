//! What enters the box of a running host, and what leaves it: secrets are put into everything that OctoPrint says and into
//! the settings, and none is in what the component was shown, nor in what a receiver got. The recording of the run says
//! what the component was shown. What each form of a field is, is tested in the sandbox.

use crate::support::{Home, LONG, receiver};
use serde_json::{Value, json};
use std::fs;

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
