//! Where files cannot be locked: what stands in for each lock keeps others out, is made again, and is not left.

use crate::refused::{can_refuse, refusing};
use crate::support::{Home, LONG, Program, wait_until};
use std::fs::{self, File};

fn without_locks(home: &Home, arguments: &[&str]) -> Program {
    refusing("flock", "error=ENOLCK", home, arguments)
}

#[test]
fn a_file_that_stands_in_for_a_lock_keeps_others_out() {
    if !can_refuse() {
        return;
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    let held = home.root().join("settings/.lock.tmp");
    File::create(&held).unwrap();
    let before = home.settings();
    let error = without_locks(&home, &["settings", "tracking", "ping=60"]).run().error();
    assert!(error.contains("has kept") && error.contains("locked for 5 s"), "{error}");
    assert_eq!(home.settings(), before);
    fs::remove_file(&held).unwrap();
    without_locks(&home, &["settings", "tracking", "ping=60"]).run().good();
    assert_eq!(home.settings()["ping"], 60);
    assert!(!held.exists());

    without_locks(&home, &["grant", "tracking"]).run().good();
    let written = home.run(&["journal"]).good();
    assert!(written.contains("granted"), "{written}");
    let held = home.root().join("journal/lock.held");
    File::create(&held).unwrap();
    without_locks(&home, &["grant", "tracking"]).run();
    assert_eq!(home.run(&["journal"]).good(), written, "another process writes");
    fs::remove_file(&held).unwrap();
    without_locks(&home, &["grant", "tracking"]).run().good();
    assert_ne!(home.run(&["journal"]).good(), written);
    assert!(!held.exists());
}

#[test]
fn the_guard_of_a_home_is_made_again_and_touched_and_not_left() {
    if !can_refuse() {
        return;
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    let mut host = without_locks(&home, &["run", "--events", "-"]).start();
    host.wait_for_log(" tracking: ");
    let guard = home.root().join("run.pid");
    let content = fs::read(&guard).unwrap();
    fs::remove_file(&guard).unwrap();
    wait_until("it is made again", || fs::read(&guard).is_ok_and(|now| now == content));
    let touched = || fs::metadata(&guard).unwrap().modified().unwrap();
    let before = touched();
    wait_until("another machine sees that it runs", || touched() > before);
    host.close();
    host.wait(LONG).log();
    assert!(!guard.exists());

    // Left by a host that was killed; here files can be locked again.
    fs::write(&guard, content).unwrap();
    let _host = home.start();
    assert!(!guard.exists());
}
