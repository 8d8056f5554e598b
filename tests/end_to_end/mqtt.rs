//! OctoPrints that publish to an MQTT broker: the broker is a real Mosquitto, and the messages are those of
//! the plugin OctoPrint-MQTT. Skipped where there is no mosquitto.

use crate::faulty::certificate_file;
use crate::support::{
    Folder, Home, LONG, Process, SILENCE, START, dead_port, kinds, names, receiver, unix_seconds, wait_until,
};
use glassbox::net::tls_trust::TlsTrust;
use glassbox::net::{Address, ConnectError, Peer, Timeouts};
use glassbox::sources::mqtt::client::Client;
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::skip;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const USER: &str = "glassbox";
const PASSWORD: &str = "a secret, with \"quotes\"";

/// Where Debian puts it is on root's path only.
const MOSQUITTO: [&str; 2] = ["mosquitto", "/usr/sbin/mosquitto"];

fn mosquitto() -> Option<&'static str> {
    let is_there =
        |name: &&str| Command::new(name).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let found = MOSQUITTO.into_iter().find(is_there);
    if found.is_none() {
        skip("there is no mosquitto; on Debian: apt-get install mosquitto mosquitto-clients");
    }
    found
}

struct Broker {
    folder: Folder,
    port: u16,
    tls_port: u16,
    child: Option<Child>,
}

impl Broker {
    /// A broker that lets in our user, and publishers at the same port; none where there is no mosquitto.
    fn start() -> Option<Self> {
        mosquitto()?;
        let folder = Folder::new();
        let passwords = folder.write("passwords", "");
        // It may read what it would as another user, too.
        fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        let arguments = ["-b", passwords.to_str().unwrap(), USER, PASSWORD];
        assert!(Command::new("mosquitto_passwd").args(arguments).status().unwrap().success());
        fs::set_permissions(&passwords, fs::Permissions::from_mode(0o644)).unwrap();
        let mut broker = Self { folder, port: dead_port(), tls_port: dead_port(), child: None };
        broker.come_back();
        Some(broker)
    }

    fn come_back(&mut self) {
        let own = |name: &str| {
            let text = fs::read(certificate_file(name)).unwrap();
            let file = self.folder.write(name, text);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            file.display().to_string()
        };
        let config = format!(
            "user root\nallow_anonymous false\npassword_file {}\nlistener {} 127.0.0.1\nlistener {} 127.0.0.1\n\
             certfile {}\nkeyfile {}\n",
            self.folder.path("passwords").display(),
            self.port,
            self.tls_port,
            own("good.pem"),
            own("server.key"),
        );
        let config = self.folder.write("mosquitto.conf", config);
        let mut command = Command::new(mosquitto().unwrap());
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        for port in [self.port, self.tls_port] {
            wait_until("the broker listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn publish(&self, topic: &str, payload: &str, retained: bool) {
        let port = self.port.to_string();
        let mut command = Command::new("mosquitto_pub");
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-u",
            USER,
            "-P",
            PASSWORD,
            "-q",
            "1",
            "-t",
            topic,
            "-m",
            payload,
        ]);
        command.args(retained.then_some("-r"));
        assert!(command.status().unwrap().success());
    }

    /// An event, with what the plugin adds.
    fn event(&self, base: &str, name: &str, payload: Value) {
        let mut payload = payload;
        payload["_event"] = json!(name);
        payload["_timestamp"] = json!(unix_seconds());
        self.publish(&format!("{base}event/{name}"), &payload.to_string(), false);
    }

    fn print(&self, base: &str, name: &str) {
        let payload = json!({"path": "a.gcode", "name": "a.gcode", "origin": "local", "owner": "me", "time": 5.25});
        self.event(base, name, payload);
    }

    /// What the plugin says of itself.
    fn presence(&self, base: &str, is_there: bool) {
        self.publish(&format!("{base}mqtt"), if is_there { "connected" } else { "disconnected" }, true);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A home that listens at this URL, to OctoPrints with these base topics, each with a receiver.
fn home(url: &str, octoprints: &[(&str, &str)], more: &str) -> (Home, Vec<Receiver>) {
    let home = Home::new();
    home.grant();
    let file = home.0.write("home/mqtt-password", format!("{PASSWORD}\n"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let bases: Vec<_> = octoprints.iter().map(|(name, base)| format!("{name} = \"{base}\"")).collect();
    let bases = bases.join(", ");
    let config = format!(
        "{more}\n[[mqtt]]\nurl = \"{url}\"\nuser = \"{USER}\"\npassword_file = \"mqtt-password\"\noctoprints = {{ {bases} }}\n"
    );
    home.0.write("home/glassbox.toml", config);
    let receivers = octoprints.iter().map(|(name, _)| {
        let receiver = receiver();
        let settings = json!({"enabled": true, "server": receiver.url()});
        home.0.write(&format!("home/settings/{name}/tracking.json"), settings.to_string());
        receiver
    });
    let receivers = receivers.collect();
    (home, receivers)
}

fn stop(host: Process) -> String {
    host.signal("TERM");
    host.wait(LONG).log()
}

fn url(broker: &Broker) -> String {
    format!("mqtt://127.0.0.1:{}", broker.port)
}

const FARM: [(&str, &str); 2] = [("mk3", "octoPrint/"), ("mk4", "farm/mk4/")];

#[test]
fn octoprints_are_told_apart_by_base_topic() {
    let Some(broker) = Broker::start() else { return };
    // As it was when the host came: one is there, of the other nobody knows; and what is kept is old.
    broker.presence("octoPrint/", true);
    let old = r#"{"_event":"PrintDone","path":"old.gcode","origin":"local"}"#;
    broker.publish("octoPrint/event/PrintDone", old, true);
    let (home, receivers) = home(&url(&broker), &FARM, "");
    let host = home.command(&["run", "-v"]).start();
    host.wait_for_log("listening to the broker at mqtt://127.0.0.1");
    assert_eq!(kinds(&receivers[0], 3), START);
    host.wait_for_log("INFO mk3: hears OctoPrint at mqtt://127.0.0.1");
    broker.event("octoPrint/", "Connected", json!({"port": "VIRTUAL", "baudrate": 115_200}));
    broker.event("octoPrint/", "FirmwareData", json!({"name": "Marlin", "data": {}}));
    broker.print("octoPrint/", "PrintStarted");
    broker.print("octoPrint/", "PrintDone");
    assert_eq!(kinds(&receivers[0], 6)[3..], ["printer_connected", "print_started", "print_done"]);
    let requests = receivers[0].requests();
    assert_eq!(requests[3].value("firmware_name").as_deref(), Some("Marlin"));
    assert_eq!(requests[5].value("elapsed").as_deref(), Some("5"));
    assert_eq!(receivers[1].requests(), []);
    // The other one is heard for the first time: it runs.
    broker.print("farm/mk4/", "PrintStarted");
    assert_eq!(kinds(&receivers[1], 4)[3], "print_started");
    let id = |at: usize| receivers[at].requests()[0].path.clone();
    assert_ne!(id(0), id(1));
    // Not ours, not theirs, or not sound.
    broker.print("elsewhere/", "PrintDone");
    broker.publish("octoPrint/event/octoprint_stopping", "{}", false);
    broker.publish("octoPrint/event/PrintDone", r#"{"path": NaN, "_event": "PrintDone"}"#, false);
    broker.publish("octoPrint/event/PrintDone", r#"{"path": "a", "_event": "PrintFailed"}"#, false);
    broker.publish("octoPrint/event/PrintDone", "[]", false);
    broker.print("octoPrint/", "PrintDone");
    assert_eq!(kinds(&receivers[0], 7)[6], "print_done");
    let log = stop(host);
    assert_eq!(log.matches("ignoring a malformed event").count(), 1, "{log}");
    assert!(!log.contains(PASSWORD), "{log}");
    std::thread::sleep(SILENCE);
    assert_eq!((receivers[0].requests().len(), receivers[1].requests().len()), (7, 4), "it runs on when we end");
}

#[test]
fn a_restart_is_a_new_run_and_a_lost_broker_is_not() {
    let Some(mut broker) = Broker::start() else { return };
    broker.presence("octoPrint/", true);
    let (home, receivers) = home(&url(&broker), &FARM[..1], "");
    let receiver = &receivers[0];
    let host = home.command(&["run", "-v"]).start();
    assert_eq!(kinds(receiver, 3), START);
    broker.presence("octoPrint/", false);
    broker.presence("octoPrint/", true);
    broker.event("octoPrint/", "Startup", json!({}));
    assert_eq!(kinds(receiver, 7)[3..], ["shutdown", "ping", "pong", "startup"]);
    broker.kill();
    host.wait_for_log(", trying again: ");
    broker.come_back();
    host.wait_for_log(" again after ");
    broker.presence("octoPrint/", true);
    broker.print("octoPrint/", "PrintDone");
    assert_eq!(kinds(receiver, 8)[7], "print_done");
    broker.event("octoPrint/", "Shutdown", json!({}));
    assert_eq!(kinds(receiver, 9)[8], "shutdown");
    let log = stop(host);
    assert_eq!(log.matches("WARN").count(), 1, "one line for the outage: {log}");
    // The next host knows that the server run had ended.
    let host = home.command(&["run", "-v"]).start();
    assert_eq!(kinds(receiver, 12)[9..], START);
    stop(host);
    // And the one after that knows that it goes on.
    let host = home.command(&["run", "-v"]).start();
    host.wait_for_log("hears OctoPrint at");
    broker.print("octoPrint/", "PrintDone");
    assert_eq!(kinds(receiver, 13)[12], "print_done", "{:?}", names(&receiver.requests()));
    stop(host);
}

#[test]
fn one_that_leaves_of_its_own_accord_has_ended_though_its_shutdown_is_not_heard() {
    let Some(broker) = Broker::start() else { return };
    broker.presence("octoPrint/", true);
    let (home, receivers) = home(&url(&broker), &FARM[..1], "");
    let host = home.command(&["run", "-v"]).start();
    assert_eq!(kinds(&receivers[0], 3), START);
    // The plugin says it, and then its last will.
    broker.presence("octoPrint/", false);
    broker.presence("octoPrint/", false);
    assert_eq!(kinds(&receivers[0], 4)[3], "shutdown");
    broker.presence("octoPrint/", true);
    assert_eq!(kinds(&receivers[0], 7)[4..], START);
    stop(host);
}

#[test]
fn over_tls_and_with_the_wrong_password() {
    let Some(broker) = Broker::start() else { return };
    broker.presence("octoPrint/", true);
    let url = format!("mqtts://127.0.0.1:{}", broker.tls_port);
    // Its certificate is not signed by a trusted CA: nothing is sent to it.
    let (home, _receivers) = home_of_one(&url, "");
    let host = home.command(&["run"]).start();
    host.wait_for_log(", trying again: its certificate is not signed by a trusted CA; if the server is yours, run 'glassbox trust URL'");
    stop(host);
    let (home, receivers) = home_of_one(&url, "ca_file = \"mine.pem\"");
    fs::copy(certificate_file("authority.pem"), home.root().join("mine.pem")).unwrap();
    let host = home.command(&["run"]).start();
    assert_eq!(kinds(&receivers[0], 3), START);
    stop(host);
    home.0.write("home/mqtt-password", "another");
    let message = home.run(&["run"]).error();
    assert!(message.ends_with("set user and password_file of its [[mqtt]] entry to a user that it knows"), "{message}");
    fs::set_permissions(home.root(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(home.root().join("mqtt-password"), fs::Permissions::from_mode(0o644)).unwrap();
    let message = home.run(&["run"]).error();
    assert!(message.starts_with("others can read the broker's password in "), "{message}");
}

fn home_of_one(url: &str, more: &str) -> (Home, Vec<Receiver>) {
    home(url, &FARM[..1], more)
}

#[test]
fn what_is_no_broker_is_tried_again() {
    // Something that speaks first, and not MQTT.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"220 mail.example ESMTP\r\n");
        }
    });
    let (home, _receivers) = home_of_one(&format!("mqtt://127.0.0.1:{port}"), "");
    let host = home.command(&["run"]).start();
    host.wait_for_log(", trying again: what it sends is not MQTT");
    stop(host);
}

#[test]
fn a_broker_that_fell_silent_is_noticed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Lets us in, answers two pings, and then no more.
    let broker = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 1024];
        assert!(stream.read(&mut bytes).unwrap() > 0 && bytes[0] == 0x10);
        stream.write_all(b"\x20\x02\x00\x00").unwrap();
        assert!(stream.read(&mut bytes).unwrap() > 0 && bytes[0] == 0x82);
        // What was kept comes before the answer, and is not lost.
        stream.write_all(b"\x31\x11\x00\x06a/mqttconnected\x90\x04\x00\x01\x00\x00").unwrap();
        let mut heard = Vec::new();
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            heard.extend_from_slice(&bytes[..count]);
            if heard.len() <= 4 {
                stream.write_all(b"\xd0\x00").unwrap();
            }
        }
        heard
    });
    let address = Address::parse(&format!("mqtt://127.0.0.1:{port}"), Peer::Broker).unwrap();
    let broker_of_ours =
        glassbox::home::config::mqtt::Broker { address, login: None, octoprints: vec![(None, "a/".into())] };
    let short = Duration::from_millis(100);
    let timeouts = Timeouts { setup: LONG, quiet: short, answer: 5 * short, ..Timeouts::default() };
    let mut client = Client::connect(&broker_of_ours, &TlsTrust::default(), timeouts).unwrap();
    let kept = client.next(None).unwrap().unwrap();
    assert_eq!((kept.topic.as_str(), &kept.payload[..], kept.retained), ("a/mqtt", &b"connected"[..], true));
    let trouble = loop {
        if let Err(trouble) = client.next(None) {
            break trouble;
        }
    };
    assert_eq!(trouble, ConnectError::away("it no longer answers"));
    drop(client);
    let heard = broker.join().unwrap();
    let (pings, bye) = heard.split_at(heard.len() - 2);
    assert!(pings.len() >= 6 && pings.chunks(2).all(|ping| ping == [0xc0, 0]), "{heard:x?}");
    assert_eq!(bye, [0xe0, 0]);
}

#[test]
fn doctor_looks_at_brokers_and_who_is_there() {
    let Some(mut broker) = Broker::start() else { return };
    broker.presence("octoPrint/", true);
    let (home, _receivers) = home(&url(&broker), &FARM, "");
    let doctor = |status, expected: &[&str]| {
        let output = home.run(&["doctor"]);
        assert!(!output.out.contains(PASSWORD), "{}", output.out);
        for line in expected {
            assert!(output.out.contains(line), "{line}: {}", output.out);
        }
        assert_eq!(output.status, Some(status), "{}", output.out);
    };
    let reached = format!("ok       broker mqtt://127.0.0.1:{}: it can be reached, and lets us listen\n", broker.port);
    let there = "ok       octoprint mk3: it is at the broker, and publishes under octoPrint/\n";
    let nothing = "warn     octoprint mk4: nothing says that one publishes under farm/mk4/\n         do: compare ";
    doctor(0, &[&reached, there, nothing]);
    broker.presence("farm/mk4/", false);
    doctor(0, &[there, "warn     octoprint mk4: it was at the broker, under farm/mk4/, and has gone\n"]);
    let password = home.root().join("mqtt-password");
    // In a home that others can enter.
    fs::set_permissions(home.root(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
    doctor(1, &["others can read the broker's password in ", "do: run 'chmod 600 "]);
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    home.0.write("home/mqtt-password", "another");
    doctor(
        1,
        &["does not let us in\n", "do: set user and password_file of its [[mqtt]] entry to a user that it knows\n"],
    );
    broker.kill();
    doctor(1, &["Connection refused", "do: start the broker if it is not running"]);
}

#[test]
fn what_is_wrong_with_an_entry_is_said() {
    for (entry, expected) in [
        ("url = \"mqtt://b\"\npassword_file = \"secret\"", "has a password, but no user"),
        ("url = \"http://b\"", "does not begin with mqtt:// or mqtts://"),
        ("url = \"mqtt://b\"\noctoprints = {}", "names no OctoPrint"),
        ("url = \"mqtt://b\"\noctoprints = { MK3 = \"a\" }", "'MK3' is not"),
        ("url = \"mqtt://b\"\noctoprints = { a = \"+\" }", "'+' is not a base topic"),
        ("url = \"mqtt://b\"\n[[mqtt]]\nurl = \"mqtt://c\"", "two OctoPrints are called 'octoprint'"),
    ] {
        let home = Home::new();
        home.0.write("home/glassbox.toml", format!("[[mqtt]]\n{entry}\n"));
        let message = home.run(&["run"]).error();
        assert!(message.contains(expected), "{entry}: {message}");
    }
}
