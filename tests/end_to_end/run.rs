//! `run`: where events come from, how it ends, and that a broken plugin does not affect the others.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, START, STARTED, dead_port, kinds, receiver};
use std::process::Command;
use std::time::{Duration, Instant};

const DAY: [&str; 5] = ["ping", "pong", "startup", "print_started", "shutdown"];

fn stream() -> String {
    format!("{ENVIRONMENT}\n{STARTED}\n{PRINT}\n")
}

#[test]
fn events_from_a_file() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let file = home.0.write("events.jsonl", stream());
    let log = home.command(&["run", "--events"]).arg(file).run().log();
    assert_eq!(kinds(&receiver, 5), DAY);
    let expected = " INFO tracking: reports are sent while the host runs: the setting 'enabled' is true\n INFO 5 reports sent, 0 failed, 0 dropped\n";
    assert_eq!(log, expected);
    let startup = &receiver.requests()[2];
    assert_eq!(startup.method, "GET");
    assert_eq!(startup.user_agent, "OctoPrint/1.11.8");
    assert_eq!(startup.value("version").as_deref(), Some("1.11.8"));
}

#[test]
fn events_from_standard_input_and_its_end() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    home.command(&["run", "--events", "-"]).run_with(stream().as_bytes()).log();
    assert_eq!(kinds(&receiver, 5), DAY);
}

#[test]
fn events_from_a_named_pipe() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let pipe = home.0.path("events");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let host = home.command(&["run", "--events"]).arg(&pipe).start();
    // Waits for the reader; closed, it is the end of the input.
    std::thread::spawn(move || std::fs::write(&pipe, stream()).unwrap());
    host.wait(LONG).log();
    assert_eq!(kinds(&receiver, 5), DAY);
}

#[test]
fn a_bare_stream_of_bus_events_is_a_running_server() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let log = home.command(&["run", "--events", "-"]).run_with(format!("what\n{PRINT}\n").as_bytes()).log();
    assert_eq!(kinds(&receiver, 5), DAY, "{log}");
    let requests = receiver.requests();
    assert_eq!(requests[0].value("octoprint_uptime").as_deref(), Some("0"));
    assert_eq!(requests[2].value("version"), None);
}

#[test]
fn a_stream_that_names_its_server_is_not_announced_twice() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    home.command(&["run", "--events", "-"]).run_with(format!("{ENVIRONMENT}\n{PRINT}\n").as_bytes()).log();
    // Nobody has said that the server has started, so there is nothing to shut down either.
    assert_eq!(kinds(&receiver, 1), ["print_started"]);
}

#[test]
fn signals_end_it_as_the_end_of_the_input_does() {
    for signal in ["INT", "TERM"] {
        let receiver = receiver();
        let home = Home::opted_in(&receiver.url());
        let mut host = home.command(&["run", "--events", "-", "-v"]).interruptible().start();
        host.send(ENVIRONMENT);
        host.send(STARTED);
        assert_eq!(kinds(&receiver, 3), START);
        host.signal(signal);
        let log = host.wait(Duration::from_secs(5)).log();
        assert_eq!(kinds(&receiver, 4)[3], "shutdown");
        assert!(log.ends_with(" INFO 4 reports sent, 0 failed, 0 dropped\n"), "{log}");
    }
}

#[test]
fn a_server_that_cannot_be_reached_does_not_hold_up_the_end() {
    let home = Home::opted_in(&format!("http://127.0.0.1:{}/{{id}}/{{event}}/", dead_port()));
    let mut host = home.start();
    host.send(STARTED);
    host.wait_for_log("DEBUG tracking: startup");
    let began = Instant::now();
    host.close();
    let log = host.wait(LONG).log();
    assert!(began.elapsed() < Duration::from_millis(6500), "{:?}", began.elapsed());
    // The queue's own thread may have said something after that.
    assert!(log.contains(" INFO 0 reports sent, 0 failed, 4 dropped\n"), "{log}");
}

#[test]
fn a_server_that_never_answers_does_not_hold_up_the_end() {
    // Connections are made, but never accepted.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::opted_in(&format!("http://{}/{{id}}/{{event}}/", silent.local_addr().unwrap()));
    let mut host = home.start();
    host.send(STARTED);
    host.wait_for_log("DEBUG tracking: startup");
    let began = Instant::now();
    host.close();
    let log = host.wait(LONG).log();
    assert!(began.elapsed() < Duration::from_millis(6500), "{:?}", began.elapsed());
    assert!(log.contains("WARN tracking: ping was not accepted: "), "{log}");
    let is_tally = |line: &str| line.starts_with(" INFO 0 reports sent, ") && line.ends_with(" dropped");
    assert!(log.lines().any(is_tally), "{log}");
}

#[test]
fn a_broken_plugin_is_named_and_the_other_works() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    std::fs::write(home.plugin("broken"), b"garbage").unwrap();
    let log = home.command(&["run", "--events", "-"]).run_with(stream().as_bytes()).log();
    assert_eq!(kinds(&receiver, 5), DAY);
    let expected = "ERROR plugin 'broken' is not a tracker: the file is not WebAssembly (copy it again if it is \
                    damaged; or get one built for this version of glassbox, against its wit/ folder)\n";
    assert!(log.starts_with(expected), "{log}");
}

#[test]
fn a_host_without_a_plugin_that_works_ends_with_advice() {
    let home = Home::new();
    std::fs::write(home.plugin("tracking"), b"garbage").unwrap();
    let message = home.run(&["run", "--events", "-"]).error();
    let expected =
        format!("no plugin in {} could be started; 'glassbox list' says more", home.root().join("plugins").display());
    assert_eq!(message, expected);
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let file = home.0.write("events.jsonl", format!("no event\n{}", stream()));
    let mut command = home.command(&["run", "-vv", "--events"]).arg(file).into_command();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command.stdin(std::process::Stdio::null()).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(kinds(&receiver, 5), DAY);
}
