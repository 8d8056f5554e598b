//! The host is killed at random moments, again and again, under load: whatever it was doing, its files
//! are sound, and it can start again without help.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, STARTED, receiver, wait_until};
use glassbox::home::grants;
use glassbox::home::settings::Stored;
use glassbox_tests::counter;
use serde_json::json;
use std::fs;
use std::time::Duration;

const TIMES: usize = 200;
const VERSIONS: usize = 7;

fn version(round: usize) -> Vec<u8> {
    counter(&format!("round-{}", round % VERSIONS))
}

/// One thread for each thing that may be half written when it is killed: events, settings, versions.
fn disturb(process: &mut Process, home: &Home, round: usize) {
    process.send(ENVIRONMENT);
    process.send(STARTED);
    for seq in 0..200 {
        process.send(PRINT);
        process.send(&format!(r#"{{"event":"Count","payload":{{"seq":{seq}}}}}"#));
    }
    // An id is minted and written in each round.
    let files = glassbox::home::Home::at(home.root());
    let settings = json!({"enabled": true, "server": "http://127.0.0.1:9/{id}/{event}", "round": round});
    fs::write(files.settings_file("tracking"), settings.to_string()).unwrap();
    let new = home.root().join("new");
    fs::write(&new, version(round)).unwrap();
    fs::rename(&new, home.plugin("counter")).unwrap();
}

fn assert_sound(home: &Home, round: usize) {
    let files = glassbox::home::Home::at(home.root());
    for name in ["tracking", "counter"] {
        match files.settings(name) {
            Stored::Good(settings) => assert!(settings.enabled(), "round {round}"),
            other => panic!("round {round}: {other:?}"),
        }
        assert!(grants::read(&files, name).unwrap().is_some(), "round {round}");
        let bytes = files.read_plugin(name).unwrap();
        glassbox_contract::examine(name, &bytes).unwrap();
        let state = fs::read(files.state_file(name)).unwrap_or(b"{}".to_vec());
        assert!(serde_json::from_slice::<serde_json::Value>(&state).is_ok(), "round {round}: {name}");
    }
    let verified = glassbox_journal::verify(&files.journal()).unwrap();
    if let Err(broken) = verified {
        panic!("round {round}: {broken}");
    }
    assert_eq!(glassbox_journal::broken_folders(&files.journal()).unwrap(), [], "round {round}");
}

/// Pauses that are spread over the first fifth of a second, the same in every run.
fn pause(round: usize) -> Duration {
    let mixed = (round as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    Duration::from_micros(mixed % 200_000)
}

#[test]
fn killed_two_hundred_times_it_starts_again_by_itself() {
    let home = Home::opted_in("http://127.0.0.1:9/{id}/{event}");
    fs::write(home.plugin("counter"), counter("first")).unwrap();
    home.run(&["opt-in", "counter"]).good();
    // Compile before anything is killed; from here on it is in the cache.
    for round in 0..VERSIONS {
        fs::write(home.plugin("counter"), version(round)).unwrap();
        home.run(&["list"]).good();
    }
    for round in 0..TIMES {
        let mut host = home.command(&["run", "--events", "-"]).start();
        disturb(&mut host, &home, round);
        std::thread::sleep(pause(round));
        host.signal("KILL");
        drop(host);
        assert_sound(&home, round);
    }
    // It was killed when it was at work, not before.
    let log = home.run(&["journal", "--json"]).good();
    let count = |what: &str| log.matches(&format!("\"what\":\"{what}\"")).count();
    println!("{} starts, {} loads, {} requests queued", count("started"), count("loaded"), count("queued"));
    assert!(
        count("started") > TIMES / 2 && count("loaded") > TIMES / 4 && count("queued") > TIMES,
        "too slow to be caught at work"
    );
    // And it works as if nothing had happened.
    let receiver = receiver();
    home.write_settings(json!({"enabled": true, "server": receiver.url()}).to_string());
    let mut host = home.start();
    host.send(PRINT);
    wait_until("a report", || receiver.requests().iter().any(|request| request.kind() == "print_started"));
    host.close();
    host.wait(LONG).log();
    assert_sound(&home, TIMES);
}
