//! Nothing is sent and no id is made before the user says yes, or after they say no.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, SILENCE, START, STARTED, dead_port, kinds, receiver, wait_until};
use glassbox_audit::conformance::receiver::Receiver;
use regex::bytes::Regex;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// All files under a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// No file has the word; only the plugin, its compiled code and its manifest have it.
fn assert_no_id(home: &Home) {
    let uuid = Regex::new("(?i-u)[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").unwrap();
    for file in files(&home.root()) {
        let content = fs::read(&file).unwrap();
        assert!(!uuid.is_match(&content), "{} has an id", file.display());
        let programs = [home.plugin("tracking"), home.root().join("cache"), home.root().join("grants")];
        let program = programs.iter().any(|program| file.starts_with(program));
        let word = content.windows(9).any(|part| part == b"unique_id");
        assert!(program || !word, "{}: {}", file.display(), String::from_utf8_lossy(&content));
    }
}

#[test]
fn opting_in_and_out_of_a_running_host() {
    let (home, receiver) = (Home::new(), receiver());
    home.grant();
    home.run(&["settings", "tracking", &format!("server={}", receiver.url())]).good();
    let mut host = home.start();
    assert_eq!(host.log(), " INFO tracking: nothing is sent: nobody has opted in yet\n");

    for line in [ENVIRONMENT, STARTED, PRINT] {
        host.send(line);
    }
    assert!(receiver.wait_for(1, SILENCE).is_empty());
    assert_no_id(&home);

    home.run(&["opt-in", "tracking"]).good();
    let opted_in = Instant::now();
    assert_eq!(kinds(&receiver, 3), START);
    assert!(opted_in.elapsed() < Duration::from_secs(2));
    let settings = home.settings();
    let text = |key: &str| settings[key].as_str().unwrap_or_default().to_string();
    let uuid = Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$").unwrap();
    let id = text("unique_id");
    assert!(uuid.is_match(id.as_bytes()), "{settings}");
    let (salted, salt) = home.identity();
    assert!(salted == id && Regex::new("^[0-9a-f]{32}$").unwrap().is_match(salt.as_bytes()) && salt != id, "{salt}");

    host.send(PRINT);
    assert_eq!(kinds(&receiver, 4)[3], "print_started");
    let requests = receiver.requests();
    assert!(requests.iter().all(|request| request.path.starts_with(&format!("/track/{id}/"))), "{requests:?}");
    assert!(!format!("{requests:?}").contains(&salt));

    home.run(&["opt-out", "tracking"]).good();
    host.wait_for_log(" INFO tracking: nothing is sent: the setting 'enabled' is not true\n");
    host.send(PRINT);
    assert_eq!(receiver.wait_for(5, SILENCE).len(), 4);

    home.run(&["opt-in", "tracking"]).good();
    wait_until("opted in again", || host.log().matches("reports are sent ").count() == 2);
    host.send(PRINT);
    assert_eq!(kinds(&receiver, 5)[4], "print_started");
    assert_eq!(home.settings(), settings);
    assert_eq!(home.identity(), (salted, salt));

    host.signal("TERM");
    let log = host.wait(Duration::from_secs(5)).log();
    assert_eq!(kinds(&receiver, 6)[5], "shutdown");
    assert!(receiver.requests().iter().all(|request| request.path.contains(&id)));
    assert!(log.ends_with(" INFO 6 reports sent, 0 failed, 0 dropped\n"), "{log}");
}

#[test]
fn what_waits_when_the_user_opts_out_is_thrown_away() {
    let port = dead_port();
    let home = Home::opted_in(&format!("http://127.0.0.1:{port}/track/{{id}}/{{event}}/"));
    let mut host = home.start();
    for line in [ENVIRONMENT, STARTED, PRINT] {
        host.send(line);
    }
    host.wait_for_log("DEBUG tracking: print_started");

    home.run(&["opt-out", "tracking"]).good();
    // The first of the four is being carried (or, on a slow machine, not yet, or has been given up): it is not
    // tried again, though somebody listens now.
    host.wait_for_log(" waiting reports were discarded\n");
    let receiver = Receiver::start(port).unwrap();
    assert!(receiver.wait_for(1, Duration::from_millis(1500)).is_empty());
    let began = Instant::now();
    host.close();
    let log = host.wait(LONG).log();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(log.contains(" INFO 0 reports sent, 0 failed, 4 dropped\n"), "{log}");
    assert!(receiver.requests().is_empty());
}

#[test]
fn each_variable_keeps_everything_from_being_sent() {
    for name in ["CI", "OCTOPRINT_DISABLE_TRACKING", "OCTOPRINT_TRACKING_DISABLED", "DO_NOT_TRACK"] {
        let receiver = receiver();
        let home = Home::opted_in(&receiver.url());
        let input = format!("{ENVIRONMENT}\n{STARTED}\n{PRINT}\n");
        let status = |value: &str| home.command(&["status"]).env(name, value).run().good();
        let run = |value: &str| home.command(&["run", "--events", "-"]).env(name, value).run_with(input.as_bytes());

        for value in ["1", "0"] {
            let log = run(value).log();
            let expected = format!(" INFO tracking: nothing is sent: the environment variable {name} is set\n");
            assert_eq!(log, expected + " INFO 0 reports sent, 0 failed, 0 dropped\n");
            let expected = format!("tracking: nothing is sent: the environment variable {name} is set here\n");
            assert!(status(value).contains(&expected), "{}", status(value));
        }
        assert!(receiver.requests().is_empty());

        run("").log();
        assert_eq!(kinds(&receiver, 5), ["ping", "pong", "startup", "print_started", "shutdown"]);
        let expected = "tracking: reports are sent while the host runs: the setting 'enabled' is true\n";
        assert!(status("").contains(expected), "{}", status(""));
    }
}

#[test]
fn opting_in_under_a_variable_says_that_it_wins() {
    let home = Home::new();
    let out = home.command(&["opt-in", "tracking"]).env("DO_NOT_TRACK", "1").run().good();
    assert!(out.contains("\nNote: DO_NOT_TRACK is set here; a host that runs with it sends nothing.\n"), "{out}");
    assert_eq!(home.settings(), json!({"enabled": true}));
}

#[test]
fn opting_out_of_a_name_that_is_not_there_does_not_pretend() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let message = home.run(&["opt-out", "trackin"]).error();
    let expected = "there is no plugin 'trackin' here, so nothing was changed; did you mean 'tracking'? 'glassbox list' shows which plugins there are";
    assert_eq!(message, expected);
    assert_eq!(files(&home.root().join("settings")), [home.settings_file()]);

    // The plugin may be gone; the settings are enough.
    fs::remove_file(home.plugin("tracking")).unwrap();
    home.run(&["opt-out", "tracking"]).good();
    assert_eq!(home.settings()["enabled"], json!(false));
}
