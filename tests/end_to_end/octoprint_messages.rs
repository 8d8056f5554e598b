//! What comes over the push API: messages of any size and in any frames, over slow lines; and that OctoPrint is said to
//! be heard when it has taken the subscription, and not before.

use crate::octoprint::{follow, key_file};
use crate::push_server::{Framing, KEY, PushServer};
use crate::support::{Home, LONG, Process, START, kinds, receiver, wait_until};
use glassbox::net::waker::waker;
use glassbox::net::{Address, ConnectError, Peer, Timeouts, TlsTrust};
use glassbox::sources::octoprint::push::{Push, PushMessage};
use glassbox_audit::conformance::receiver::Receiver;
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tungstenite::handshake::derive_accept_key;

/// A host that follows the server, and is not waited for.
fn begin(server: &PushServer) -> (Receiver, Home, Process) {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let key = key_file(&home, KEY);
    let host = home.command(&["run", "-v", "--octoprint", &server.url(), "--api-key-file"]).arg(key).start();
    (receiver, home, host)
}

fn stop(host: Process) -> String {
    host.signal("TERM");
    host.wait(LONG).log()
}

/// The most memory that it took so far, in KiB.
pub fn most_memory(host: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", host.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_history_of_any_size_is_spared_or_passed_over() {
    // A whole day, at every second; who subscribes before saying who it is, is spared it.
    let server = PushServer::start();
    server.how().history = 50 << 20;
    let (receiver, _home, host) = begin(&server);
    host.wait_for_log("hears OctoPrint");
    assert_eq!(kinds(&receiver, 3), START);
    stop(host);
    // Where guests may see events, OctoPrint sends it before anybody could say anything.
    server.how().guests = true;
    let home = Home::opted_in(&receiver.url());
    let host = follow(&home, &server.url());
    let before = most_memory(&host);
    server.event("PrintDone", json!({"path": "a.gcode", "name": "a.gcode", "origin": "local", "time": 5}));
    assert_eq!(kinds(&receiver, 7)[6], "print_done");
    // It was passed over as it came: a host takes some 40 MB in all, and a history like this would be a message of 50.
    assert!(before < 50 << 10, "{before} KiB");
    let log = stop(host);
    assert!(!log.contains(" WARN "), "{log}");
}

#[test]
fn frames_may_be_binary_or_in_pieces() {
    for framing in [Framing::Binary, Framing::Fragments] {
        let server = PushServer::start();
        server.how().framing = framing;
        let (receiver, _home, host) = begin(&server);
        host.wait_for_log("hears OctoPrint 1.11.8");
        server.event("PrintDone", json!({"path": "a.gcode", "name": "a.gcode", "origin": "local", "time": 5}));
        assert_eq!(kinds(&receiver, 4)[3], "print_done");
        let log = stop(host);
        assert!(!log.contains(" WARN "), "{log}");
    }
}

#[test]
fn it_is_heard_when_it_has_taken_the_subscription_and_not_before() {
    let server = PushServer::start();
    server.how().deaf = true;
    let (receiver, home, host) = begin(&server);
    // It lets us in, answers pings, and passes over what we say.
    host.wait_for_log("trying again: it lets us in, and does not show that it took our subscription");
    assert!(!host.log().contains("hears"), "{}", host.log());
    let status = home.run(&["status"]).good();
    assert!(status.contains(" is not heard since 20") && status.contains("does not show that it took"), "{status}");
    assert_eq!(receiver.requests(), [], "nothing is known of its server");
    // An event shows that it did after all, and is not lost.
    server.how().deaf = false;
    let event = json!({"event": {"type": "PrintDone", "payload": {"path": "a.gcode", "name": "a.gcode", "origin": "local", "time": 5}}});
    server.send_to_all(event.to_string());
    host.wait_for_log("hears OctoPrint 1.11.8");
    assert_eq!(kinds(&receiver, 4)[3], "print_done");
    wait_until("it is heard", || home.run(&["status"]).good().contains(" is heard since 20"));
    assert_eq!(server.count("GET /sockjs/websocket"), 1, "over the same connection");
    stop(host);
}

#[test]
fn where_guests_may_see_events_a_colon_does_no_harm() {
    let server = PushServer::start();
    (server.how().guests, server.how().name) = (true, "dom:me");
    let (_receiver, _home, host) = begin(&server);
    host.wait_for_log("hears OctoPrint 1.11.8");
    assert_eq!(server.count("auth"), 0, "it could not be read");
    stop(host);
}

/// A push API of bytes: a WebSocket, and then what the test says.
pub fn raw(talk: impl FnOnce(TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut tcp = listener.accept().unwrap().0;
        let _ = tcp.set_nodelay(true);
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            tcp.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = derive_accept_key(key.as_bytes());
        let answer = "HTTP/1.1 101 On\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
        tcp.write_all(format!("{answer}{accept}\r\n\r\n").as_bytes()).unwrap();
        talk(tcp);
    });
    (url, thread)
}

#[test]
fn a_slow_line_keeps_the_connection_as_long_as_something_comes() {
    let second = Duration::from_secs(1);
    // One message, byte by byte for longer than both limits together, and then silence.
    let (url, thread) = raw(move |mut tcp| {
        tcp.write_all(&[0x81, 126, 0xff, 0xff]).unwrap();
        let end = Instant::now() + 5 * second;
        while Instant::now() < end {
            tcp.write_all(b"{").unwrap();
            std::thread::sleep(second / 20);
        }
        // Until the other side gives up.
        let _ = tcp.read_to_end(&mut Vec::new());
    });
    let timeouts = Timeouts { setup: LONG, patience: LONG, quiet: second, answer: second };
    let address = Address::parse(&url, Peer::OctoPrint).unwrap();
    let mut push = Push::connect(&address, &TlsTrust::default(), timeouts).unwrap();
    let (_waker, waiter) = waker().unwrap();
    // Its answer would come after all of that.
    push.ping().unwrap();
    let began = Instant::now();
    let error = loop {
        match push.next(&waiter, None) {
            Ok(message) => assert_eq!(message, PushMessage::Nothing),
            Err(error) => break error,
        }
    };
    assert_eq!(error, ConnectError::away("it no longer answers"));
    assert!(began.elapsed() >= 5 * second, "{:?}", began.elapsed());
    drop(push);
    thread.join().unwrap();
}
