//! A real OctoPrint, with its virtual printer and its own tracker on: both trackers hear the same
//! day, and what they report is compared. Skipped with a word where there is no OctoPrint.

use crate::octoprint::follow;
use crate::push_server::KEY;
use crate::support::{
    Home, LONG, Process, SILENCE, START, dead_port, kinds, names, receiver, wait_until, without_a_say,
};
use glassbox::conformance::Request;
use glassbox::receiver::Receiver;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// OctoPrint takes its time.
const VERY_LONG: Duration = Duration::from_secs(180);
const ID: &str = "8a4b1f0e-6c1d-4f7a-9d53-3b8e0c6f2a11";

struct OctoPrint {
    program: PathBuf,
    base: PathBuf,
    port: u16,
    agent: ureq::Agent,
    process: Option<Process>,
}

impl OctoPrint {
    /// With one user, a virtual printer, and its own tracker reporting to this receiver.
    fn set_up(program: &str, home: &Home, tracker: &Receiver) -> Self {
        let base = home.0.path("octoprint");
        let port = dead_port();
        let config = json!({
            "accessControl": {"autologinLocal": false},
            "server": {"firstRun": false, "onlineCheck": {"enabled": false}, "pluginBlacklist": {"enabled": false}},
            "plugins": {
                "tracking": {"enabled": true, "unique_id": ID, "server": tracker.url(), "ping": 0},
                "virtual_printer": {"enabled": true},
                // They would ask the internet.
                "_disabled": ["announcements", "softwareupdate"],
            },
        });
        home.0.write("octoprint/config.yaml", config.to_string());
        let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build();
        let mut octoprint = Self { program: program.into(), base, port, agent: config.into(), process: None };
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

    fn start(&mut self) {
        let port = self.port.to_string();
        self.process = Some(self.command(&["serve", "--iknowwhatimdoing", "--host", "127.0.0.1", "--port", &port]));
        let began = Instant::now();
        while self.get("api/version").is_none() {
            let log = self.process.as_ref().unwrap().log();
            assert!(began.elapsed() < VERY_LONG, "OctoPrint does not start: {log}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn stop(&mut self) {
        let process = self.process.take().unwrap();
        process.signal("TERM");
        process.wait(VERY_LONG);
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn get(&self, path: &str) -> Option<Value> {
        let request = self.agent.get(format!("{}/{path}", self.url())).header("x-api-key", KEY);
        let mut answer = request.call().ok().filter(|answer| answer.status() == 200)?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }

    #[track_caller]
    fn post(&self, path: &str, content_type: &str, body: &str) {
        let request = self.agent.post(format!("{}/{path}", self.url())).header("x-api-key", KEY);
        let answer = request.content_type(content_type).send(body).unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    #[track_caller]
    fn order(&self, path: &str, order: &Value) {
        self.post(path, "application/json", &order.to_string());
    }

    fn upload(&self, name: &str, gcode: &str) {
        let head = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
        let body = format!("--next\r\n{head}\r\nContent-Type: text/plain\r\n\r\n{gcode}\r\n--next--\r\n");
        self.post("api/files/local", "multipart/form-data; boundary=next", &body);
    }

    fn wait_for_state(&self, state: &str) {
        let is = |answer: Value| answer["current"]["state"].as_str().is_some_and(|now| now.starts_with(state));
        wait_until(state, || self.get("api/connection").is_some_and(is));
    }

    fn print(&self, name: &str) {
        self.order(&format!("api/files/local/{name}"), &json!({"command": "select", "print": true}));
    }
}

/// Wait until something was reported so often.
#[track_caller]
fn wait_for(receiver: &Receiver, kind: &str, times: usize) {
    wait_until(&format!("{times} times {kind}"), || {
        receiver.requests().iter().filter(|request| request.kind() == kind).count() >= times
    });
}

/// What OctoPrint's own tracker reported, but for what happens at the server's first start, before
/// anybody can be connected: an achievement, of which both tell in pong.
fn heard(theirs: &Receiver) -> Vec<Request> {
    let mut requests = theirs.requests();
    requests.retain(|request| request.value("achievement").as_deref() != Some("the_wizard"));
    requests
}

/// What was said of each kind, in order, but for what the two must say differently.
fn by_kind(requests: &[Request]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in requests {
        let said = format!("{} {} {} {}", request.method, request.query, request.body, request.user_agent);
        all.entry(request.kind().into()).or_default().push(said);
    }
    all
}

fn gcode(lines: u32, pause: u32) -> String {
    (0..lines).map(|i| format!("G1 X{} F6000\nG4 P{pause}\n", i % 100)).collect()
}

fn a_day(octoprint: &OctoPrint, ours: &Receiver) {
    octoprint.order("api/connection", &json!({"command": "connect", "port": "VIRTUAL", "baudrate": 115_200}));
    wait_for(ours, "printer_connected", 1);
    octoprint.wait_for_state("Operational");
    octoprint.upload("short one.gcode", &gcode(20, 1));
    octoprint.upload("long.gcode", &gcode(5000, 100));
    octoprint.print("short%20one.gcode");
    wait_for(ours, "print_done", 1);
    octoprint.wait_for_state("Operational");
    octoprint.print("long.gcode");
    octoprint.wait_for_state("Printing");
    std::thread::sleep(Duration::from_millis(1500));
    octoprint.order("api/job", &json!({"command": "cancel"}));
    wait_for(ours, "print_failed", 1);
    octoprint.wait_for_state("Operational");
    octoprint.order("api/connection", &json!({"command": "disconnect"}));
    octoprint.wait_for_state("Closed");
}

#[test]
fn reports_what_octoprint_itself_reports() {
    let Some(program) = std::env::var("GLASSBOX_TEST_OCTOPRINT").ok().filter(|program| !program.is_empty()) else {
        eprintln!(
            "SKIPPED: no real OctoPrint. In a virtual environment 'pip install OctoPrint==1.11.8', then set \
             GLASSBOX_TEST_OCTOPRINT to its bin/octoprint"
        );
        return;
    };
    assert!(Path::new(&program).is_file(), "GLASSBOX_TEST_OCTOPRINT: there is no {program}");
    let (theirs, ours) = (receiver(), receiver());
    let home = Home::opted_in(&ours.url());
    let settings = json!({"enabled": true, "server": ours.url(), "unique_id": ID, "file_salt": ID, "ping": 0});
    home.write_settings(settings.to_string());
    let mut octoprint = OctoPrint::set_up(&program, &home, &theirs);
    let host = follow(&home, &octoprint.url());
    wait_for(&ours, "startup", 1);
    wait_for(&theirs, "startup", 1);
    a_day(&octoprint, &ours);
    // Achievements come a little later, to one before the other.
    wait_until("both have reported all", || {
        std::thread::sleep(2 * SILENCE);
        ours.requests().len() == heard(&theirs).len()
    });
    let count = ours.requests().len();
    assert_eq!(by_kind(&ours.requests()), by_kind(&heard(&theirs)));
    let said = names(&ours.requests());
    for kind in ["pong", "printer_connected", "print_started", "print_cancelled", "achievement_unlocked"] {
        assert!(said.iter().any(|name| name == kind), "{kind} is missing: {said:?}");
    }

    // We come again; its server runs on.
    host.signal("TERM");
    host.wait(LONG).log();
    let host = follow(&home, &octoprint.url());
    std::thread::sleep(SILENCE);
    assert_eq!(ours.requests().len(), count, "{:?}", names(&ours.requests()));
    // Its server is started anew; we run on. OctoPrint's own tracker never sends its shutdown.
    octoprint.stop();
    host.wait_for_log("is not heard, and tried again");
    octoprint.start();
    host.wait_for_log("; it was started anew");
    // Without ping, which is switched off.
    assert_eq!(kinds(&ours, count + 3)[count..], ["shutdown", START[1], START[2]]);
    host.signal("TERM");
    host.wait(LONG).log();
    octoprint.stop();
}
