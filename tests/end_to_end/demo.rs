//! `demo`: the recorded session, what it compares, and what it leaves behind.

use crate::grants::with_manifest;
use crate::support::{Folder, Home, Output, program, receiver, workspace};
use glassbox::home::BUNDLED;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

/// Run it with a temporary folder of its own, which must be empty afterwards.
fn demo(arguments: &[&str]) -> Output {
    let folder = Folder::new();
    let temporary = folder.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let output = program(&["demo", "--speed", "0"]).env("TMPDIR", &temporary).args(arguments).run();
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "something is left in the temporary folder");
    output
}

/// A copy of the session, with something done to its two files.
fn session(folder: &Folder, change: impl Fn(&mut String, &mut String)) -> PathBuf {
    let read = |what: &str| {
        fs::read_to_string(workspace(&format!("examples/sessions/octoprint-1.11.8.{what}.jsonl"))).unwrap()
    };
    let (mut events, mut requests) = (read("events"), read("requests"));
    change(&mut events, &mut requests);
    folder.write("day.requests.jsonl", requests);
    folder.write("day.events.jsonl", events)
}

#[test]
fn the_whole_day_and_every_difference_has_a_reason() {
    let out = demo(&[]).good();
    let (_, table) =
        out.split_once("\nreport                    here OctoPrint same bytes  why it differs\n").expect("a table");
    let rows: Vec<_> = table.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(rows.len(), 23, "{table}");
    assert_eq!(rows[22].split_whitespace().collect::<Vec<_>>(), ["all", "66", "65", "62"]);
    let row =
        |kind: &str| rows.iter().find(|row| row.starts_with(&format!("{kind} "))).unwrap_or_else(|| panic!("{kind}"));
    assert_eq!(*row("print_started"), "print_started                8         8          8  ");
    assert!(row("install_plugin").ends_with(" 1         1          1  "));
    assert!(row("enable_plugin").ends_with("1: null is 'not known' and left out; OctoPrint sends the word None"));
    assert!(
        row("printer_safety_warning").ends_with("1: Firmware Check's warning is recognised under its new name too")
    );
    assert!(out.ends_with("\nevery difference has a reason\n"), "{table}");
    assert!(!out.contains(['\x1b', '\r']));
    // What happened, live.
    assert!(out.contains("PrintStarted\n            -> print_started origin=local file="), "{out}");
}

#[test]
fn a_difference_without_a_reason_is_shown() {
    let folder = Folder::new();
    let events = session(&folder, |_, requests| {
        *requests = requests.replacen("printer_state=OFFLINE", "printer_state=ONLINE", 1);
    });
    let output = demo(&["--session", events.to_str().unwrap()]);
    assert_eq!(output.status, Some(1), "{}", output.err);
    assert!(
        output.out.contains("\nping                        12        12         11  1: NO REASON\n"),
        "{}",
        output.out
    );
    let path = "GET /track/11111111-2222-4333-8444-555555555555/ping/?octoprint_uptime=1&printer_state";
    let expected = format!(
        "\nping\n  here: {path}=OFFLINE (OctoPrint/1.11.8)\n  there: {path}=ONLINE (OctoPrint/1.11.8)\n\ndifferences without a reason: 1\n"
    );
    assert!(output.out.ends_with(&expected), "{}", output.out);
}

#[test]
fn it_runs_the_installed_file() {
    let home = Home::new();
    let root = home.root();
    let file = home.plugin("tracking");
    let run = || demo(&["--home", root.to_str().unwrap()]);
    let out = run().good();
    assert!(out.contains(&format!("\ncomponent {}\n", file.display())), "{out}");

    fs::write(&file, "no tracker").unwrap();
    let message = run().error();
    assert!(message.starts_with("plugin 'tracking' is not a tracker: the file is not WebAssembly ("), "{message}");

    fs::remove_file(&file).unwrap();
    let message = run().error();
    let expected =
        format!("plugin 'tracking' cannot be read: {}: No such file or directory (os error 2) (", file.display());
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn it_leaves_the_settings_of_a_home_alone() {
    let home = Home::new();
    let settings = "{\"enabled\": false, \"unique_id\": null}";
    home.write_settings(settings);
    program(&["demo", "--speed", "0"]).env("GLASSBOX_HOME", home.root()).run().good();
    assert_eq!(fs::read_to_string(home.settings_file()).unwrap(), settings);
    assert_eq!(fs::read_dir(home.root().join("settings")).unwrap().count(), 1);
}

#[test]
fn ctrl_c_ends_it_in_the_middle_of_a_pause() {
    for signal in ["INT", "TERM"] {
        let folder = Folder::new();
        fs::create_dir(folder.path("tmp")).unwrap();
        let process = program(&["demo", "--speed", "1"]).env("TMPDIR", folder.path("tmp")).interruptible().start();
        process.wait_for_out("-> system_throttled");
        process.signal(signal);
        let out = process.wait(Duration::from_secs(2)).good();
        assert!(out.ends_with(" reports had been sent\n"), "{out}");
        assert_eq!(fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
    }
}

#[test]
fn sessions_that_cannot_be_played_are_errors() {
    let folder = Folder::new();
    let play = |events: &PathBuf| demo(&["--session", events.to_str().unwrap()]).error();
    let events = session(&folder, |events, _| {
        let mut lines: Vec<_> = events.lines().collect();
        lines.swap(9, 40);
        *events = lines.join("\n");
    });
    // The 41st event at the 10th place is early; the one after it is what comes too late.
    assert_eq!(play(&events), format!("{}, line 11: its time is before that of the line above", events.display()));

    let events = session(&folder, |_, requests| requests.insert_str(0, "{}\n"));
    let message = play(&events);
    assert!(
        message.starts_with(&format!("{}, line 1: missing field ", folder.path("day.requests.jsonl").display())),
        "{message}"
    );

    let events = session(&folder, |events, _| events.insert_str(0, "{\"t\": 0}\n"));
    assert_eq!(play(&events), format!("{}, line 1: it must have one of event, throttled, settings", events.display()));

    fs::remove_file(folder.path("day.requests.jsonl")).unwrap();
    let message = play(&events);
    assert!(message.contains("day.requests.jsonl: No such file") || message.contains("line 1"), "{message}");
    assert_eq!(play(&folder.path("day.jsonl")), "the name of a session's file must end in .events.jsonl");
}

#[test]
fn a_port_in_use_is_an_error() {
    let taken = receiver();
    let url = taken.url();
    let port = url.split([':', '/']).nth(4).unwrap();
    let message = demo(&["--port", port]).error();
    let expected = format!(
        "port {port} cannot be used: Address already in use (os error 98); choose another with --port, or 0 for any"
    );
    assert_eq!(message, expected);
}

#[test]
fn a_reader_that_has_had_enough_ends_it() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = program(&["demo", "--speed", "1"]).into_command();
    let output = child.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

/// A server to which nobody must connect, and its URL.
fn forbidden() -> (TcpListener, String) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    (server, url)
}

#[track_caller]
fn assert_nobody_came(server: &TcpListener) {
    assert_eq!(server.accept().map(drop).unwrap_err().kind(), ErrorKind::WouldBlock, "somebody connected");
}

#[test]
fn a_tracker_that_cannot_be_told_its_server_is_not_played() {
    let (home, (server, url)) = (Home::new(), forbidden());
    let manifest = fs::read_to_string(workspace("guest/tracker.toml")).unwrap();
    let stubborn =
        manifest.replacen("https://tracking.octoprint.org", &url, 1).replacen(", url_setting = \"server\"", "", 1);
    assert!(stubborn.contains(&url) && !stubborn.contains("url_setting"), "{stubborn}");
    fs::write(home.plugin("tracking"), with_manifest(BUNDLED, &stubborn)).unwrap();
    let message = demo(&["--home", home.root().to_str().unwrap()]).error();
    let expected =
        format!("this tracker always sends to {url}/track/{{id}}/{{event}}/: its manifest has no url_setting;");
    assert!(message.starts_with(&expected), "{message}");
    assert_nobody_came(&server);
}

#[test]
fn a_session_that_names_another_server_is_stopped() {
    let (folder, (server, url)) = (Folder::new(), forbidden());
    let events = session(&folder, |events, _| {
        let line = format!("{{\"t\": 0, \"settings\": {{\"server\": \"{url}/{{id}}/{{event}}/\"}}}}\n");
        events.insert_str(0, &line);
    });
    let message = demo(&["--session", events.to_str().unwrap()]).error();
    assert!(
        message.ends_with(" was meant for another server than the demo's own receiver, so it was not sent"),
        "{message}"
    );
    assert_nobody_came(&server);
}

#[test]
fn no_proxy_sees_it() {
    let (proxy, url) = forbidden();
    for name in ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        program(&["demo", "--speed", "0"]).env(name, &url).run().good();
        assert_nobody_came(&proxy);
    }
}
