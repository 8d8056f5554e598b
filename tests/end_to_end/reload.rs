//! Files change under a running host: versions, configuration; grants are in `grants.rs`. What runs goes on until
//! something better is ready, and nothing is lost or said twice.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, SILENCE, START, STARTED, kinds, receiver};
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::counter;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A running host with the tracker and a counter, both opted in to this receiver.
pub struct Host {
    pub home: Home,
    receiver: Receiver,
    process: Process,
    seq: u64,
}

impl Host {
    pub fn start() -> Self {
        let receiver = receiver();
        let home = Home::opted_in(&receiver.url());
        fs::write(home.plugin("counter"), counter("first")).unwrap();
        opt_in(&home, &receiver);
        let mut process = home.start();
        process.wait_for_log(" INFO counter: reports are sent");
        process.send(ENVIRONMENT);
        process.send(STARTED);
        // The tracker's three, and the counter's own.
        let _ = receiver.wait_for(4, LONG);
        Self { home, receiver, process, seq: 0 }
    }

    pub fn file(&self) -> PathBuf {
        self.home.plugin("counter")
    }

    /// Put a version in place as a careful program does.
    fn rename(&self, word: &str) {
        let temporary = self.home.root().join("new");
        fs::write(&temporary, counter(word)).unwrap();
        fs::rename(temporary, self.file()).unwrap();
    }

    pub fn count(&mut self, events: u64) {
        for _ in 0..events {
            self.seq += 1;
            self.process.send(&format!(r#"{{"event":"Count","payload":{{"seq":{}}}}}"#, self.seq));
        }
    }

    /// What the counter says now: its version; and that it heard all there was.
    pub fn version(&mut self) -> String {
        let before = self.reports().len();
        self.process.send(r#"{"event":"Report"}"#);
        let end = Instant::now() + LONG;
        while self.reports().len() == before {
            assert!(Instant::now() < end, "no report:\n{}", self.process.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        let report = self.reports().pop().unwrap();
        let (version, numbers) = report.split_once('&').unwrap();
        assert_eq!(numbers, format!("count={0}&last={0}&wrong=0", self.seq), "{report}");
        version.trim_start_matches("version=").into()
    }

    fn reports(&self) -> Vec<String> {
        let requests = self.receiver.requests();
        requests.into_iter().filter(|request| request.kind() == "report").map(|request| request.query).collect()
    }

    pub fn log(&self, what: &str) {
        self.process.wait_for_log(what);
    }

    fn logged_twice(&self, what: &str) {
        let end = Instant::now() + LONG;
        while self.process.log().matches(what).count() < 2 {
            assert!(Instant::now() < end, "{what:?} was not logged twice:\n{}", self.process.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn started(&self) -> usize {
        self.receiver.requests().iter().filter(|request| request.kind() == "started").count()
    }

    /// The tracker still does its work; then the end.
    pub fn end(mut self) -> String {
        self.process.send(PRINT);
        let end = Instant::now() + LONG;
        while !self.receiver.requests().iter().any(|request| request.kind() == "print_started") {
            assert!(Instant::now() < end, "the tracker is silent:\n{}", self.process.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.process.signal("TERM");
        self.process.wait(LONG).log()
    }
}

pub fn opt_in(home: &Home, receiver: &Receiver) {
    home.run(&["opt-in", "counter"]).good();
    let settings = json!({"enabled": true, "id": "4711", "server": receiver.url()});
    fs::write(home.root().join("settings/counter.json"), settings.to_string()).unwrap();
}

const TAKEN: &str = " INFO counter: version ";

fn taken(log: &str) -> usize {
    log.matches(TAKEN).count()
}

#[test]
fn a_new_version_takes_over_however_it_comes() {
    let mut host = Host::start();
    host.count(3);
    assert_eq!(host.version(), "first");
    host.rename("second");
    host.log(TAKEN);
    host.count(2);
    assert_eq!(host.version(), "second");

    // Copied in place, slowly: half a file is not a version, and nothing to complain about.
    let third = counter("third");
    let (half, rest) = third.split_at(third.len() / 2);
    let mut file = fs::File::create(host.file()).unwrap();
    std::io::Write::write_all(&mut file, half).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    host.count(1);
    std::io::Write::write_all(&mut file, rest).unwrap();
    drop(file);
    wait_for_version(&mut host, "third");

    // The same bytes again, and a touch: nothing to do.
    let before = taken(&host.process.log());
    fs::write(host.file(), counter("third")).unwrap();
    let touched = fs::File::options().write(true).open(host.file()).unwrap();
    touched.set_modified(std::time::SystemTime::now()).unwrap();
    std::thread::sleep(SILENCE);
    assert_eq!(taken(&host.process.log()), before);

    // A link that is pointed elsewhere.
    let (one, two) =
        (host.home.0.write("one.wasm", counter("fourth")), host.home.0.write("two.wasm", counter("fifth")));
    for (target, version) in [(one, "fourth"), (two, "fifth")] {
        let link = host.home.root().join("link");
        std::os::unix::fs::symlink(target, &link).unwrap();
        fs::rename(link, host.file()).unwrap();
        wait_for_version(&mut host, version);
    }
    assert_eq!(host.started(), 1, "no version starts the server again");
    let log = host.end();
    assert!(!log.contains("ERROR"), "{log}");
}

pub fn wait_for_version(host: &mut Host, version: &str) {
    let end = Instant::now() + LONG;
    while host.version() != version {
        assert!(Instant::now() < end, "{version} was never taken:\n{}", host.process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_whole_folder_may_be_exchanged() {
    let mut host = Host::start();
    host.count(1);
    let (plugins, new) = (host.home.root().join("plugins"), host.home.root().join("plugins.new"));
    fs::create_dir(&new).unwrap();
    fs::copy(host.home.plugin("tracking"), new.join("tracking.wasm")).unwrap();
    fs::write(new.join("counter.wasm"), counter("second")).unwrap();
    fs::rename(&plugins, host.home.root().join("plugins.old")).unwrap();
    fs::rename(&new, &plugins).unwrap();
    wait_for_version(&mut host, "second");
    host.rename("third");
    wait_for_version(&mut host, "third");
    assert_eq!(host.started(), 1);
    host.end();
}

#[test]
fn a_no_holds_at_once_also_for_a_plugin_that_is_busy() {
    for revoke in [false, true] {
        let host = Host::start();
        fs::remove_file(host.file()).unwrap();
        host.log("counter: its file is gone");
        host.rename("slow-event");
        wait_for_count(&host.process, " INFO counter: reports are sent", 2);
        let mut host = host;
        let before = host.receiver.requests().len();
        host.process.send(r#"{"event":"Report"}"#);
        // It is at work for a second, and only then would its report go out.
        std::thread::sleep(Duration::from_millis(300));
        let command: &[&str] = if revoke { &["revoke", "counter"] } else { &["opt-out", "counter"] };
        host.home.run(command).good();
        let message = if revoke { "its grant was revoked" } else { "counter: nothing is sent" };
        host.log(message);
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(host.receiver.requests().len(), before, "{}", host.process.log());
        host.end();
    }
}

#[test]
fn a_file_that_goes_ends_its_plugin_and_one_that_comes_back_carries_on() {
    let mut host = Host::start();
    host.count(3);
    assert_eq!(host.version(), "first");
    fs::remove_file(host.file()).unwrap();
    host.log("counter: its file is gone, and it was stopped");
    let heard = host.seq;
    host.count(5);
    host.seq = heard;
    host.rename("second");
    wait_for_count(&host.process, " INFO counter: reports are sent", 2);
    host.count(1);
    assert_eq!(host.version(), "second");
    assert_eq!(host.started(), 1);
    host.end();
}

pub fn wait_for_count(process: &Process, what: &str, count: usize) {
    let end = Instant::now() + LONG;
    while process.log().matches(what).count() < count {
        assert!(Instant::now() < end, "{what:?} was not logged {count} times:\n{}", process.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_bad_version_never_takes_the_good_one_down() {
    let mut host = Host::start();
    host.count(1);
    let bad = [
        (b"no component".to_vec(), "the file is not WebAssembly"),
        (counter("trap-load"), "settings.load: it panicked"),
        (counter("loop-restore"), "handover.restore: it took longer than 2 s"),
        (counter("refuse-settings"), "plugin 'counter' does not accept its settings: it never likes them"),
        (fs::read(host.home.plugin("tracking")).unwrap(), "it says that the plugin is 'tracking'"),
    ];
    for (bytes, reason) in bad {
        fs::write(host.file(), bytes).unwrap();
        host.count(1);
        host.log(reason);
        host.log("keeps running)");
        assert_eq!(host.version(), "first", "{reason}");
    }
    // One that starts well and fails later.
    host.rename("trap-event");
    host.log(TAKEN);
    host.count(1);
    assert_eq!(host.version(), "first");
    host.log("it was rolled back to version ");
    // What failed is not tried again, what is new is.
    host.rename("second");
    wait_for_version(&mut host, "second");
    assert_eq!(host.started(), 1);
    assert_eq!(taken(&host.end()), 2);
}

#[test]
fn a_quarantined_plugin_recovers_when_its_file_changes() {
    let mut host = Host::start();
    host.rename("trap-tick");
    host.log(TAKEN);
    // It is ticked after it was loaded, and so rolled back at once.
    host.log("it was rolled back to version ");
    fs::remove_file(host.file()).unwrap();
    host.log("its file is gone");
    host.rename("loop-event");
    wait_for_count(&host.process, " INFO counter: reports are sent", 2);
    for _ in 0..12 {
        host.process.send(r#"{"event":"Count","payload":{"seq":1}}"#);
    }
    host.log("counter: plugin 'counter' failed: on-event: it took longer than 2 s");
    // Stuck or not, the tracker is not held up.
    let began = Instant::now();
    let before = host.receiver.requests().len();
    host.process.send(PRINT);
    let _ = host.receiver.wait_for(before + 1, LONG);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    host.rename("second");
    host.log(TAKEN);
    wait_for_version_only(&mut host, "second");
    host.end();
}

/// As [`wait_for_version`], of one that did not hear everything.
fn wait_for_version_only(host: &mut Host, version: &str) {
    let end = Instant::now() + LONG;
    loop {
        host.process.send(r#"{"event":"Report"}"#);
        std::thread::sleep(Duration::from_millis(50));
        if host.reports().iter().any(|report| report.starts_with(&format!("version={version}&"))) {
            return;
        }
        assert!(Instant::now() < end, "{version} never reported:\n{}", host.process.log());
    }
}

#[test]
fn a_killed_host_carries_on_within_the_same_run_of_the_server() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut host = home.start();
    for line in [ENVIRONMENT, STARTED, PRINT] {
        host.send(line);
    }
    assert_eq!(kinds(&receiver, 4), [START[0], START[1], START[2], "print_started"]);
    host.signal("KILL");
    drop(host);
    // A bare stream: that the server runs is all that can be known, and that was said before.
    let mut host = home.start();
    host.send(PRINT);
    assert_eq!(kinds(&receiver, 5)[4], "print_started");
    host.signal("TERM");
    host.wait(LONG).log();
    assert_eq!(kinds(&receiver, 6)[5], "shutdown");
    // That run has ended: what comes now is another.
    let mut host = home.start();
    host.send(PRINT);
    assert_eq!(kinds(&receiver, 10)[6..9], START);
    host.close();
    host.wait(LONG).log();
}

#[test]
fn a_changed_configuration_is_taken_up_and_a_wrong_one_is_not() {
    let mut host = Host::start();
    host.count(1);
    // It is there before the configuration changes.
    assert_eq!(host.version(), "first");
    let config = host.home.root().join("glassbox.toml");
    fs::write(&config, "vcgencmd = 3").unwrap();
    host.log("keeping the last good configuration: ");
    // It may hold a [policy] that nobody can read now: nothing enters until it can be read again.
    host.log("WARN counter: nothing is sent: ");
    host.log("WARN tracking: nothing is sent: ");
    fs::write(&config, "vcgencmd = \"/nowhere/vcgencmd\"").unwrap();
    host.log("INFO the configuration changed");
    host.logged_twice(" INFO counter: reports are sent");
    host.logged_twice(" INFO tracking: reports are sent");
    host.count(1);
    assert_eq!(host.version(), "first");
    assert_eq!(host.started(), 1);
    host.end();
}
