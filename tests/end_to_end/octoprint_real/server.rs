//! A real OctoPrint as a process: set up in a folder of its own, and told over REST what to do.

use super::VERY_LONG;
use crate::push_server::KEY;
use crate::support::{Home, Process, dead_port, without_a_say};
use glassbox_audit::conformance::receiver::Receiver;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// The id that both trackers have.
pub const ID: &str = "8a4b1f0e-6c1d-4f7a-9d53-3b8e0c6f2a11";

/// Two plugins of somebody else's, of which one has no version. In alphabetical order neither their
/// names nor their files come as they are enabled.
const PLUGINS: [(&str, &str); 2] = [
    ("zebra", "__plugin_name__ = 'A Zebra'\n__plugin_version__ = '1.0.2'\n__plugin_pythoncompat__ = '>=3,<4'\n"),
    ("nameless", "__plugin_name__ = 'Without a version'\n__plugin_pythoncompat__ = '>=3,<4'\n"),
];

/// One that is installed later.
pub const LATER: &str = "__plugin_name__ = 'Later'\n__plugin_version__ = '0.1'\n__plugin_pythoncompat__ = '>=3,<4'\n";

pub struct OctoPrint {
    program: PathBuf,
    base: PathBuf,
    port: u16,
    agent: ureq::Agent,
    process: Option<Process>,
    /// Whether it is a 1.x, which has other words for some states than a 2.x.
    is_old: bool,
}

impl OctoPrint {
    /// With one user, a virtual printer, and its own tracker reporting to this receiver.
    pub fn set_up(program: &str, home: &Home, tracker: &Receiver) -> Self {
        let base = home.0.path("octoprint");
        let port = lasting_port();
        let nowhere = format!("http://127.0.0.1:{}/", dead_port());
        let config = json!({
            "accessControl": {"autologinLocal": false},
            "server": {"firstRun": false, "onlineCheck": {"enabled": false}, "pluginBlacklist": {"enabled": false}},
            "plugins": {
                "tracking": {"enabled": true, "unique_id": ID, "server": tracker.url(), "ping": 1},
                "virtual_printer": {"enabled": true},
                // They would ask the internet, and the network.
                "pluginmanager": {"repository": nowhere, "notices": nowhere},
                "_disabled": ["announcements", "discovery", "softwareupdate"],
            },
        });
        home.0.write("octoprint/config.yaml", config.to_string());
        for (name, text) in PLUGINS {
            home.0.write(&format!("octoprint/plugins/{name}.py"), text);
        }
        let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build();
        let mut octoprint =
            Self { program: program.into(), base, port, agent: config.into(), process: None, is_old: false };
        let add = ["user", "add", "--admin", "--password", "secret", "me"];
        octoprint.command(&add).wait(VERY_LONG).good();
        let users = octoprint.base.join("users.yaml");
        let text = fs::read_to_string(&users).unwrap();
        assert!(text.contains("apikey: null"), "{text}");
        fs::write(users, text.replace("apikey: null", &format!("apikey: {KEY}"))).unwrap();
        octoprint.start();
        octoprint
    }

    fn command(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new(&self.program);
        command.arg("--basedir").arg(&self.base).args(arguments);
        without_a_say(command).start()
    }

    pub fn start(&mut self) {
        let port = self.port.to_string();
        self.process = Some(self.command(&["serve", "--iknowwhatimdoing", "--host", "127.0.0.1", "--port", &port]));
        let began = Instant::now();
        let version = loop {
            if let Some(version) = self.get("api/version") {
                break version;
            }
            assert!(began.elapsed() < VERY_LONG, "OctoPrint does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(200));
        };
        self.is_old = version["server"].as_str().is_some_and(|version| version.starts_with("1."));
    }

    pub fn stop(&mut self) {
        let process = self.process.take().unwrap();
        process.signal("TERM");
        process.wait(VERY_LONG);
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn get(&self, path: &str) -> Option<Value> {
        let request = self.agent.get(format!("{}/{path}", self.url())).header("x-api-key", KEY);
        let mut answer = request.call().ok().filter(|answer| answer.status() == 200)?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }

    #[track_caller]
    fn post(&self, path: &str, content_type: &str, body: &str) -> Value {
        let request = self.agent.post(format!("{}/{path}", self.url())).header("x-api-key", KEY);
        let mut answer = request.content_type(content_type).send(body).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(answer.status().is_success(), "{path}: {} {text}", answer.status());
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Tell it to do something.
    #[track_caller]
    pub fn order(&self, path: &str, order: &Value) {
        self.post(path, "application/json", &order.to_string());
    }

    /// Send a file to be stored at this path, or installed; returns what it says of it.
    pub fn send_file(&self, to: &str, folder: &str, name: &str, content: &str) -> Value {
        let head = "--next\r\nContent-Disposition: form-data; name=";
        let body = format!(
            "{head}\"path\"\r\n\r\n{folder}\r\n{head}\"file\"; filename=\"{name}\"\r\n\
             Content-Type: text/plain\r\n\r\n{content}\r\n--next--\r\n"
        );
        self.post(to, "multipart/form-data; boundary=next", &body)
    }

    /// Upload a file, which may get another name; returns its path.
    pub fn upload(&self, folder: &str, name: &str, gcode: &str) -> String {
        let answer = self.send_file("api/files/local", folder, name, gcode);
        answer["files"]["local"]["path"].as_str().unwrap_or_else(|| panic!("{answer}")).into()
    }

    /// Its word in a ping for a printer that is not connected.
    pub fn closed(&self) -> &'static str {
        if self.is_old { "OFFLINE" } else { "CLOSED" }
    }

    /// The same, where an error was the reason.
    pub fn failed(&self) -> &'static str {
        if self.is_old { "OFFLINE" } else { "CLOSED_WITH_ERROR" }
    }

    /// Wait until the printer is not connected.
    #[track_caller]
    pub fn wait_until_closed(&self) {
        self.wait_for_state(if self.is_old { "Closed" } else { "Offline" });
    }

    /// Wait until the printer is in a state that is called so.
    #[track_caller]
    pub fn wait_for_state(&self, state: &str) {
        let mut now = Value::Null;
        let end = Instant::now() + VERY_LONG;
        while !now.as_str().is_some_and(|now| now.starts_with(state)) {
            assert!(Instant::now() < end, "the printer is {now} and not {state}:\n{}", self.log());
            now = self.get("api/connection").map_or(Value::Null, |answer| answer["current"]["state"].clone());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The last that it logged.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.base.join("logs/octoprint.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    #[track_caller]
    pub fn connect(&self) {
        self.order("api/connection", &json!({"command": "connect", "port": "VIRTUAL", "baudrate": 115_200}));
        self.wait_for_state("Operational");
    }

    #[track_caller]
    pub fn print(&self, path: &str) {
        self.order(&format!("api/files/local/{}", encoded(path)), &json!({"command": "select", "print": true}));
    }

    /// `start`, `cancel`, `pause`, ..
    #[track_caller]
    pub fn job(&self, command: &str, action: &str) {
        self.order("api/job", &json!({"command": command, "action": action}));
    }

    /// Tell the printer something.
    #[track_caller]
    pub fn say(&self, line: &str) {
        self.order("api/printer/command", &json!({"command": line}));
    }

    #[track_caller]
    pub fn plugin(&self, command: &str, plugin: &str) {
        self.order("api/plugin/pluginmanager", &json!({"command": command, "plugin": plugin}));
    }
}

/// A free port outside the range from which the system picks ports, so that it stays free.
fn lasting_port() -> u16 {
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    let mut ports = (0..10_000).map(|i| 20_000 + (first + i) % 10_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port")
}

/// As a part of a URL, with slashes.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(one).collect()
}
