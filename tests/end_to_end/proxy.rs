//! A minimal reverse proxy in front of an OctoPrint: puts it below a path and tells it so, passes
//! WebSockets on, and answers 502 while OctoPrint does not run.

use crate::octoprint::follow;
use crate::push_server::PushServer;
use crate::support::{Home, LONG, START, kinds, receiver};
use serde_json::json;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

/// The path below which it is.
pub const BASE: &str = "/printer1";

/// Put this before the server at this URL; the URL that it has now. It serves until the process ends.
pub fn proxy(url: &str) -> String {
    let behind = url.strip_prefix("http://").unwrap().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let behind = behind.clone();
            // Whatever goes wrong ends the connection: that is seen at its other end.
            std::thread::spawn(move || serve(stream, &behind));
        }
    });
    format!("http://127.0.0.1:{port}{BASE}")
}

/// One request with its answer, or a WebSocket.
fn serve(mut client: TcpStream, behind: &str) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let Some(head) = rewritten(&head) else { return refuse(&mut client, "404 Not Found") };
    let Ok(mut server) = TcpStream::connect(behind) else { return refuse(&mut client, "502 Bad Gateway") };
    server.write_all(head.as_bytes())?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write).and(copied.map(drop))
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// The head of a request without our path; none for what is not below it.
fn rewritten(head: &str) -> Option<String> {
    let (line, headers) = head.split_once("\r\n")?;
    let (method, path) = line.split_once(' ')?;
    let path = path.strip_prefix(BASE).filter(|path| path.starts_with('/'))?;
    let is = |line: &str, name: &str| line.to_ascii_lowercase().starts_with(name);
    // One request a connection, so that each begins with a head.
    let upgrade = headers.lines().any(|line| is(line, "upgrade:"));
    let kept = headers.trim_end().split("\r\n").filter(|line| upgrade || !is(line, "connection:"));
    let kept: String = kept.map(|line| format!("{line}\r\n")).collect();
    let close = if upgrade { "" } else { "Connection: close\r\n" };
    Some(format!("{method} {path}\r\n{kept}{close}X-Script-Name: {BASE}\r\nX-Forwarded-Proto: http\r\n\r\n"))
}

fn refuse(client: &mut TcpStream, status: &str) -> io::Result<()> {
    write!(client, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

#[test]
fn an_octoprint_behind_a_proxy_is_heard_and_seen_to_end() {
    let mut server = PushServer::start();
    let url = proxy(&server.url());
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let wrong = home.command(&["run", "--octoprint", &url.replace(BASE, "/printer2")]);
    let error = wrong.env("GLASSBOX_API_KEY", crate::push_server::KEY).run().error();
    assert!(error.contains("the path that a proxy may add"), "{error}");
    let host = follow(&home, &url);
    assert_eq!(kinds(&receiver, 3), START);
    server.event("PrintDone", json!({"path": "a.gcode", "origin": "local", "time": 5}));
    assert_eq!(kinds(&receiver, 4)[3], "print_done");
    assert_eq!(server.count("GET /sockjs/websocket"), 1);
    // The proxy runs on, and says for it that it does not.
    server.kill();
    host.wait_for_log("it answered 502");
    server.how().starts += 1;
    server.come_back();
    assert_eq!(kinds(&receiver, 8)[4..], ["shutdown", "ping", "pong", "startup"]);
    host.signal("TERM");
    host.wait(LONG).log();
}
