//! An MQTT broker that does as a test tells it, also what no broker should. What a real one does is in `mqtt.rs`.

use crate::support::{Home, receiver};
use glassbox_audit::conformance::receiver::Receiver;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a broker answers to a CONNECT, and to a SUBSCRIBE for one OctoPrint.
pub const CONNACK: &[u8] = b"\x20\x02\x00\x00";
pub const SUBACK: &[u8] = b"\x90\x04\x00\x01\x00\x00";

/// A broker that plays its script to each client.
pub struct ScriptedBroker {
    pub port: u16,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// One client of it.
pub struct Client {
    pub stream: TcpStream,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl ScriptedBroker {
    pub fn start(script: impl Fn(&mut Client) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let broker = Self { port, heard: heard.clone() };
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut client = Client { stream: stream.unwrap(), heard: heard.clone() };
                let script = script.clone();
                std::thread::spawn(move || script(&mut client));
            }
        });
        broker
    }

    /// All packets of all clients that were read so far.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().clone()
    }

    /// Those of this type, which is the first half of the first byte.
    pub fn heard_of(&self, kind: u8) -> Vec<Vec<u8>> {
        self.heard().into_iter().filter(|packet| packet[0] >> 4 == kind).collect()
    }

    /// A home that listens to it, with this base topic and these lines in its entry; and a receiver.
    pub fn home(&self, base: &str, more: &str) -> (Home, Receiver) {
        let (home, receiver) = (Home::new(), receiver());
        home.grant();
        let url = format!("mqtt://127.0.0.1:{}", self.port);
        let config = format!("[[mqtt]]\nurl = \"{url}\"\noctoprints = {{ mk3 = \"{base}\" }}\n{more}\n");
        home.0.write("home/glassbox.toml", config);
        let settings = json!({"enabled": true, "server": receiver.url()});
        home.0.write("home/settings/mk3/tracking.json", settings.to_string());
        (home, receiver)
    }
}

impl Client {
    /// Let it in and have it subscribed.
    pub fn begin(&mut self) {
        self.read_and_answer(CONNACK);
        self.read_and_answer(SUBACK);
    }

    pub fn read_and_answer(&mut self, answer: &[u8]) {
        if self.read().is_some() {
            self.send(answer);
        }
    }

    /// Send bytes; false when it is gone.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// An event, with the plugin's time and name in it.
    pub fn event(&mut self, flags: u8, topic: &str, time: u64) -> bool {
        let name = topic.rsplit_once('/').unwrap().1;
        let payload = json!({"path": "a.gcode", "origin": "local", "time": 5.25, "_event": name, "_timestamp": time});
        self.send(&publish(flags, topic, payload.to_string().as_bytes()))
    }

    /// The next packet that it sends; none when it is gone.
    pub fn read(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 2];
        self.stream.read_exact(&mut packet).ok()?;
        let mut length = usize::from(packet[1] & 0x7f);
        while packet.last()? & 0x80 != 0 {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).ok()?;
            length |= usize::from(byte[0] & 0x7f) << (7 * (packet.len() - 1));
            packet.push(byte[0]);
        }
        let start = packet.len();
        packet.resize(start + length, 0);
        self.stream.read_exact(&mut packet[start..]).ok()?;
        self.heard.lock().unwrap().push(packet.clone());
        Some(packet)
    }

    /// Answer pings until it is gone.
    pub fn stay(&mut self) {
        while let Some(packet) = self.read() {
            if packet[0] == 0xc0 {
                self.send(b"\xd0\x00");
            }
        }
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A PUBLISH packet. With a quality of service among its flags, it has the number 7.
pub fn publish(flags: u8, topic: &str, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(topic.len()).unwrap().to_be_bytes();
    let number: &[u8] = if flags & 6 == 0 { b"" } else { b"\x00\x07" };
    packet(0x30 | flags, &[&length, topic.as_bytes(), number, payload].concat())
}

/// A packet with this first byte and content.
pub fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = header(kind, body.len());
    packet.extend_from_slice(body);
    packet
}

/// The beginning of a packet whose content has this length.
pub fn header(kind: u8, length: usize) -> Vec<u8> {
    let mut header = vec![kind];
    let mut left = length;
    loop {
        let more = if left > 0x7f { 0x80 } else { 0 };
        header.push(u8::try_from(left & 0x7f).unwrap() | more);
        left >>= 7;
        if left == 0 {
            return header;
        }
    }
}
