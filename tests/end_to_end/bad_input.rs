//! Lines that are not events: each is named by its number and costs little, and the next event counts.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, SILENCE, STARTED, kinds, receiver, wait_until};
use std::fs;

/// Feed lines after a start, then a print without a line feed at its end; returns the log's lines
/// about the events.
fn feed(lines: &[Vec<u8>]) -> Vec<String> {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut input = format!("{ENVIRONMENT}\n{STARTED}\n").into_bytes();
    for line in lines {
        input.extend(line);
        input.push(b'\n');
    }
    input.extend(PRINT.as_bytes());
    let log = home.command(&["run", "--events", "-"]).run_with(&input).log();
    let requests = kinds(&receiver, 5);
    assert_eq!(requests[3..], ["print_started", "shutdown"], "{log}");
    assert!(log.ends_with(" INFO 5 reports sent, 0 failed, 0 dropped\n"), "{log}");
    let about_us = |line: &&str| !line.starts_with(" INFO");
    log.lines().filter(about_us).map(Into::into).collect()
}

fn text(lines: &[&str]) -> Vec<Vec<u8>> {
    lines.iter().map(|line| line.as_bytes().to_vec()).collect()
}

#[test]
fn lines_that_are_no_events_are_named_by_number() {
    let mut lines = text(&[
        "this is not JSON",
        "{\"event\": \"PrintStarted\", \"payload\": {",
        "",
        "[\"PrintStarted\", {}]",
        "{\"event\": 3}",
        "{\"event\": null, \"payload\": {}}",
        "{\"payload\": {}}",
        "{\"event\": \"PrintStarted\", \"payload\": {\"time\": nan}}",
        "\"PrintStarted\"",
        "42",
        "   ",
    ]);
    lines.push(b"Print\xff\xfe".to_vec());
    lines.push(b"\0\0\0".to_vec());
    let log = feed(&lines);
    let numbers: Vec<_> = log.iter().map(|line| line.split(": ").next().unwrap()).collect();
    // The two good lines at the start count; empty ones do too, but nothing is said of them.
    let expected: Vec<_> = [3, 4, 6, 7, 8, 9, 10, 11, 12, 14, 15].map(|n| format!(" WARN ignoring line {n}")).to_vec();
    assert_eq!(numbers, expected, "{log:#?}");
    let expected =
        " WARN ignoring line 3: it is not {\"event\": .., \"payload\": ..}: expected ident at line 1 column 2";
    assert_eq!(log[0], expected);
}

#[test]
fn events_that_nobody_knows_or_with_odd_payloads_hurt_nobody() {
    let huge = "9".repeat(400);
    let odd =
        ["3", "\"text\"", "[]", "[[[]]]", "true", "null", "1e400", &huge, "{}", "{\"path\": {}}", "{\"time\": 1e999}"];
    let mut lines = Vec::new();
    for payload in odd {
        for event in ["PrintDone", "Error", "Connected", "environment", "octoprint_stopped", "Startup", ""] {
            lines.push(format!("{{\"event\": \"{event}\", \"payload\": {payload}}}").into_bytes());
        }
    }
    // A number beyond every range is not known, which is no reason to refuse the rest.
    assert_eq!(feed(&lines), [""; 0]);
    let nested = format!("{{\"event\":\"PrintDone\",\"payload\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let inside = format!(
        "{{\"event\":\"PrintDone\",\"payload\":{{\"path\":{}1{}}}}}",
        "{\"a\":".repeat(10_000),
        "}".repeat(10_000)
    );
    let log = feed(&[nested.into_bytes(), inside.into_bytes(), vec![b'['; 10_000]]);
    // What is nested too deep costs itself, and the event only where it has no end.
    assert_eq!(log.len(), 1, "{log:#?}");
    assert!(log[0].len() < 700 && log[0].starts_with(" WARN ignoring line 5: "), "{log:#?}");
}

#[test]
fn a_line_of_50_mb_is_passed_over_in_little_memory() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    let part = vec![b'x'; 1 << 20];
    host.feed(b"{\"event\": \"");
    for _ in 0..50 {
        host.feed(&part);
    }
    host.feed(b"\"}\n");
    host.send(PRINT);
    assert_eq!(kinds(&receiver, 4)[3], "print_started");
    host.wait_for_log(" WARN ignoring line 3: it is longer than 1024 KiB\n");
    // Only Linux tells how much memory was used; elsewhere this part is left out.
    if let Ok(status) = fs::read_to_string(format!("/proc/{}/status", host.id())) {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib < 100 << 10, "{kib} KiB at the peak");
    }
    host.close();
    host.wait(LONG).log();
}

#[test]
fn events_that_cannot_be_read_are_an_error() {
    let home = Home::new();
    let missing = home.0.path("missing.jsonl");
    let message = home.command(&["run", "--events"]).arg(&missing).run().error();
    let expected =
        format!("the events cannot be read from {}: No such file or directory (os error 2)", missing.display());
    assert_eq!(message, expected);
    let message = home.command(&["run", "--events"]).arg(home.root()).run().error();
    assert_eq!(message, format!("the events cannot be read from {}: it is a folder", home.root().display()));
}

#[test]
fn nothing_is_sent_while_the_settings_file_is_damaged() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    kinds(&receiver, 3);
    let good = fs::read(home.settings_file()).unwrap();

    let damage = |content: &[u8]| {
        let other = home.0.write("half", content);
        fs::rename(other, home.settings_file()).unwrap();
    };
    let damaged =
        format!(" WARN tracking: nothing is sent: the settings file {} is damaged: ", home.settings_file().display());
    let complaints = |log: &str| log.matches(&damaged).count();
    damage(b"{\"enabled\": fal");
    host.wait_for_log(&damaged);
    // Other files come and go beside it: nothing is said again.
    home.0.write("home/settings/other.json", "{}");
    home.0.write("home/settings/other.json", "{} ");
    host.send(PRINT);
    assert_eq!(receiver.wait_for(4, SILENCE).len(), 3);
    assert_eq!(complaints(&host.log()), 1, "{}", host.log());

    damage(b"[1]");
    wait_until("the second complaint", || complaints(&host.log()) == 2);
    host.send(PRINT);
    assert_eq!(receiver.wait_for(4, SILENCE).len(), 3);
    let journal = home.run(&["journal", "--plugin", "tracking"]).good();
    assert_eq!(journal.matches(" doubt ").count(), 2, "{journal}");

    // Once it says yes again, it goes on.
    damage(&good);
    wait_until("the yes", || host.log().matches("tracking: reports are sent ").count() == 2);
    host.send(PRINT);
    assert_eq!(kinds(&receiver, 4)[3], "print_started");
    host.close();
    host.wait(LONG).log();
    assert_eq!(kinds(&receiver, 5)[4], "shutdown");
}

#[test]
fn a_plugin_that_does_not_take_its_settings_is_switched_off_until_it_does() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    kinds(&receiver, 3);
    let good = home.settings().to_string();
    home.write_settings("{\"enabled\": true, \"unique_id\": \"it is me\"}");
    let why = format!(
        "switched off until its settings are valid: plugin 'tracking' has no identity: unique_id in {} must be 1 to \
         64 letters, digits and '-'; remove it from there, and a new one is made\n",
        home.settings_file().display()
    );
    host.wait_for_log(&format!(" WARN {why}"));
    host.send(PRINT);
    assert_eq!(receiver.wait_for(4, SILENCE).len(), 3);
    let status = home.run(&["status"]).good();
    assert!(status.contains("tracking: nothing is sent: unique_id in "), "{status}");

    // Saying no needs nobody's consent.
    home.write_settings("{\"enabled\": false, \"unique_id\": \"it is me\"}");
    wait_until("the no", || {
        home.run(&["status"]).good().contains("nothing is sent: the setting 'enabled' is not true")
    });
    host.send(PRINT);
    assert_eq!(receiver.wait_for(4, SILENCE).len(), 3);

    home.write_settings(good);
    host.wait_for_log(" INFO tracking: reports are sent while the host runs: ");
    wait_until("it runs again", || home.run(&["status"]).good().contains("tracking: reports are sent while"));
    host.send(PRINT);
    assert_eq!(kinds(&receiver, 4)[3], "print_started");
    host.close();
    host.wait(LONG).log();
    assert_eq!(receiver.requests().len(), 5);
}
