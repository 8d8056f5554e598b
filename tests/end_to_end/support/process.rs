//! The program as a child process: started without what would change what it sends, fed, and waited for.

use super::LONG;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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

    /// The same, with SIGINT as it is by default, whoever runs the tests: one that is ignored stays ignored.
    pub fn interruptible(self) -> Self {
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(self.0.get_program()).args(self.0.get_args());
        Self(command).with_variables_of(&self.0)
    }

    fn with_variables_of(mut self, other: &Command) -> Self {
        for (name, value) in other.get_envs() {
            match value {
                Some(value) => self.0.env(name, value),
                None => self.0.env_remove(name),
            };
        }
        self
    }

    /// The same, where it is `strace`: only for what is done with this file.
    pub fn traced_at(self, file: &Path) -> Self {
        let mut command = Command::new(self.0.get_program());
        command.arg("-P").arg(file).args(self.0.get_args());
        Self(command).with_variables_of(&self.0)
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
        process.wait(2 * LONG)
    }

    /// Run it, and wait longer for its end: an audit takes its time.
    pub fn run_long(self) -> Output {
        let mut process = self.start();
        process.close();
        process.wait(8 * LONG)
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

    /// Whether it has not ended yet.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
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

/// What the program prints on a terminal, with this as `NO_COLOR`.
pub fn on_terminal(arguments: &str, no_color: &str) -> String {
    let command = format!("'{}' {arguments}", env!("CARGO_BIN_EXE_glassbox"));
    let mut script = Command::new("script");
    let script = script.args(["-qec", &command, "/dev/null"]).env("NO_COLOR", no_color).stdin(Stdio::null());
    String::from_utf8(script.output().unwrap().stdout).unwrap()
}

/// How the program ends on a terminal on which somebody types this, and what stands there then.
pub fn answered_on_terminal(arguments: &str, typed: &str) -> (Option<i32>, String) {
    let command = format!("'{}' {arguments}", env!("CARGO_BIN_EXE_glassbox"));
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]);
    let output = without_a_say(script).run_with(typed.as_bytes());
    (output.status, output.out)
}
