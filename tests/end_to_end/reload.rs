//! Files change under a running host: versions, grants, configuration. What runs goes on until
//! something better is ready, and nothing is lost or said twice.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, SILENCE, START, STARTED, kinds, receiver};
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::counter;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A running host with the tracker and a counter, both opted in to this receiver.
struct Host {
    home: Home,
    receiver: Receiver,
    process: Process,
    seq: u64,
}

impl Host {
    fn start() -> Self {
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

    fn file(&self) -> PathBuf {
        self.home.plugin("counter")
    }

    /// Put a version in place as a careful program does.
    fn rename(&self, word: &str) {
        let temporary = self.home.root().join("new");
        fs::write(&temporary, counter(word)).unwrap();
        fs::rename(temporary, self.file()).unwrap();
    }

    fn count(&mut self, events: u64) {
        for _ in 0..events {
            self.seq += 1;
            self.process.send(&format!(r#"{{"event":"Count","payload":{{"seq":{}}}}}"#, self.seq));
        }
    }

    /// What the counter says now: its version; and that it heard all there was.
    fn version(&mut self) -> String {
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

    fn log(&self, what: &str) {
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
    fn end(mut self) -> String {
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

fn opt_in(home: &Home, receiver: &Receiver) {
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

fn wait_for_version(host: &mut Host, version: &str) {
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

fn wait_for_count(process: &Process, what: &str, count: usize) {
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
fn grants_decide_what_runs_at_once() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    fs::write(home.plugin("counter"), counter("first")).unwrap();
    let mut host = home.start();
    host.wait_for_log("WARN counter: waiting: nobody has granted it anything; 'glassbox grant counter' shows");
    host.send(ENVIRONMENT);
    host.send(STARTED);
    assert_eq!(kinds(&receiver, 3), START);
    opt_in(&home, &receiver);
    // It came late, and hears that the server has started.
    assert_eq!(kinds(&receiver, 4)[3], "started");
    let list = home.run(&["list"]).good();
    assert!(list.contains("counter  Counts what it hears, for tests\n"), "{list}");

    home.run(&["revoke", "counter"]).good();
    host.wait_for_log("counter: its grant was revoked, and it was stopped");
    host.send(r#"{"event":"Report"}"#);
    assert_eq!(receiver.wait_for(5, SILENCE).len(), 4);
    let status = home.run(&["status"]).good();
    assert!(status.contains("\ncounter: nothing is sent: waiting: nobody has granted it anything"), "{status}");
    assert!(home.run(&["revoke", "counter"]).good().contains("Nothing was granted to 'counter'."));

    assert!(home.run(&["grant", "counter"]).good().contains("Counts what it hears"));
    wait_for_count(&host, " INFO counter: reports are sent", 2);
    host.send(r#"{"event":"Report"}"#);
    assert_eq!(kinds(&receiver, 5)[4], "report");
    assert!(home.run(&["grant", "counter"]).good().contains("asks for no more than what was granted before"));
    host.close();
    host.wait(LONG).log();
}

#[test]
fn a_version_that_asks_for_more_waits_while_the_old_one_runs_on() {
    let mut host = Host::start();
    // Less was granted than this version asks for.
    let grant = host.home.root().join("grants/counter.toml");
    let granted = fs::read_to_string(&grant).unwrap();
    let manifest = granted.replace("fields = [\"seq\"]", "fields = [\"seq\", \"owner\"]");
    let more = with_manifest(&counter("second"), &granted_part(&manifest));
    fs::write(host.file(), more).unwrap();
    host.log(
        "WARN counter: waiting: it asks for more than was granted, to\n      - also see owner of the event Count\n",
    );
    host.count(1);
    assert_eq!(host.version(), "first");
    let list = host.home.run(&["list"]).good();
    let file = "counter.wasm is another version, which does not run: waiting: it asks for more than was granted, to\n      \
                - also see owner of the event Count";
    assert!(list.contains("\n    reports are sent while the host runs: ") && list.contains(file), "{list}");
    let out = host.home.run(&["grant", "counter"]).good();
    assert!(out.contains("Beyond what was granted before, 'counter' asks to\n  - also see owner of the event Count\n"));
    wait_for_version(&mut host, "second");
    host.end();
}

/// The manifest in a grant: all but its comments.
fn granted_part(grant: &str) -> String {
    grant.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// The component with another manifest. It is the last section, as [`glassbox_component::embed`] leaves it.
pub fn with_manifest(component: &[u8], manifest: &str) -> Vec<u8> {
    let name = glassbox_component::MANIFEST_SECTION.as_bytes();
    let at = component.windows(name.len()).rposition(|part| part == name).unwrap();
    // Before the name: its length, the section's length (two bytes here), and the section's id.
    let start = (at - 6..at).find(|start| glassbox_contract::inspect("x", &component[..*start]).is_ok()).unwrap();
    glassbox_component::embed(&component[..start], manifest).unwrap()
}

#[test]
fn a_changed_configuration_is_taken_up_and_a_wrong_one_is_not() {
    let mut host = Host::start();
    host.count(1);
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
