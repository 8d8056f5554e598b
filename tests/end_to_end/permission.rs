//! What may leave is decided right before it leaves, by all that has a say: switches, the grant, `[policy]`, its keys and
//! the attestations, the variables of the host. Each is a link here whose target is changed, of which nobody tells the host.
//! The settings file itself is in `no_doubt.rs`.

use crate::attest::{Auditor, home_with_counter, require, sign_version};
use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, SILENCE, START, STARTED, kinds, receiver, wait_until};
use glassbox_audit::conformance::receiver::Receiver;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Put a file of the home somewhere else, and a link in its place. Returns where it is.
fn elsewhere(home: &Home, name: &str) -> PathBuf {
    let (file, target) = (home.root().join(name), home.0.path(&format!("elsewhere/{name}")));
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::rename(&file, &target).unwrap();
    symlink(&target, &file).unwrap();
    target
}

/// Feed an event, and return how many reports of this kind arrive because of it; `status` must say the same.
fn arrives(home: &Home, host: &mut Process, receiver: &Receiver, (event, kind): (&str, &str)) -> bool {
    let count = || receiver.requests().iter().filter(|request| request.kind() == kind).count();
    let before = count();
    let status = home.run(&["status"]).good();
    host.send(event);
    let said = status.contains(": reports are sent while the host runs: ");
    assert!(said || status.contains(": nothing is sent: "), "{status}");
    if said {
        wait_until("the report", || count() > before);
    } else {
        std::thread::sleep(SILENCE);
        assert_eq!(count(), before, "a report arrived, and this was said: {status}");
    }
    said
}

/// Wait until this event is reported again.
fn goes_on(host: &mut Process, receiver: &Receiver, event: &str) {
    let before = receiver.requests().len();
    let end = Instant::now() + LONG;
    while receiver.requests().len() == before {
        assert!(Instant::now() < end, "it does not go on: {}", host.log());
        host.send(event);
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn a_grant_that_is_taken_back_behind_the_hosts_back() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let grant = elsewhere(&home, "grants/tracking.toml");
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    assert_eq!(kinds(&receiver, 3), START);
    let granted = fs::read_to_string(&grant).unwrap();
    let report = (PRINT, "print_started");
    assert!(arrives(&home, &mut host, &receiver, report));
    let less = granted.replacen("request = \"print_started\"", "request = \"print_begun\"", 1);
    assert_ne!(less, granted);
    for (content, why) in [
        (less.as_str(), "it asks for more than was granted"),
        ("[plugin\n", "is damaged"),
        ("", "is damaged"),
        ("gone", "nobody has granted it anything"),
    ] {
        match content {
            "gone" => fs::remove_file(&grant).unwrap(),
            _ => fs::write(&grant, content).unwrap(),
        }
        assert!(!arrives(&home, &mut host, &receiver, report), "{why}");
        let status = home.run(&["status"]).good();
        assert!(status.contains(why), "{why}: {status}");
        fs::write(&grant, &granted).unwrap();
        goes_on(&mut host, &receiver, PRINT);
    }
}

#[test]
fn a_policy_a_key_or_an_attestation_that_changes_behind_the_hosts_back() {
    let receiver = receiver();
    let home = home_with_counter(&receiver);
    let (alice, bob) = (Auditor::new(&home.0, "alice", 1), Auditor::new(&home.0, "bob", 2));
    sign_version(&home, &alice, "first");
    fs::create_dir(home.root().join("keys")).unwrap();
    fs::write(home.root().join("keys/alice.pub"), alice.pem()).unwrap();
    require(&home, &["keys/alice.pub"], 1);
    let config = elsewhere(&home, "glassbox.toml");
    let key = elsewhere(&home, "keys/alice.pub");
    let attestations = elsewhere(&home, "plugins/counter.wasm.intoto.jsonl");
    let mut host = home.command(&["run", "--events", "-", "-v"]).start();
    host.wait_for_log(" INFO counter: reports are sent");
    let report = (r#"{"event":"Report"}"#, "report");
    assert!(arrives(&home, &mut host, &receiver, report));
    let good = [&config, &key, &attestations].map(|file| fs::read(file).unwrap());
    let changes: [(&PathBuf, Option<Vec<u8>>, &str); 10] = [
        (&config, Some(b"[policy]\nrequire_audit_by = []\n".to_vec()), "requires 1 of its keys"),
        (&config, Some(b"[policy]\nfree = \"refuse\"\n".to_vec()), "and this is free in its manifest: report, report"),
        (&config, Some(b"[polic".to_vec()), "glassbox.toml, line 1"),
        (&config, Some(vec![0; 2 << 20]), "glassbox.toml"),
        (&config, None, "glassbox.toml"),
        (&key, Some(bob.pem().into()), "no valid attestation"),
        (&key, Some(b"garbage".to_vec()), "neither PEM nor base64"),
        (&key, None, "No such file"),
        (&attestations, Some(b"{}\n".to_vec()), "no valid attestation"),
        (&attestations, None, "no valid attestation"),
    ];
    for (file, content, why) in changes {
        match content {
            Some(content) => fs::write(file, content).unwrap(),
            None => fs::remove_file(file).unwrap(),
        }
        assert!(!arrives(&home, &mut host, &receiver, report), "{why}");
        let status = home.run(&["status"]).good();
        assert!(status.contains(why), "{why}: {status}");
        for (file, content) in [&config, &key, &attestations].into_iter().zip(&good) {
            fs::write(file, content).unwrap();
        }
        goes_on(&mut host, &receiver, report.0);
    }
}

#[test]
fn each_switch_counts_right_before_a_report_leaves() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let settings = elsewhere(&home, "settings/tracking.json");
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    assert_eq!(kinds(&receiver, 3), START);
    let mut document: Value = serde_json::from_slice(&fs::read(&settings).unwrap()).unwrap();
    document["events"] = json!({"printjob": false});
    fs::write(&settings, document.to_string()).unwrap();
    host.send(PRINT);
    host.close();
    let log = host.wait(LONG).log();
    // All others leave as before, Shutdown among them.
    assert_eq!(kinds(&receiver, 4)[3], "shutdown", "{log}");
    let journal = home.run(&["journal", "--plugin", "tracking"]).good();
    assert!(journal.contains("the setting events.printjob is off"), "{journal}");
}

#[test]
fn a_variable_counts_where_the_host_was_started() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let input = [ENVIRONMENT, STARTED];
    let start = |variable: &str| {
        let mut host = home.command(&["run", "--events", "-", "-v"]).env(variable, "1").start();
        host.wait_for_log(" tracking: ");
        input.iter().for_each(|line| host.send(line));
        host
    };
    let host = start("DO_NOT_TRACK");
    let status = home.run(&["status"]).good();
    let expected =
        "tracking: nothing is sent: the environment variable DO_NOT_TRACK is set where the host was started\n";
    assert!(status.contains(expected), "{status}");
    assert!(receiver.wait_for(1, SILENCE).is_empty());
    drop(host);

    let _host = start("SOMETHING_ELSE");
    assert_eq!(kinds(&receiver, 3), START);
    let status = home.command(&["status"]).env("CI", "1").run().good();
    assert!(status.contains("tracking: reports are sent while the host runs: "), "{status}");
}

/// A server that lets nobody connect before it is told to, and then prints how many bytes it got: its queue of
/// connections, for which the system answers in its place, is full.
const LATE: &str = "
import socket, sys
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen(0)
fill = [socket.socket() for _ in range(4)]
for one in fill:
    one.setblocking(False)
    one.connect_ex(server.getsockname())
print(server.getsockname()[1], flush=True)
sys.stdin.readline()
for one in fill:
    one.close()
server.settimeout(6)
got = connections = 0
try:
    while True:
        connection, _ = server.accept()
        connection.settimeout(3)
        connections += 1
        got += len(connection.recv(65536))
except OSError:
    pass
print(connections, got, flush=True)
";

#[test]
fn not_a_byte_leaves_over_a_connection_that_stands_after_the_no() {
    for says_no in [true, false] {
        let mut server = Command::new("python3")
            .args(["-c", LATE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python, which OctoPrint needs too");
        let mut out = BufReader::new(server.stdout.take().unwrap()).lines();
        let port = out.next().unwrap().unwrap();
        let home = Home::opted_in(&format!("http://127.0.0.1:{port}/track/{{id}}/{{event}}/"));
        let mut host = home.start();
        host.send(ENVIRONMENT);
        host.send(STARTED);
        host.wait_for_log("DEBUG tracking: ping");
        std::thread::sleep(Duration::from_millis(200));
        if says_no {
            home.run(&["opt-out", "tracking"]).good();
        }
        server.stdin.take().unwrap().write_all(b"now\n").unwrap();
        let last = out.next().unwrap().unwrap();
        let (_connections, got) = last.split_once(' ').unwrap();
        assert_eq!(got == "0", says_no, "{last}, {}", host.log());
        server.wait().unwrap();
    }
}

/// What `status` says of the counter: the line, and what is indented below it.
fn said_of_counter(home: &Home) -> String {
    let status = home.run(&["status"]).good();
    let at = status.find("counter: ").unwrap_or_else(|| panic!("{status}"));
    status[at..].into()
}

#[test]
fn status_speaks_of_the_version_that_runs() {
    let receiver = receiver();
    let home = home_with_counter(&receiver);
    let mut host = home.command(&["run", "--events", "-", "-v"]).start();
    host.wait_for_log(" INFO counter: reports are sent");
    let report = (r#"{"event":"Report"}"#, "report");
    let good = fs::read(home.plugin("counter")).unwrap();
    for (content, why) in [
        (Some(b"garbage".to_vec()), "is another version, which does not run: plugin 'counter' is not a tracker"),
        (Some(good[..good.len() / 2].to_vec()), "is another version, which does not run: "),
        (Some(good.clone()), "reports are sent"),
    ] {
        fs::write(home.plugin("counter"), content.unwrap()).unwrap();
        assert!(arrives(&home, &mut host, &receiver, report), "{why}");
        wait_until(why, || said_of_counter(&home).contains(why));
        assert!(arrives(&home, &mut host, &receiver, report), "{why}");
    }
    // Its folder of states is emptied, by somebody who wants to begin anew: nobody knows which version runs.
    fs::remove_dir_all(home.root().join("state")).unwrap();
    fs::write(home.plugin("counter"), "garbage").unwrap();
    assert!(arrives(&home, &mut host, &receiver, report));
    fs::write(home.plugin("counter"), good).unwrap();

    // What does not run says why, and what runs no more as well.
    home.run(&["revoke", "counter"]).good();
    wait_until("the revocation", || said_of_counter(&home).contains("nothing is sent: waiting: nobody has granted"));
    home.run(&["grant", "counter"]).good();
    wait_until("the grant", || said_of_counter(&home).contains("reports are sent while"));
    assert!(arrives(&home, &mut host, &receiver, report));
}
