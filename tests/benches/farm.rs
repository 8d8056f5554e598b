//! A farm: one host, 200 OctoPrints, and what each of them costs.

use crate::Sheet;
use glassbox::home::grants;
use glassbox::home::{BUNDLED, BUNDLED_NAME, Home};
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::Folder;
use glassbox_tests::octoprints::{OctoPrints, name};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const COUNT: usize = 200;

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(120);

/// Longer than it takes until every connection was asked once whether it is still there.
const IDLE: Duration = Duration::from_secs(31);

/// Events of each that are not reported, before one that is.
const EVENTS: usize = 500;

pub fn measure(sheet: &mut Sheet) {
    let first = Farm::start(1);
    let alone = first.resident_kib();
    drop(first);
    let began = Instant::now();
    let mut farm = Farm::start(COUNT);
    sheet
        .line("a farm of 200: until all have reported their start", &format!("{:.1} s", began.elapsed().as_secs_f64()));
    let each = |kib: f64| (kib - alone) / (COUNT - 1) as f64;
    sheet.bound("  memory of an instance beyond the first", each(farm.resident_kib()), "KB", 300.0);

    let before = farm.busy();
    std::thread::sleep(IDLE);
    let idle = 100.0 * (farm.busy() - before).as_secs_f64() / IDLE.as_secs_f64();
    sheet.bound("  processor time of all while nothing happens", idle, "% of a core", 0.5);

    let rate = farm.events();
    sheet.line("  events a second, all together", &format!("{rate:.0}"));
    sheet.line("  memory of an instance while all are sending", &format!("{:.0} KB", each(farm.resident_kib())));
    // Connections for reports are kept for a second.
    std::thread::sleep(Duration::from_secs(3));
    sheet.line("  memory of an instance after that", &format!("{:.0} KB", each(farm.resident_kib())));

    let (took, most) = farm.reconnect();
    sheet.bound("  from the network's return until all are connected", took.as_secs_f64(), "s", 90.0);
    sheet.bound("    of them within 100 ms at most", most as f64, "", 25.0);
}

struct Farm {
    octoprints: OctoPrints,
    receiver: Receiver,
    child: Child,
    _folder: Folder,
}

impl Farm {
    /// A host that follows so many, each of which has reported its start.
    fn start(count: usize) -> Self {
        let folder = Folder::new("bench-farm");
        let home = Home::at(folder.0.join("home"));
        home.init().unwrap();
        grants::grant(&home, BUNDLED_NAME, BUNDLED).unwrap();
        let (octoprints, receiver) = (OctoPrints::start(count), Receiver::start(0).unwrap());
        fs::write(home.config_file(), octoprints.entries()).unwrap();
        fs::set_permissions(home.config_file(), fs::Permissions::from_mode(0o600)).unwrap();
        for number in 0..count {
            let home = home.of(Some(&name(number)));
            fs::create_dir_all(home.settings_folder()).unwrap();
            let settings = json!({"enabled": true, "server": receiver.url()}).to_string();
            fs::write(home.settings_file(BUNDLED_NAME), settings).unwrap();
        }
        let command = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
            command.arg("--home").arg(home.root()).args(arguments).stdout(Stdio::null());
            glassbox_sandbox::consent::VARIABLES.iter().for_each(|variable| {
                command.env_remove(variable);
            });
            command
        };
        // Compiles it, so that this is not measured.
        assert!(command(&["list"]).status().unwrap().success());
        let child = command(&["run"]).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let farm = Self { octoprints, receiver, child, _folder: folder };
        farm.wait_for(3 * count);
        // Reports keep their connection for a second.
        std::thread::sleep(Duration::from_secs(3));
        farm
    }

    fn wait_for(&self, reports: usize) {
        let came = self.receiver.wait_for(reports, LONG).len();
        assert_eq!(came, reports, "reports");
    }

    /// The host's memory. Pages that are mapped several times, as the component's first data is by each instance,
    /// count once: they are there once.
    fn resident_kib(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The processor time of all threads that there are.
    fn busy(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let time = |path: PathBuf| fs::read_to_string(path).ok()?.split(' ').next()?.parse::<u64>().ok();
        Duration::from_nanos(threads.filter_map(|thread| time(thread.ok()?.path().join("schedstat"))).sum())
    }

    /// How many events a second are handled, from all OctoPrints together.
    fn events(&self) -> f64 {
        let before = self.receiver.requests().len();
        let state = json!({"state_id": "OPERATIONAL", "state_string": "Operational"});
        let began = Instant::now();
        (0..EVENTS).for_each(|_| self.tell_all("PrinterStateChanged", &state));
        // Handled in order: when this is reported, all before it was handled.
        self.tell_all("PrintStarted", &json!({"path": "a.gcode", "name": "a.gcode", "origin": "local"}));
        self.wait_for(before + COUNT);
        ((EVENTS + 1) * COUNT) as f64 / began.elapsed().as_secs_f64()
    }

    fn tell_all(&self, event: &str, payload: &Value) {
        (0..COUNT).for_each(|number| self.octoprints.event(number, event, payload));
    }

    /// All are away for a while; how long it takes until all are connected again, and how many came at
    /// most in a tenth of a second.
    fn reconnect(&mut self) -> (Duration, usize) {
        self.octoprints.go();
        std::thread::sleep(Duration::from_secs(5));
        let _ = self.octoprints.logins();
        let began = Instant::now();
        self.octoprints.come_back();
        assert!(self.octoprints.wait_for_listeners(COUNT, LONG), "some do not come back");
        let took = began.elapsed();
        let logins = self.octoprints.logins();
        let within = |first: &Instant| {
            logins.iter().filter(|one| (*first..*first + Duration::from_millis(100)).contains(one)).count()
        };
        (took, logins.iter().map(within).max().unwrap_or_default())
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
