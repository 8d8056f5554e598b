//! Those who answer: an OctoPrint that says such texts wherever it may say anything, something that is none, a tracking
//! server, a broker, and a server whose certificate has an odd name.

use super::place::Text;
use crate::faulty::{Faulty, certificate_file};
use crate::push_server::PushServer;
use crate::scripted_broker::{ScriptedBroker, publish};
use crate::support::Folder;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;

/// All of them.
pub struct Answers {
    pub octoprint: PushServer,
    /// The port of what answers with a status line, headers and a body of a stranger.
    pub odd: u16,
    pub broker: ScriptedBroker,
    pub tls: Faulty,
}

impl Answers {
    pub fn start(text: Text, folder: &Folder) -> Self {
        let name = text.text();
        let octoprint = PushServer::start();
        {
            // With more it would not be understood at all.
            let most: String = name.chars().take(100_000).collect();
            let leaked: &'static str = Box::leak(most.into_boxed_str());
            let mut how = octoprint.how();
            how.version = leaked;
            how.name = Box::leak(leaked.replace(':', "").into_boxed_str());
            how.printer = leaked;
            how.plugins = json!([{"key": name, "version": name, "bundled": false, "enabled": true}]);
        }
        let tls = Faulty::https(certificate(folder).to_str().unwrap(), Vec::new());
        Self { octoprint, odd: odd(text), broker: broker(text), tls }
    }
}

/// Answers each request with the next of some answers.
fn odd(text: Text) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let bytes = text.bytes();
    // A header ends with its line.
    let line: Vec<u8> = bytes.iter().copied().filter(|byte| !b"\r\n\0".contains(byte)).take(100_000).collect();
    let answers: Vec<Vec<u8>> = vec![
        [b"HTTP/1.1 500 ", &line[..], b"\r\nContent-Length: 0\r\n\r\n"].concat(),
        [b"HTTP/1.1 302 Found\r\nLocation: http://", &line[..], b"/\r\nContent-Length: 0\r\n\r\n"].concat(),
        b"HTTP/1.1 302 Found\r\nLocation: http://me:hunter2-server@\xc2\x9b31m/\r\nContent-Length: 0\r\n\r\n".to_vec(),
        [b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: ", &line[..], b"\r\nContent-Length: 0\r\n\r\n"].concat(),
        [b"HTTP/1.1 200 OK\r\nServer: ", &line[..], b"\r\n\r\n", &bytes[..]].concat(),
        [b"HTTP/1.1 200 OK\r\n\r\n", json!({"text": text.text(), "server": text.text()}).to_string().as_bytes()]
            .concat(),
        bytes,
    ];
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (mut stream, answer) = (stream.unwrap(), answers[number % answers.len()].clone());
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 10_000]);
                let _ = stream.write_all(&answer);
            });
        }
    });
    port
}

fn broker(text: Text) -> ScriptedBroker {
    ScriptedBroker::start(move |client| {
        client.begin();
        let name: String = text.text().chars().filter(|c| *c != '\0').take(10_000).collect();
        for topic in ["mk3/event/PrintStarted".to_string(), format!("mk3/event/{name}"), name.clone()] {
            let known = json!({"path": name, "_event": name, "_timestamp": name, "origin": name}).to_string();
            for payload in [known.into_bytes(), text.bytes()] {
                client.send(&publish(0, &topic, &payload));
            }
        }
        client.stay();
    })
}

/// One of the certificates with another name in it, of as many bytes. Its signature is no longer right, which nobody
/// looks at who pins it.
fn certificate(folder: &Folder) -> std::path::PathBuf {
    let pem = std::fs::read_to_string(certificate_file("own.pem")).unwrap();
    let mut der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    for at in 0..der.len() - 6 {
        if der[at..].starts_with(b"octopi") {
            der[at..at + 6].copy_from_slice(b"\x1b[2J\x07\n");
        }
    }
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der));
    folder.write("odd.pem", pem)
}
