//! A stand-in for OctoPrint: speaks its REST and push API as far as we use them, and does what a test
//! tells it: loses connections, forgets sessions, restarts.

mod talk;

use crate::support::LONG;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use tungstenite::WebSocket;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;

pub const KEY: &str = "0123456789ABCDEFfedcba9876543210";

/// All that is read in one go at most; what comes between is looked at after it.
const MOMENT: Duration = Duration::from_millis(5);

/// How messages are put into frames.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Text,
    Binary,
    /// Each character of the beginning in a frame of its own, with pings between them.
    Fragments,
}

pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}
type Wrap = Arc<dyn Fn(TcpStream) -> Box<dyn Stream> + Send + Sync>;

/// How the server is; a test changes it as it likes.
pub struct How {
    pub version: &'static str,
    pub roles: Vec<&'static str>,
    /// How often it was started.
    pub starts: u64,
    pub printer: &'static str,
    pub plugins: Value,
    /// Whether its own tracker is on.
    pub own_tracker: Value,
    /// What is below this path only is there.
    pub base: &'static str,
    /// Answers to paths, in place of the right ones: status, headers, body.
    pub odd: BTreeMap<&'static str, (&'static str, &'static str)>,
    /// Headers of all of its answers, each with its end of line.
    pub headers: String,
    /// What a proxy before it wants as `authorization`.
    pub basic: Option<&'static str>,
    /// Whether it hears and says nothing on WebSockets.
    pub mute: bool,
    /// The name of the key's user.
    pub name: &'static str,
    /// How many bytes of history it has.
    pub history: usize,
    /// Whether a plugin keeps it from taking anybody for a listener.
    pub deaf: bool,
    /// Whether those who did not say who they are may see events.
    pub guests: bool,
    /// How its messages are put into frames.
    pub framing: Framing,
    sessions: u32,
    /// Everything that was asked, in order.
    seen: Vec<String>,
    /// What every connection has still to send: a text, or the end without a word.
    to_send: Vec<(usize, Option<String>)>,
    connections: usize,
    /// Those that said who they are.
    known: Vec<usize>,
}

struct Shared {
    how: Mutex<How>,
    more: Condvar,
    stop: AtomicBool,
}

pub struct PushServer {
    port: u16,
    shared: Arc<Shared>,
    wrap: Wrap,
    listener: Option<JoinHandle<()>>,
}

impl PushServer {
    pub fn start() -> Self {
        Self::start_with(Arc::new(|tcp| Box::new(tcp)))
    }

    pub fn start_with(wrap: Wrap) -> Self {
        let how = How {
            version: "1.11.8",
            roles: vec!["status", "system", "plugin_achievements_view", "plugin_pluginmanager_manage"],
            starts: 7,
            printer: "Operational",
            plugins: json!([{"key": "mine", "version": "1.0", "bundled": false, "enabled": true}]),
            own_tracker: Value::Null,
            base: "",
            odd: BTreeMap::new(),
            headers: String::new(),
            basic: None,
            mute: false,
            name: "me",
            history: 0,
            deaf: false,
            guests: false,
            framing: Framing::Text,
            sessions: 0,
            seen: Vec::new(),
            to_send: Vec::new(),
            connections: 0,
            known: Vec::new(),
        };
        let shared = Arc::new(Shared { how: Mutex::new(how), more: Condvar::new(), stop: AtomicBool::new(false) });
        let mut server = Self { port: 0, shared, wrap, listener: None };
        server.come_back();
        server
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.how().base)
    }

    pub fn how(&self) -> MutexGuard<'_, How> {
        self.shared.how.lock().unwrap()
    }

    /// A printer is connected, and has named its firmware.
    pub fn printer_is_connected(&self) {
        let connection = r#"{"current": {"state": "Operational", "port": "USB0", "baudrate": 250000}}"#;
        let system = r#"{"systeminfo": {"octoprint.version": "1.11.8", "printer.firmware": "Marlin"}}"#;
        self.how().odd.insert("/api/connection", ("200 OK", connection));
        self.how().odd.insert("/api/system/info", ("200 OK", system));
    }

    /// Nobody listens any more, and all connections are gone.
    pub fn kill(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(listener) = self.listener.take() {
            listener.join().unwrap();
        }
    }

    /// Listen (again) on the same port; nobody is logged in.
    pub fn come_back(&mut self) {
        self.shared.stop.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        self.port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let (shared, wrap) = (self.shared.clone(), self.wrap.clone());
        self.listener = Some(std::thread::spawn(move || accept(&listener, &shared, &wrap)));
    }

    /// The same server goes on, without its connections.
    pub fn lose_connections(&self) {
        self.tell(None);
    }

    /// Send this text to everybody who said who they are.
    pub fn send(&self, text: impl Into<String>) {
        self.tell(Some(text.into()));
    }

    /// Send this text to everybody who is connected.
    pub fn send_to_all(&self, text: impl Into<String>) {
        let mut how = self.how();
        let (text, all) = (text.into(), how.connections);
        how.to_send.extend((1..=all).map(|number| (number, Some(text.clone()))));
    }

    pub fn event(&self, name: &str, payload: Value) {
        self.send(json!({"event": {"type": name, "payload": payload}}).to_string());
    }

    fn tell(&self, what: Option<String>) {
        let mut how = self.how();
        let known = how.known.clone();
        how.to_send.extend(known.into_iter().map(|number| (number, what.clone())));
    }

    /// What was asked so far.
    pub fn seen(&self) -> Vec<String> {
        self.how().seen.clone()
    }

    pub fn count(&self, what: &str) -> usize {
        self.how().seen.iter().filter(|seen| seen.starts_with(what)).count()
    }

    /// Wait until something was asked so often.
    #[track_caller]
    pub fn wait_for(&self, what: &str, times: usize) {
        let missing = |how: &mut How| how.seen.iter().filter(|seen| seen.starts_with(what)).count() < times;
        let (how, timeout) = self.shared.more.wait_timeout_while(self.how(), LONG, missing).unwrap();
        assert!(!timeout.timed_out(), "{what:?} was not asked {times} times: {:#?}", how.seen);
    }
}

impl Drop for PushServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, wrap: &Wrap) {
    let mut threads = Vec::new();
    while !shared.stop.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((tcp, _)) => {
                tcp.set_nonblocking(false).unwrap();
                tcp.set_read_timeout(Some(LONG)).unwrap();
                let (shared, wrap) = (shared.clone(), wrap.clone());
                threads.push(std::thread::spawn(move || serve(tcp, &shared, &wrap)));
            }
            Err(_) => std::thread::sleep(MOMENT),
        }
    }
    threads.into_iter().for_each(|thread| drop(thread.join()));
}

/// One request, or one WebSocket.
fn serve(tcp: TcpStream, shared: &Shared, wrap: &Wrap) {
    let moment = tcp.try_clone().unwrap();
    let mut stream = wrap(tcp);
    let Some((head, body)) = request(&mut stream) else { return };
    let header = |name: &str| {
        let found = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
        found.map(|line| line[name.len() + 1..].trim().to_string())
    };
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut how = shared.how.lock().unwrap();
    let path = path.strip_prefix(how.base).unwrap_or("/nowhere");
    how.seen.push(format!("{method} {path}"));
    let path = path.split('?').next().unwrap();
    shared.more.notify_all();
    if how.basic.is_some() && header("authorization").as_deref() != how.basic {
        let refusal = "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"restricted\"";
        let _ = write!(stream, "HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return drop(stream.flush());
    }
    let headers = how.headers.clone();
    if let (Some(key), None) = (header("sec-websocket-key"), how.odd.get(path)) {
        drop(how);
        let accept = derive_accept_key(key.as_bytes());
        let _ = write!(
            stream,
            "HTTP/1.1 101 On\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        let _ = stream.flush();
        moment.set_read_timeout(Some(MOMENT)).unwrap();
        return talk::talk(WebSocket::from_raw_socket(stream, Role::Server, None), shared);
    }
    let known = header("x-api-key").as_deref() == Some(KEY);
    let (status, answer) = how.answer(method, path, known, &body);
    drop(how);
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    );
    let _ = stream.flush();
}

impl How {
    fn answer(&mut self, method: &str, path: &str, known: bool, body: &str) -> (String, String) {
        if let Some((status, body)) = self.odd.get(path) {
            return ((*status).into(), (*body).into());
        }
        // As OctoPrint 1.11 does with a key that it does not know.
        if !known {
            return if method == "POST" {
                ("400 BAD REQUEST".into(), "{}".into())
            } else {
                ("403 FORBIDDEN".into(), "{}".into())
            };
        }
        let needs = |role: &str| self.roles.contains(&role);
        let answer = match (method, path) {
            ("POST", "/api/login") => {
                assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({"passive": true}));
                self.sessions += 1;
                json!({"name": self.name, "session": format!("s{}", self.sessions), "apikey": KEY, "needs": {"role": self.roles}})
            }
            ("GET", "/api/system/info") if needs("system") => json!({"systeminfo": {
                "octoprint.version": self.version, "env.os.id": "linux", "env.python.version": "3.11.7"}}),
            ("GET", "/plugin/achievements/") if needs("plugin_achievements_view") => json!({
                "achievements": [{"key": "b", "achieved": 2}, {"key": "a", "achieved": 1}, {"key": "c", "achieved": 0}],
                "stats": {"created": 1, "server_starts": self.starts}}),
            ("GET", "/plugin/pluginmanager/plugins") if needs("plugin_pluginmanager_manage") => {
                json!({"plugins": self.plugins})
            }
            // Others are shown null: OctoPrint keeps it to those who may change all settings.
            ("GET", "/api/settings") if needs("settings") => {
                json!({"plugins": {"tracking": {"enabled": self.own_tracker}}})
            }
            ("GET", "/plugin/pluginmanager/plugins/versions") if needs("plugin_pluginmanager_list") => {
                if self.own_tracker == "disabled" { json!({"other": "1.0"}) } else { json!({"tracking": null}) }
            }
            ("GET", "/api/connection") if needs("status") => json!({"current": {"state": self.printer}}),
            ("GET", "/nowhere") | ("POST", _) => return ("404 NOT FOUND".into(), "<html>".into()),
            _ => return ("403 FORBIDDEN".into(), "{}".into()),
        };
        ("200 OK".into(), answer.to_string())
    }
}

fn request(stream: &mut Box<dyn Stream>) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}
