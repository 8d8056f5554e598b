//! What end-to-end tests share: a throw-away home, a receiver and waits that all have a limit; and in [`process`] the
//! program as a child process.

mod process;

pub use process::{Output, Process, Program, answered_on_terminal, on_terminal, program, shell, without_a_say};

use glassbox_audit::conformance::RecordedRequest;
use glassbox_audit::conformance::receiver::Receiver;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longer than anything here takes; a test that waits this long has failed.
pub const LONG: Duration = Duration::from_secs(30);

/// How long to wait for something that must not happen.
pub const SILENCE: Duration = Duration::from_millis(500);

pub const ENVIRONMENT: &str = r#"{"event":"environment","payload":{"octoprint":{"version":"1.11.8"}}}"#;
pub const STARTED: &str = r#"{"event":"octoprint_started","payload":{"uptime":1}}"#;
pub const PRINT: &str = r#"{"event":"PrintStarted","payload":{"path":"a.gcode","name":"a.gcode","origin":"local"}}"#;
/// What is reported when a server run starts.
pub const START: [&str; 3] = ["ping", "pong", "startup"];

/// A temporary folder, removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("glassbox-end-to-end-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A home folder, and the program to run with it.
pub struct Home(pub Folder);

impl Home {
    /// A home with the bundled plugin, as `glassbox init` makes it; nobody has opted in.
    pub fn new() -> Self {
        let home = Self(Folder::new());
        glassbox::home::Home::at(home.root()).init().unwrap();
        home
    }

    /// The same, granted and opted in, with reports going to this URL.
    pub fn opted_in(server: &str) -> Self {
        let home = Self::new();
        home.grant();
        home.write_settings(json!({"enabled": true, "server": server}).to_string());
        home
    }

    /// Grant the bundled plugin what it asks for.
    pub fn grant(&self) {
        let home = glassbox::home::Home::at(self.root());
        glassbox::home::grants::grant(&home, "tracking", glassbox::home::BUNDLED).unwrap();
    }

    pub fn root(&self) -> PathBuf {
        self.0.path("home")
    }

    pub fn plugin(&self, name: &str) -> PathBuf {
        self.root().join(format!("plugins/{name}.wasm"))
    }

    pub fn settings_file(&self) -> PathBuf {
        self.root().join("settings/tracking.json")
    }

    pub fn write_settings(&self, content: impl AsRef<[u8]>) {
        fs::write(self.settings_file(), content).unwrap();
    }

    pub fn settings(&self) -> Value {
        serde_json::from_slice(&fs::read(self.settings_file()).unwrap()).unwrap()
    }

    pub fn identity_file(&self) -> PathBuf {
        self.root().join("state/tracking.identity.json")
    }

    /// The id and the salt that belong together.
    pub fn identity(&self) -> (String, String) {
        let identity: Value = serde_json::from_slice(&fs::read(self.identity_file()).unwrap()).unwrap();
        let text = |key: &str| identity[key].as_str().unwrap().to_string();
        (text("id"), text("salt"))
    }

    pub fn command(&self, arguments: &[&str]) -> Program {
        program(&[]).arg("--home").arg(self.root()).args(arguments)
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).run()
    }

    /// `run --events -`, ready to be fed.
    pub fn start(&self) -> Process {
        let process = self.command(&["run", "--events", "-", "-v"]).start();
        process.wait_for_log(" tracking: ");
        process
    }
}

pub fn receiver() -> Receiver {
    Receiver::start(0).unwrap()
}

/// The kinds of all reports so far, after waiting for this many requests.
#[track_caller]
pub fn kinds(receiver: &Receiver, count: usize) -> Vec<String> {
    let requests = receiver.wait_for(count, LONG);
    assert_eq!(requests.len(), count, "{:?}", names(&requests));
    names(&requests)
}

pub fn names(requests: &[RecordedRequest]) -> Vec<String> {
    requests.iter().map(|request| request.kind().into()).collect()
}

/// The time, in seconds since 1970.
pub fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A port on which nothing listens.
pub fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Wait until this is true; `what` is for the message if it never is.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A file of this workspace.
pub fn workspace(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}
