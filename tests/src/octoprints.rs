//! Stand-ins for many OctoPrints in one process: each is below its own path, as behind a proxy, and has its own
//! key. They send nothing unless they are told to. Faults of a single OctoPrint are not here, but in
//! `end_to_end/push_server.rs`.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

/// There is one for each connection.
const STACK: usize = 256 << 10;

/// The OctoPrints.
pub struct OctoPrints {
    port: u16,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    all: Mutex<All>,
    more: Condvar,
    stop: AtomicBool,
}

struct All {
    each: Vec<One>,
    /// When somebody logged in anywhere.
    logins: Vec<Instant>,
}

#[derive(Default)]
struct One {
    down: bool,
    /// How often its server was started.
    starts: u64,
    /// Who subscribed.
    listeners: Vec<TcpStream>,
}

impl OctoPrints {
    /// This many of them, listening.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(count: usize) -> Self {
        let each = (0..count).map(|_| One::default()).collect();
        let all = Mutex::new(All { each, logins: Vec::new() });
        let shared = Arc::new(Shared { all, more: Condvar::new(), stop: AtomicBool::new(false) });
        let mut octoprints = Self { port: 0, shared, listener: None };
        octoprints.come_back();
        octoprints
    }

    /// Listen again, on the same port; nobody is connected.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn come_back(&mut self) {
        self.shared.stop.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("a port");
        self.port = listener.local_addr().expect("an address").port();
        let shared = self.shared.clone();
        self.listener = Some(std::thread::spawn(move || accept(&listener, &shared)));
    }

    /// All of them go away: nothing listens any more, and all connections are closed.
    pub fn go(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // It waits for somebody to come.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        self.all().each.iter_mut().for_each(One::close);
    }

    /// Where one is.
    pub fn url(&self, number: usize) -> String {
        format!("http://127.0.0.1:{}/{number}", self.port)
    }

    /// The `[[octoprint]]` entry of one.
    pub fn entry(&self, number: usize, name: Option<&str>, key: &str) -> String {
        let name = name.map(|name| format!("name = \"{name}\"\n")).unwrap_or_default();
        format!("[[octoprint]]\n{name}url = \"{}\"\napi_key = \"{key}\"\n\n", self.url(number))
    }

    /// All entries, named `shop-0` and so on.
    pub fn entries(&self) -> String {
        let count = self.all().each.len();
        (0..count).map(|number| self.entry(number, Some(&name(number)), &key(number))).collect()
    }

    /// Whether this one answers 503 and has lost its connections.
    pub fn set_down(&self, number: usize, down: bool) {
        let one = &mut self.all().each[number];
        one.down = down;
        one.close();
    }

    /// The server of this one was restarted.
    pub fn start_anew(&self, number: usize) {
        let one = &mut self.all().each[number];
        one.starts += 1;
        one.close();
    }

    /// Send an event of this one to everybody who listens to it.
    pub fn event(&self, number: usize, name: &str, payload: &Value) {
        let frame = frame(&json!({"event": {"type": name, "payload": payload}}).to_string());
        self.all().each[number].listeners.retain_mut(|listener| listener.write_all(&frame).is_ok());
    }

    /// When somebody logged in anywhere, since this was last asked.
    pub fn logins(&self) -> Vec<Instant> {
        std::mem::take(&mut self.all().logins)
    }

    /// Wait until this many have a listener; false if that takes too long.
    ///
    /// # Panics
    /// When another thread did.
    pub fn wait_for_listeners(&self, count: usize, longest: Duration) -> bool {
        let few = |all: &mut All| all.each.iter().filter(|one| !one.listeners.is_empty()).count() < count;
        !self.shared.more.wait_timeout_while(self.all(), longest, few).expect("no panic").1.timed_out()
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.shared.all.lock().expect("no panic")
    }
}

impl Drop for OctoPrints {
    fn drop(&mut self) {
        self.go();
    }
}

/// The name of one.
pub fn name(number: usize) -> String {
    format!("shop-{number}")
}

/// The key of one.
pub fn key(number: usize) -> String {
    format!("0123456789ABCDEF{number:04}")
}

impl One {
    fn close(&mut self) {
        self.listeners.drain(..).for_each(|listener| drop(listener.shutdown(Shutdown::Both)));
    }
}

/// A frame of a server, with a text of less than 64 KiB.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length @ ..126) => frame.push(length),
        _ => {
            frame.push(126);
            frame.extend(u16::try_from(text.len()).expect("a short text").to_be_bytes());
        }
    }
    frame.extend(text.as_bytes());
    frame
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for tcp in listener.incoming().flatten() {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        let shared = shared.clone();
        let thread = std::thread::Builder::new().stack_size(STACK);
        let _ = thread.spawn(move || serve(tcp, &shared));
    }
}

/// One request, or one WebSocket.
fn serve(mut tcp: TcpStream, shared: &Shared) -> Option<()> {
    let mut input = BufReader::new(tcp.try_clone().ok()?);
    let mut first = String::new();
    input.read_line(&mut first).ok()?;
    let (mut key, mut socket, mut length) = (String::new(), None, 0);
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-api-key" => key = value.trim().into(),
            "sec-websocket-key" => socket = Some(value.trim().to_string()),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    let mut words = first.split(' ');
    let method = words.next()?;
    let (number, path) = words.next()?.strip_prefix('/')?.split_once('/')?;
    let number = number.parse().ok()?;
    if let Some(key) = socket {
        let accept = derive_accept_key(key.as_bytes());
        let head = "HTTP/1.1 101 On\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:";
        tcp.write_all(format!("{head} {accept}\r\n\r\n").as_bytes()).ok()?;
        return talk(tcp, number, shared);
    }
    let (status, answer) = shared.answer(number, method, path, &key);
    let mut text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    write!(text, "{answer}").ok()?;
    tcp.write_all(text.as_bytes()).ok()
}

impl Shared {
    fn answer(&self, number: usize, method: &str, path: &str, given: &str) -> (&'static str, String) {
        let mut all = self.all.lock().expect("no panic");
        let Some(one) = all.each.get(number) else { return ("404 NOT FOUND", String::new()) };
        let (down, starts) = (one.down, one.starts);
        if path == "api/login" && !down {
            all.logins.push(Instant::now());
        }
        drop(all);
        if down {
            return ("503 SERVICE UNAVAILABLE", String::new());
        }
        if given != key(number) {
            return ("403 FORBIDDEN", "{}".into());
        }
        let roles = ["status", "system", "plugin_achievements_view", "plugin_pluginmanager_manage"];
        let answer = match (method, path.split('?').next().unwrap_or(path)) {
            ("POST", "api/login") => json!({"name": "me", "session": format!("s{number}"), "needs": {"role": roles}}),
            ("GET", "api/system/info") => json!({"systeminfo": {
                "octoprint.version": "1.11.8", "env.os.id": "linux", "env.python.version": "3.11.7"}}),
            ("GET", "plugin/achievements/") => {
                json!({"achievements": [], "stats": {"created": number + 1, "server_starts": starts}})
            }
            ("GET", "plugin/pluginmanager/plugins") => json!({"plugins": []}),
            ("GET", "api/connection") => json!({"current": {"state": "Operational"}}),
            _ => return ("404 NOT FOUND", String::new()),
        };
        ("200 OK", answer.to_string())
    }
}

/// A WebSocket, until its end.
fn talk(tcp: TcpStream, number: usize, shared: &Shared) -> Option<()> {
    let _ = tcp.set_nodelay(true);
    let mut socket = WebSocket::from_raw_socket(tcp.try_clone().ok()?, Role::Server, None);
    socket.send(Message::text(json!({"connected": {"version": "1.11.8"}}).to_string())).ok()?;
    let (mut known, mut subscribed) = (false, false);
    while let Ok(message) = socket.read() {
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).ok()?;
        subscribed |= message.get("subscribe").is_some();
        let says = message["auth"] == json!(format!("me:s{number}"));
        if says && !known {
            if !subscribed {
                // As long as a real one is after a print. Who subscribed before is spared it.
                let temps = vec![json!({"time": 1_700_000_000, "tool0": {"actual": 210.1, "target": 210.0}}); 900];
                socket.send(Message::text(json!({"history": {"temps": temps}}).to_string())).ok()?;
            }
            socket.send(Message::text(r#"{"timelapse": null}"#)).ok()?;
        }
        let listened = known && subscribed;
        known |= says;
        if known && subscribed && !listened {
            let mut all = shared.all.lock().expect("no panic");
            if shared.stop.load(Ordering::SeqCst) {
                break;
            }
            all.each[number].listeners.push(tcp.try_clone().ok()?);
            shared.more.notify_all();
        }
    }
    let port = tcp.peer_addr().ok()?.port();
    let other = |listener: &mut TcpStream| listener.peer_addr().is_ok_and(|address| address.port() != port);
    shared.all.lock().expect("no panic").each[number].listeners.retain_mut(other);
    Some(())
}
