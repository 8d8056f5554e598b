//! Peers in OctoPrint's place that send without end, each in a way of its own: none of them decides how much memory the
//! host takes, and another OctoPrint is heard all the time.

use crate::octoprint_messages::most_memory;
use crate::push_server::{KEY, PushServer};
use crate::support::{Home, LONG, START, receiver};
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tungstenite::handshake::derive_accept_key;

/// For how long they send.
const FLOOD: Duration = Duration::from_secs(6);

/// The most memory that the host may take, in KiB.
const MOST: u64 = 100 << 10;

/// What a flood does.
enum Flood {
    /// In an answer to this request over HTTP: the beginning, and what comes again and again.
    Rest(&'static str, &'static str, &'static str),
    /// In the answer to the request for a WebSocket.
    Upgrade(&'static str),
    /// As soon as there is a WebSocket: the beginning, and what comes again and again.
    Early(Vec<u8>, Vec<u8>),
    /// When the WebSocket has been greeted.
    Greeted(Vec<u8>, Vec<u8>),
    /// When it has also been shown that the subscription was taken.
    Heard(Vec<u8>),
}

/// A frame of a server; more than there is in it can be announced.
fn frame(first: u8, length: u64, payload: &str) -> Vec<u8> {
    let mut frame = vec![first, 127];
    frame.extend(length.to_be_bytes());
    frame.extend(payload.as_bytes());
    frame
}

fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.len() as u64, text)
}

fn event(name: &str, bytes: usize) -> Vec<u8> {
    text(&format!(r#"{{"event":{{"type":"{name}","payload":{{"path":"{}"}}}}}}"#, "x".repeat(bytes)))
}

const GREETING: &str = r#"{"connected":{"version":"1.11.8"}}"#;
const JSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

fn floods() -> Vec<(&'static str, Flood)> {
    use Flood::{Early, Greeted, Heard, Rest, Upgrade};
    let endless = u64::MAX >> 2;
    let megabyte = "x".repeat(1 << 20);
    vec![
        ("a header of a login without end", Rest("/api/login", "HTTP/1.1 200 OK\r\nX: ", "xxxxxxxxxxxxxxxx")),
        ("headers of a login without end", Rest("/api/login", "HTTP/1.1 200 OK\r\n", "X: y\r\n")),
        ("a login without end", Rest("/api/login", JSON_BODY, "          ")),
        ("a login deep down", Rest("/api/login", JSON_BODY, "[[[[[[[[[[[[")),
        ("a login with many permissions", Rest("/api/login", LOGIN_BODY, "\"a\",")),
        ("chunks without end", Rest("/api/login", CHUNKED, "1\r\nx\r\n")),
        ("system information of many objects", Rest("/api/system/info", JSON_BODY, "{},")),
        ("plugins of many texts", Rest("/plugin/pluginmanager/plugins", PLUGINS_BODY, "{\"\":0},")),
        ("a header of a WebSocket without end", Upgrade("xxxxxxxxxxxxxxxx")),
        ("messages before the greeting", Early(Vec::new(), text("{\"x\":1}"))),
        ("a message without end before it", Early(frame(0x81, endless, "{\"x\":"), megabyte.clone().into_bytes())),
        ("a greeting without end", Early(frame(0x81, endless, GREETING.trim_end_matches('}')), megabyte.into_bytes())),
        ("pieces of a message without end", Early(frame(0x01, 1, "{"), frame(0x00, 1, "x"))),
        ("pings", Greeted(Vec::new(), frame(0x89, 0, "")[..1].iter().copied().chain([4, 1, 2, 3, 4]).collect())),
        ("events before anything is said", Greeted(Vec::new(), event("PrintDone", 1000))),
        ("large events before anything is said", Greeted(Vec::new(), event("PrintDone", 1_000_000))),
        ("events that are too large", Heard(event("PrintDone", 3_000_000))),
        ("greetings again and again", Heard(text(GREETING))),
        ("empty frames", Heard(vec![0x8a, 0])),
    ]
}

const JSON_BODY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n[";
const LOGIN_BODY: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{\"name\":\"me\",\"session\":\"s\",\"needs\":{\"role\":[";
const PLUGINS_BODY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n{\"plugins\":[";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A server that floods whoever asks, until it is told to stop. How many bytes it brought home is counted.
fn flooding(flood: Flood, stop: &Arc<AtomicBool>) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sent, stop, flood) = (Arc::new(AtomicU64::new(0)), stop.clone(), Arc::new(flood));
    let counted = sent.clone();
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let (flood, stop, sent) = (flood.clone(), stop.clone(), sent.clone());
            // However it ends, it is seen at the other end.
            std::thread::spawn(move || serve(tcp, &flood, &stop, &sent));
        }
    });
    (url, counted)
}

fn serve(mut tcp: TcpStream, flood: &Flood, stop: &AtomicBool, sent: &AtomicU64) -> io::Result<()> {
    tcp.set_write_timeout(Some(Duration::from_secs(1)))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        tcp.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let path = head.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let endless = |tcp: &mut TcpStream, again: &[u8]| -> io::Result<()> {
        let again = again.repeat((64 << 10) / again.len() + 1);
        while !stop.load(Ordering::SeqCst) {
            match tcp.write(&again) {
                Ok(count) => sent.fetch_add(count as u64, Ordering::SeqCst),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => 0,
                Err(error) => return Err(error),
            };
        }
        Ok(())
    };
    if let Flood::Rest(at, beginning, again) = flood
        && *at == path
    {
        tcp.write_all(beginning.as_bytes())?;
        return endless(&mut tcp, again.as_bytes());
    }
    if path != "/sockjs/websocket" {
        let roles = ["status", "system", "plugin_pluginmanager_manage"];
        let answer = match path {
            "/api/login" => json!({"name": "me", "session": "s", "needs": {"role": roles}}),
            _ => json!({}),
        };
        let answer = answer.to_string();
        let mut text = JSON.to_string();
        let _ = write!(text, "Content-Length: {}\r\nConnection: close\r\n\r\n{answer}", answer.len());
        return tcp.write_all(text.as_bytes());
    }
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    let answer = "HTTP/1.1 101 On\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    if let Flood::Upgrade(again) = flood {
        tcp.write_all(format!("{answer}X: ").as_bytes())?;
        return endless(&mut tcp, again.as_bytes());
    }
    tcp.write_all(format!("{answer}Sec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes())?;
    if !matches!(flood, Flood::Early(..)) {
        tcp.write_all(&text(GREETING))?;
    }
    // A pong, as if to our ping, and what only listeners are sent.
    if !matches!(flood, Flood::Early(..) | Flood::Greeted(..)) {
        tcp.write_all(&text("{\"timelapse\":null}"))?;
        tcp.write_all(&[0x8a, 0])?;
    }
    match flood {
        Flood::Early(beginning, again) | Flood::Greeted(beginning, again) => {
            tcp.write_all(beginning)?;
            endless(&mut tcp, again)
        }
        Flood::Heard(again) => endless(&mut tcp, again),
        // Everything is as it should be until that is asked for.
        Flood::Rest(..) | Flood::Upgrade(_) => {
            tcp.write_all(&text("{\"timelapse\":null}"))?;
            tcp.write_all(&[0x8a, 0])?;
            tcp.read_to_end(&mut Vec::new()).map(drop)
        }
    }
}

#[test]
fn whoever_sends_without_end_decides_nothing() {
    let stop = Arc::new(AtomicBool::new(false));
    let (good, receiver) = (PushServer::start(), receiver());
    let home = Home::opted_in(&receiver.url());
    // What is compiled once is not compiled again, which takes more memory than all of this.
    home.start().signal("TERM");
    let floods: Vec<_> = floods().into_iter().map(|(name, flood)| (name, flooding(flood, &stop))).collect();
    let mut config = format!("[[octoprint]]\nurl = \"{}\"\napi_key = \"{KEY}\"\n", good.url());
    for (number, (_, (url, _))) in floods.iter().enumerate() {
        let _ = write!(config, "[[octoprint]]\nname = \"flood-{number}\"\nurl = \"{url}\"\napi_key = \"{KEY}\"\n");
    }
    let file = home.0.write("home/glassbox.toml", config);
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let host = home.command(&["run"]).start();
    host.wait_for_log("INFO octoprint: hears OctoPrint 1.11.8");
    assert_eq!(receiver.wait_for(3, LONG).len(), START.len());
    let end = Instant::now() + FLOOD;
    let mut heard = 3;
    while Instant::now() < end {
        good.event("PrintDone", json!({"path": "a.gcode", "name": "a.gcode", "origin": "local", "time": 5}));
        heard += 1;
        assert_eq!(receiver.wait_for(heard, LONG).len(), heard, "{}", host.log());
        std::thread::sleep(Duration::from_millis(300));
    }
    // On a busy machine some begin late.
    for (name, (_, sent)) in &floods {
        crate::support::wait_until(name, || sent.load(Ordering::SeqCst) > 64 << 10);
    }
    let most = most_memory(&host);
    stop.store(true, Ordering::SeqCst);
    let sent: Vec<_> =
        floods.iter().map(|(name, (_, sent))| format!("{name}: {} KiB", sent.load(Ordering::SeqCst) >> 10)).collect();
    assert!(most < MOST, "{most} KiB; {sent:#?}");
    host.signal("TERM");
    let log = host.wait(LONG).log();
    assert!(log.len() < 100 << 10 && log.lines().all(|line| line.len() < 4096), "{} bytes", log.len());
}
