//! A collector as a process, and HTTP by hand, so that a test can send what no client would.

use glassbox_collector::door::{Door, Incoming, OCTOPRINT};
use glassbox_collector::store::Store;
use glassbox_collector::store::writer::Writer;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const ID: &str = "11111111-2222-4333-8444-555555555555";

/// The same as it is stored.
pub fn id_bytes() -> Vec<u8> {
    let digits = ID.replace('-', "");
    (0..16).map(|at| u8::from_str_radix(&digits[at * 2..][..2], 16).unwrap()).collect()
}

/// Long enough for any machine; whoever waits so long has found a fault.
pub const LONG: Duration = Duration::from_secs(120);

/// A folder of its own, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("glassbox-collector-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox-collector"));
    command.stdin(Stdio::null());
    command
}

/// A running collector.
pub struct Collector {
    child: Child,
    pub address: String,
    /// Where its metrics are, if they are configured.
    pub metrics: String,
    pub data: PathBuf,
}

impl Collector {
    pub fn start(folder: &Folder, config: &str) -> Self {
        Self::start_with(folder, config, &[])
    }

    /// With more in its environment.
    pub fn start_with(folder: &Folder, config: &str, environment: &[(String, String)]) -> Self {
        let file = folder.0.join("collector.toml");
        let listen = if config.contains("listen =") { "" } else { "listen = \"127.0.0.1:0\"\n" };
        std::fs::write(&file, format!("{listen}data = \"data\"\n{config}")).unwrap();
        let log = std::fs::File::options().create(true).append(true).open(folder.0.join("log")).unwrap();
        let mut command = program();
        let mut child = command
            .args(["run", "--config"])
            .arg(&file)
            .envs(environment.iter().cloned())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (mut out, mut line, mut metrics) =
            (BufReader::new(child.stdout.take().unwrap()), String::new(), String::new());
        out.read_line(&mut line).unwrap();
        if config.contains("metrics_listen =") {
            out.read_line(&mut metrics).unwrap();
        }
        let metrics = metrics.trim_end().trim_start_matches("metrics at http://").into();
        let log = || std::fs::read_to_string(folder.0.join("log")).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?} {}", log()));
        let address = address.strip_prefix("http://").unwrap_or(address).into();
        Self { child, address, metrics, data: folder.0.join("data") }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Send these bytes, and read until the connection ends.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // It may be cut before all is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The status of the answer to a request.
    pub fn send(&self, method: &str, target: &str, headers: &str, body: &str) -> u16 {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: c\r\nConnection: close\r\n{headers}{length}\r\n");
        status(&self.raw(format!("{head}{body}").as_bytes()))
    }

    /// A report of an OctoPrint.
    pub fn report(&self, target: &str) -> u16 {
        self.send("GET", target, "User-Agent: OctoPrint/1.11.8\r\n", "")
    }

    pub fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// SIGTERM, and wait.
    pub fn stop(mut self) -> PathBuf {
        nix::sys::signal::kill(self.pid(), nix::sys::signal::Signal::SIGTERM).unwrap();
        let since = Instant::now();
        while since.elapsed() < LONG {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return std::mem::take(&mut self.data);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end");
    }

    /// SIGKILL.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::take(&mut self.data)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
}

/// What a condition waits for.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < LONG, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The one day that there is. (A test around midnight may see two: it uses the last.)
pub fn day(data: &Path) -> Connection {
    let day = *Store::open(data).unwrap().days().unwrap().last().expect("a day");
    Connection::open(Store::open(data).unwrap().day(day)).unwrap()
}

/// How many pings of how many installations are on the disk; none before there is a day.
pub fn pings(data: &Path) -> i64 {
    let Some(day) = Store::open(data).unwrap().days().unwrap().last().copied() else { return 0 };
    let day = Connection::open(Store::open(data).unwrap().day(day)).unwrap();
    day.query_row("SELECT count(*) FROM ping", [], |row| row.get(0)).unwrap_or_default()
}

pub fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Reasons and how many requests were refused for each.
pub fn refused(data: &Path) -> Vec<(String, i64)> {
    rows(&day(data), "SELECT reason, count FROM refused ORDER BY reason")
}

/// Kinds, names and how often.
pub fn odd(data: &Path) -> Vec<(String, i64)> {
    rows(&day(data), "SELECT kind || ' ' || name, count FROM odd ORDER BY 1")
}

fn rows(connection: &Connection, sql: &str) -> Vec<(String, i64)> {
    let mut statement = connection.prepare(sql).unwrap();
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    found.map(Result::unwrap).collect()
}

/// Put requests into a store with times of their own, by the code that a live request goes through.
pub fn fill(store: &Store, requests: &[Value]) {
    let door = Door::new(OCTOPRINT).unwrap();
    let mut writer = Writer::new(store);
    for request in requests {
        let text = |key: &str| request[key].as_str().unwrap();
        let form = if text("method") == "GET" { text("query") } else { text("body") };
        let incoming =
            Incoming { path: text("path"), form: form.as_bytes(), user_agent: text("user_agent").as_bytes() };
        let Ok((report, odd)) = door.take(&incoming) else { continue };
        let at = request["at"].as_i64().unwrap();
        let day = Timestamp::from_second(at).unwrap().to_zoned(TimeZone::UTC).date();
        let second = u32::try_from(at.rem_euclid(86_400)).unwrap();
        writer.write(day, second, &report, &glassbox_collector::geo::Place::default()).unwrap();
        writer.count_odd(day, second, &odd).unwrap();
    }
    writer.commit().unwrap();
}
