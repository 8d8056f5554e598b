//! Following an OctoPrint: what is requested from it, what is reported, and what counts as the end of its
//! server. The server is a stand-in; a real one is in `octoprint_real`.

use crate::faulty::{certificate_file, server_config};
use crate::push_server::{KEY, PushServer};
use crate::support::{Home, LONG, Process, SILENCE, START, kinds, names, receiver, wait_until};
use glassbox::net::tls_trust::TlsTrust;
use glassbox::net::waker::waker;
use glassbox::net::{Address, ConnectError, Peer, Timeouts};
use glassbox::sources::octoprint::push::{Push, PushMessage};
use glassbox_audit::conformance::receiver::Receiver;
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const AGAIN: &str = "INFO octoprint: hears OctoPrint again after ";

/// The key, in a file that only we can read.
pub fn key_file(home: &Home, key: &str) -> PathBuf {
    let file = home.0.write("key", key);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

pub fn follow(home: &Home, url: &str) -> Process {
    let file = key_file(home, KEY);
    let process = home.command(&["run", "-v", "--octoprint", url, "--api-key-file"]).arg(file).start();
    process.wait_for_log("hears OctoPrint");
    process
}

fn print(server: &PushServer, name: &str) {
    server.event(name, json!({"path": "a.gcode", "name": "a.gcode", "origin": "local", "owner": "me", "time": 5}));
}

/// A host that follows the server and has reported its start.
fn started(server: &PushServer) -> (Receiver, Home, Process) {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let host = follow(&home, &server.url());
    assert_eq!(kinds(&receiver, 3), START);
    (receiver, home, host)
}

/// Nothing more was reported than so many.
#[track_caller]
fn no_more_than(receiver: &Receiver, count: usize) {
    std::thread::sleep(SILENCE);
    assert_eq!(receiver.requests().len(), count, "{:?}", names(&receiver.requests()));
}

fn stop(host: Process) -> String {
    host.signal("TERM");
    host.wait(LONG).log()
}

#[test]
fn asks_for_what_is_seen_and_reports_it() {
    let server = PushServer::start();
    let (receiver, home, host) = started(&server);
    let requests = receiver.requests();
    assert_eq!(requests[0].value("printer_state").as_deref(), Some("OPERATIONAL"));
    assert_eq!(requests[1].value("plugins").as_deref(), Some("mine:1.0"));
    assert_eq!(requests[1].value("achievements").as_deref(), Some("a,b"));
    assert_eq!(requests[2].value("python").as_deref(), Some("3.11.7"));

    let seen = server.seen();
    assert_eq!(seen[..3], ["POST /api/login", "GET /api/connection?api_version=2.0.0", "GET /sockjs/websocket"]);
    // In this order: to whom subscribes first, OctoPrint sends no history.
    assert_eq!(seen[4], "auth me:s1");
    let subscribed: Value = serde_json::from_str(seen[3].strip_prefix("subscribe ").unwrap()).unwrap();
    assert_eq!((&subscribed["state"], &subscribed["plugins"]), (&json!(false), &json!(false)));
    let policy = home.run(&["policy"]).good();
    let mut events: Vec<_> =
        subscribed["events"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    // By which OctoPrint shows that it has taken this.
    assert_eq!(events.pop(), Some("ClientAuthed"));
    assert_eq!(events.len(), 20, "{events:?}");
    assert!(events.iter().all(|name| policy.contains(name)), "{events:?}");
    assert!(events.contains(&"PrintDone") && !events.contains(&"octoprint_started"), "{events:?}");

    print(&server, "PrintStarted");
    server.event("plugin_pluginmanager_enable_plugin", Value::Null);
    // Ours are not for others to say.
    server.event("octoprint_stopping", Value::Null);
    print(&server, "PrintDone");
    let requests = receiver.wait_for(5, LONG);
    assert_eq!(names(&requests)[3..], ["print_started", "print_done"]);
    assert_eq!(requests[4].value("elapsed").as_deref(), Some("5"));
    no_more_than(&receiver, 5);

    let log = stop(host);
    // OctoPrint runs on: nothing was shut down.
    no_more_than(&receiver, 5);
    let mut texts = log;
    for folder in ["state", "journal", "settings"] {
        for entry in fs::read_dir(home.root().join(folder)).unwrap() {
            texts += &fs::read_to_string(entry.unwrap().path()).unwrap();
        }
    }
    assert!(texts.contains("print_done") && !texts.contains(KEY) && !texts.contains("me:s1"), "{texts}");
}

#[test]
fn what_cannot_be_understood_is_passed_over() {
    let server = PushServer::start();
    let (receiver, _home, host) = started(&server);
    for odd in ["", "o", "[1]", "{", "3", r#"{"event":3}"#, r#"{"event":{"type":"PrintDone","payload":{"time":NaN}}}"#]
    {
        server.send(odd);
    }
    server.event("PrintDone", json!({"path": "x".repeat(2 << 20), "origin": "local"}));
    server.send(r#"{"timelapse":null}"#);
    server.send(r#"{"something":{"new":1}}"#);
    print(&server, "PrintDone");
    assert_eq!(kinds(&receiver, 4)[3], "print_done");
    let log = stop(host);
    assert_eq!(log.matches("ignoring a malformed message").count(), 1, "{log}");
    assert_eq!(server.count("POST /api/login"), 1);
}

#[test]
fn a_message_of_any_size_costs_itself_and_no_more() {
    let server = PushServer::start();
    let (receiver, _home, host) = started(&server);
    for beginning in ["x", r#"{"event": {"type": "PrintStarted", "payload": ""#, r#"{"history": ["#] {
        server.send(beginning.to_string() + &"x".repeat(5 << 20));
    }
    print(&server, "PrintDone");
    assert_eq!(kinds(&receiver, 4)[3], "print_done");
    let log = stop(host);
    let warnings: Vec<_> = log.lines().filter(|line| line.starts_with(" WARN ")).collect();
    let expected =
        " WARN ignoring a malformed message from OctoPrint, and more of that kind: it has more than 1025 KiB";
    assert_eq!(warnings, [expected]);
}

#[test]
fn a_lost_connection_is_not_the_end_of_the_server() {
    let mut server = PushServer::start();
    let (receiver, _home, host) = started(&server);
    server.lose_connections();
    host.wait_for_log(AGAIN);
    // Nor is it one while nobody listens, as its count of starts tells.
    server.kill();
    host.wait_for_log("Connection refused");
    server.come_back();
    server.wait_for("subscribe", 3);
    wait_until("it is back", || host.log().matches(AGAIN).count() == 2);
    print(&server, "PrintDone");
    assert_eq!(kinds(&receiver, 4)[3], "print_done");
    no_more_than(&receiver, 4);
    let log = stop(host);
    assert_eq!(log.matches("WARN").count(), 2, "one line for each outage: {log}");
    assert!(!log.contains("was restarted"), "{log}");
}

#[test]
fn a_server_that_was_started_anew_is_told_apart() {
    let mut server = PushServer::start();
    let (receiver, _home, host) = started(&server);
    server.kill();
    server.how().starts += 1;
    server.how().version = "1.11.9";
    server.come_back();
    assert_eq!(kinds(&receiver, 7)[3..], ["shutdown", "ping", "pong", "startup"]);
    assert_eq!(receiver.requests()[6].value("version").as_deref(), Some("1.11.9"));
    print(&server, "PrintDone");
    assert_eq!(kinds(&receiver, 8)[7], "print_done");
    assert!(stop(host).contains("; its server was restarted"));
}

#[test]
fn a_printer_that_was_connected_before_is_reported_once_in_a_run() {
    let mut server = PushServer::start();
    server.printer_is_connected();
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let host = follow(&home, &server.url());
    assert_eq!(kinds(&receiver, 4)[3], "printer_connected");
    assert_eq!(receiver.requests()[3].query, "firmware_name=Marlin&printer_port=other&printer_baudrate=250000");
    // Neither when the connection was lost, nor when the host starts again.
    server.lose_connections();
    host.wait_for_log(AGAIN);
    no_more_than(&receiver, 4);
    stop(host);
    let host = follow(&home, &server.url());
    no_more_than(&receiver, 4);
    server.kill();
    server.how().starts += 1;
    server.come_back();
    assert_eq!(kinds(&receiver, 9)[4..], ["shutdown", "ping", "pong", "startup", "printer_connected"]);
    // Its firmware is known already: another word of it is not another connection.
    server.event("FirmwareData", json!({"name": "Marlin", "data": {}}));
    no_more_than(&receiver, 9);
    stop(host);
}

#[test]
fn with_fewer_permissions_it_does_what_it_can() {
    let mut server = PushServer::start();
    server.how().roles = vec!["status"];
    let (receiver, _home, host) = started(&server);
    assert_eq!(receiver.requests()[2].value("version").as_deref(), Some("1.11.8"));
    assert_eq!(receiver.requests()[0].value("printer_state").as_deref(), Some("OPERATIONAL"));
    // Without the count: a lost connection is none, a server that nobody listens for is an end.
    server.lose_connections();
    host.wait_for_log(AGAIN);
    no_more_than(&receiver, 3);
    server.kill();
    host.wait_for_log("Connection refused");
    server.come_back();
    assert_eq!(kinds(&receiver, 7)[3..], ["shutdown", "ping", "pong", "startup"]);
    let log = stop(host);
    for permission in ["SYSTEM", "PLUGIN_ACHIEVEMENTS_VIEW", "PLUGIN_PLUGINMANAGER_MANAGE"] {
        assert_eq!(log.matches(&format!("the permission {permission}")).count(), 1, "{log}");
    }
}

#[test]
fn the_host_starts_again_within_a_run_of_the_server() {
    let server = PushServer::start();
    let (receiver, home, host) = started(&server);
    stop(host);
    let host = follow(&home, &server.url());
    print(&server, "PrintDone");
    assert_eq!(kinds(&receiver, 4)[3], "print_done");
    stop(host);
    // Meanwhile the server is started again.
    server.how().starts += 1;
    let host = follow(&home, &server.url());
    assert_eq!(kinds(&receiver, 8)[4..], ["shutdown", "ping", "pong", "startup"]);
    stop(host);
}

#[test]
fn says_anew_who_it_is_when_asked() {
    let server = PushServer::start();
    let (receiver, _home, host) = started(&server);
    server.send(r#"{"reauthRequired":{"reason":"stale"}}"#);
    server.wait_for("auth me:s2", 1);
    assert_eq!(server.count("GET /sockjs/websocket"), 1);
    print(&server, "PrintDone");
    assert_eq!(kinds(&receiver, 4)[3], "print_done");
    no_more_than(&receiver, 4);
    stop(host);
}

#[test]
fn asks_for_other_events_when_other_plugins_run() {
    let server = PushServer::start();
    let (_receiver, home, host) = started(&server);
    home.run(&["revoke", "tracking"]).good();
    server.wait_for("subscribe", 2);
    assert!(server.seen().last().unwrap().contains(r#""events":["ClientAuthed"]"#), "{:?}", server.seen());
    home.grant();
    server.wait_for("subscribe", 3);
    assert!(server.seen().last().unwrap().contains("PrintDone"), "{:?}", server.seen());
    assert_eq!(server.count("POST /api/login"), 1);
    stop(host);
}

#[test]
fn the_list_of_plugins_is_read_again_when_plugins_change() {
    let server = PushServer::start();
    let (receiver, home, host) = started(&server);
    server.how().plugins = json!([{"key": "another", "version": "2.0", "bundled": false, "enabled": true}]);
    server.event("plugin_pluginmanager_install_plugin", json!({"id": "another", "version": "2.0"}));
    assert_eq!(kinds(&receiver, 4)[3], "install_plugin");
    server.wait_for("GET /plugin/pluginmanager/plugins", 2);
    let state = home.root().join("state/tracking.json");
    wait_until("the tracker knows", || fs::read_to_string(&state).unwrap().contains("another"));
    stop(host);
}

#[test]
fn over_tls_and_below_a_path() {
    let tls = server_config("good.pem");
    let server = PushServer::start_with(Arc::new(move |tcp| {
        Box::new(StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), tcp))
    }));
    server.how().base = "/octoprint";
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    fs::copy(certificate_file("authority.pem"), home.root().join("mine.pem")).unwrap();
    let url = server.url().replace("http:", "https:") + "/";
    // Its certificate is not signed by a trusted CA: nothing is sent to it.
    let host = home.command(&["run", "--octoprint", &url]).env("GLASSBOX_API_KEY", KEY).start();
    host.wait_for_log(", trying again: ");
    stop(host);
    assert_eq!(server.seen(), Vec::<String>::new());
    let config =
        format!("ca_file = \"mine.pem\"\n[[octoprint]]\nname = \"mk3\"\nurl = \"{url}\"\napi_key = \"{KEY}\"\n");
    // One that has a name has settings of its own.
    home.0.write("home/settings/mk3/tracking.json", home.settings().to_string());
    let file = home.0.write("home/glassbox.toml", config);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let host = home.command(&["run"]).start();
    host.wait_for_log("INFO mk3: hears OctoPrint 1.11.8 at https://");
    assert_eq!(kinds(&receiver, 3), START);
    print(&server, "PrintDone");
    assert_eq!(kinds(&receiver, 4)[3], "print_done");
    stop(host);
}

fn connect(url: &str, timeouts: Timeouts) -> Result<Push, ConnectError> {
    Push::connect(&Address::parse(url, Peer::OctoPrint).unwrap(), &TlsTrust::default(), timeouts)
}

#[test]
fn a_peer_that_fell_silent_is_noticed() {
    let server = PushServer::start();
    server.how().mute = true;
    let short = Duration::from_millis(100);
    let timeouts = Timeouts { setup: LONG, patience: LONG, quiet: short, answer: short };
    let mut push = connect(&server.url(), timeouts).unwrap();
    let (_waker, waiter) = waker().unwrap();
    let began = Instant::now();
    let trouble = loop {
        if let Err(trouble) = push.next(&waiter, None) {
            break trouble;
        }
    };
    assert_eq!(trouble, ConnectError::away("it no longer answers"));
    assert!(began.elapsed() >= 2 * short && began.elapsed() < LONG, "{:?}", began.elapsed());
    // One that only says nothing is asked, and answers.
    let server = PushServer::start();
    let mut push =
        connect(&server.url(), Timeouts { setup: LONG, patience: LONG, quiet: short, answer: LONG }).unwrap();
    let mut echoes = 0;
    while echoes < 3 {
        echoes += u32::from(push.next(&waiter, None).unwrap() == PushMessage::Pong);
    }
}

#[test]
fn a_connection_that_does_not_come_about_is_given_up() {
    // Connections are made, but never accepted.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://{}", silent.local_addr().unwrap());
        let began = Instant::now();
        let timeouts = Timeouts { setup: Duration::from_millis(200), ..Timeouts::default() };
        let Err(trouble) = connect(&url, timeouts) else { panic!("connected") };
        assert_eq!(trouble, ConnectError::away("there was no answer in time"));
        assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    }
}
