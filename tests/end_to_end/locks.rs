//! The locks of a home: nobody else can hold them, none is waited for without end, and none leads anywhere else.

use crate::support::{Home, LONG, receiver, wait_until};
use glassbox::home::RunningHost;
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn with_mode(path: &Path, mode: u32) {
    fs::write(path, "").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_lock_that_others_can_hold_blocks_nobody() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let lock = home.root().join("settings/.lock");
    // As an earlier version made it; whoever can read it can lock it.
    with_mode(&lock, 0o644);
    let held = File::open(&lock).unwrap();
    held.lock().unwrap();
    let began = Instant::now();
    home.run(&["opt-out", "tracking"]).good();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(home.settings()["enabled"], false);
    assert_eq!(mode(&lock), 0o600);
    // From now on it is the same for all of ours.
    let held = File::open(&lock).unwrap();
    held.lock().unwrap();
    home.run(&["opt-in", "tracking"]).error();
}

#[test]
fn waiting_for_a_lock_has_an_end_and_says_that_nothing_was_changed() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let lock = home.root().join("settings/.lock");
    with_mode(&lock, 0o600);
    let held = File::open(&lock).unwrap();
    held.lock().unwrap();
    let before = home.settings();
    let error = home.run(&["opt-out", "tracking"]).error();
    let expected = format!(
        "another process has kept {} locked for 5 s; nothing was changed, and reports go on while a host runs; end that \
         process, a glassbox that hangs, and try again; to stop them meanwhile, stop the host, or start it with the \
         environment variable DO_NOT_TRACK=1",
        lock.display()
    );
    assert_eq!(error, expected);
    assert_eq!(home.settings(), before);
    drop(held);
    home.run(&["opt-out", "tracking"]).good();
}

#[test]
fn no_lock_leads_to_another_file() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let outside = home.0.write("outside", "untouched");
    let untouched = || assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    let lock = home.root().join("settings/.lock");
    symlink(&outside, &lock).unwrap();
    home.run(&["opt-out", "tracking"]).good();
    untouched();
    assert_eq!(home.settings()["enabled"], false);
    assert!(fs::symlink_metadata(&lock).unwrap().is_file(), "a lock of our own took its place");

    let lock = home.root().join("run.lock");
    symlink(&outside, &lock).unwrap();
    let error = home.run(&["run", "--events", "-"]).error();
    let expected = format!(
        "{} cannot be used: it is a symbolic link, and must be a regular file; check that no host runs with this home, \
         and remove it",
        lock.display()
    );
    assert_eq!(error, expected);
    untouched();
    assert!(!home.run(&["status"]).good().contains("a host runs"));

    let journal = home.root().join("journal");
    for file in ["lock", "head"] {
        let _ = fs::remove_dir_all(&journal);
        fs::create_dir(&journal).unwrap();
        symlink(&outside, journal.join(file)).unwrap();
        home.run(&["grant", "tracking"]);
        untouched();
    }
}

#[test]
fn what_must_be_known_of_a_running_host_is_in_its_lock() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let library = glassbox::home::Home::at(home.root());
    assert_eq!(library.running_host(), None);
    let lock = home.root().join("run.lock");
    with_mode(&lock, 0o644);
    fs::write(&lock, "a line that an earlier version has left, and that is longer than what is written now ....")
        .unwrap();
    assert_eq!(library.running_host(), None);

    let host = home.command(&["run", "--events", "-", "-v"]).env("DO_NOT_TRACK", "1").start();
    host.wait_for_log(" tracking: ");
    let about = RunningHost { pid: host.id(), veto: Some("DO_NOT_TRACK".into()), octoprints: vec![None] };
    assert_eq!(library.running_host(), Some(Ok(about)));
    assert_eq!(mode(&lock), 0o600);
    assert_eq!(
        fs::read_to_string(&lock).unwrap(),
        json!({"pid": host.id(), "veto": "DO_NOT_TRACK", "octoprints": [null]}).to_string() + "\n"
    );
    let second = home.run(&["run", "--events", "-"]).error();
    assert!(second.starts_with("another glassbox runs with the home "), "{second}");
    assert!(library.running_host().unwrap().is_ok(), "the second has not written over it");

    // Whatever others do to the file, it soon says the same again.
    let about = library.running_host();
    let lie = json!({"pid": 1, "veto": null, "octoprints": []}).to_string();
    for content in ["{", "", &lie, "gone", "another file"] {
        match content {
            "gone" => fs::remove_file(&lock).unwrap(),
            "another file" => {
                fs::write(home.root().join("other"), content).unwrap();
                fs::rename(home.root().join("other"), &lock).unwrap();
            }
            _ => fs::write(&lock, content).unwrap(),
        }
        wait_until(content, || library.running_host() == about);
    }
    let second = home.run(&["run", "--events", "-"]).error();
    assert!(second.starts_with("another glassbox runs with the home "), "{second}");
    host.signal("TERM");
    host.wait(LONG).log();
    assert_eq!(library.running_host(), None);

    let host = home.start();
    let about = RunningHost { pid: host.id(), veto: None, octoprints: vec![None] };
    assert_eq!(library.running_host(), Some(Ok(about)));
}

#[test]
fn there_is_one_host_for_a_home() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let host = home.start();
    host.wait_for_log(" INFO tracking: reports are sent");
    let error = home.run(&["run", "--events", "-"]).error();
    assert!(error.starts_with("another glassbox runs with the home "), "{error}");
    host.signal("TERM");
    host.wait(LONG);
}
