//! What end-to-end tests share: a throw-away home, and the program as a child process; every wait has a limit.

use glassbox_audit::conformance::RecordedRequest;
use glassbox_audit::conformance::receiver::Receiver;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything here takes; a test that waits this long has failed.
pub const LONG: Duration = Duration::from_secs(30);

/// How long to wait for something that must not happen.
pub const SILENCE: Duration = Duration::from_millis(500);

/// Variables that forbid tracking, name a home or a key, or lead to a proxy: no test inherits them.
const VARIABLES: [&str; 14] = [
    "CI",
    "OCTOPRINT_DISABLE_TRACKING",
    "OCTOPRINT_TRACKING_DISABLED",
    "DO_NOT_TRACK",
    "GLASSBOX_HOME",
    "GLASSBOX_API_KEY",
    "CREDENTIALS_DIRECTORY",
    "XDG_DATA_HOME",
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
];

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
        let mut program = program(&[]).arg("--home").arg(self.root());
        program.0.args(arguments);
        program
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

/// The program, ready to be started.
pub struct Program(Command);

/// The program with these arguments, and without the variables that change what is sent.
pub fn program(arguments: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    command.args(arguments);
    without_a_say(command)
}

/// Settings of the cargo that runs the tests; a cargo that a test runs must not inherit them.
const CARGO: [&str; 5] =
    ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_MAKEFLAGS"];

/// A script as somebody types it, line by line, in this folder; `glassbox` is on the path.
/// It runs with `nice`, so that what it compiles does not slow down tests that measure time.
pub fn shell(folder: &Path, script: &str) -> Program {
    let own = Path::new(env!("CARGO_BIN_EXE_glassbox")).parent().unwrap().to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).unwrap();
    let mut command = Command::new("nice");
    command.args(["sh", "-ec", script]).current_dir(folder).env("PATH", path);
    for name in CARGO {
        command.env_remove(name);
    }
    without_a_say(command)
}

/// Remove the variables that change what is sent.
pub fn without_a_say(mut command: Command) -> Program {
    for name in VARIABLES {
        command.env_remove(name);
    }
    Program(command)
}

impl From<Command> for Program {
    fn from(command: Command) -> Self {
        Self(command)
    }
}

impl Program {
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.0.args(arguments);
        self
    }

    /// The command itself, for a test that starts it in its own way.
    pub fn into_command(self) -> Command {
        self.0
    }

    pub fn start(mut self) -> Process {
        let mut child =
            self.0.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        let (out, err) = (Text::default(), Text::default());
        let readers = vec![out.read(child.stdout.take().unwrap()), err.read(child.stderr.take().unwrap())];
        Process { input: child.stdin.take(), child, out, err, readers }
    }

    pub fn run(self) -> Output {
        self.run_with(b"")
    }

    /// With this on standard input.
    pub fn run_with(self, input: &[u8]) -> Output {
        let mut process = self.start();
        process.feed(input);
        process.close();
        process.wait(LONG)
    }
}

/// The text that a thread has read from a pipe so far.
#[derive(Clone, Default)]
struct Text(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Text {
    fn read(&self, mut from: impl Read + Send + 'static) -> JoinHandle<()> {
        let text = self.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                text.0.0.lock().unwrap().extend_from_slice(&buffer[..count]);
                text.0.1.notify_all();
            }
        })
    }

    fn get(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, what: &str) -> bool {
        let found = |text: &mut Vec<u8>| !String::from_utf8_lossy(text).contains(what);
        let (_text, timeout) = self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), LONG, found).unwrap();
        !timeout.timed_out()
    }
}

/// The running program; killed when it goes out of scope.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    out: Text,
    err: Text,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub fn send(&mut self, line: &str) {
        self.feed(format!("{line}\n").as_bytes());
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        // If it has ended already, its status and its output say more than a broken pipe.
        let _ = self.input.as_mut().unwrap().write_all(bytes);
    }

    pub fn close(&mut self) {
        self.input = None;
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    pub fn log(&self) -> String {
        self.err.get()
    }

    pub fn wait_for_log(&self, what: &str) {
        assert!(self.err.wait_for(what), "{what:?} was not logged:\n{}", self.log());
    }

    pub fn wait_for_out(&self, what: &str) {
        assert!(self.out.wait_for(what), "{what:?} was not printed:\n{}{}", self.out.get(), self.log());
    }

    /// Wait for its end, but not longer than this.
    pub fn wait(mut self, longest: Duration) -> Output {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < longest, "it did not end in {longest:?}:\n{}{}", self.out.get(), self.log());
            std::thread::sleep(Duration::from_millis(5));
        };
        self.input = None;
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        let output = Output { status: status.code(), out: self.out.get(), err: self.err.get() };
        assert!(!output.err.contains("panicked at "), "{}", output.err);
        output
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How it ended, and what it said.
#[derive(Debug)]
pub struct Output {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Output {
    /// What it printed, if it ended well.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.status, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// What it logged, if it ended well.
    #[track_caller]
    pub fn log(self) -> String {
        assert_eq!(self.status, Some(0), "{}{}", self.out, self.err);
        self.err
    }

    /// Its error message, one line, if it ended with status 2.
    #[track_caller]
    pub fn error(self) -> String {
        assert_eq!(self.status, Some(2), "{}{}", self.out, self.err);
        let lines: Vec<_> = self.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(lines.len(), 1, "{}", self.err);
        assert_eq!(self.err.lines().last(), Some(lines[0]), "{}", self.err);
        lines[0]["error: ".len()..].into()
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

/// What the program prints on a terminal, with this as `NO_COLOR`.
pub fn on_terminal(arguments: &str, no_color: &str) -> String {
    let command = format!("'{}' {arguments}", env!("CARGO_BIN_EXE_glassbox"));
    let mut script = Command::new("script");
    let script = script.args(["-qec", &command, "/dev/null"]).env("NO_COLOR", no_color).stdin(Stdio::null());
    String::from_utf8(script.output().unwrap().stdout).unwrap()
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
