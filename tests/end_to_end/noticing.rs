//! Changes of which the system sends no notification: behind links and mounts, on file systems that others write to,
//! where notifications are used up. They are noticed all the same, within 10 s; and where there can be none, an idle host
//! sleeps.

use crate::namespace::{own_mounts, sh};
use crate::support::{ENVIRONMENT, Home, PRINT, Process, Program, STARTED, receiver, without_a_say};
use glassbox::home::Home as Place;
use glassbox::plugins::watcher::unseen;
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::skip;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Within this time everything is noticed.
const SOON: Duration = Duration::from_secs(10);

/// A home in which nobody has opted in; id and salt were made before, so that the host has nothing to write.
fn home() -> Home {
    let home = Home::opted_in("http://127.0.0.1:9/{id}/{event}/");
    home.run(&["run", "--events", "-"]).log();
    let mut settings = home.settings();
    assert!(settings["unique_id"].is_string(), "{settings}");
    settings["enabled"] = json!(false);
    home.write_settings(settings.to_string());
    home
}

/// The settings of a home with these changes.
fn changed(home: &Home, changes: Value) -> String {
    let mut settings = home.settings();
    settings.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    settings.to_string()
}

fn on(home: &Home, receiver: &Receiver) -> String {
    changed(home, json!({"enabled": true, "server": receiver.url()}))
}

fn start(program: Program) -> Process {
    let mut host = program.args(&["run", "--events", "-"]).start();
    host.wait_for_log(" tracking: ");
    host.send(ENVIRONMENT);
    host.send(STARTED);
    host
}

/// Print again and again until this is so, which must be soon; how long it took.
#[track_caller]
fn noticed(host: &mut Process, what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < SOON, "{what}: not noticed in {SOON:?}:\n{}", host.log());
        // Not too often, or reports are held back for that.
        host.send(PRINT);
        std::thread::sleep(Duration::from_secs(1));
    }
    println!("{what}: noticed after {:.1} s", began.elapsed().as_secs_f32());
}

/// The host of a home is on when `file` is written in place, obeys a switch and follows to another server.
#[track_caller]
fn is_followed(home: &Home, file: &Path) {
    let (first, second) = (receiver(), receiver());
    let mut host = start(home.command(&[]));
    fs::write(file, on(home, &first)).unwrap();
    noticed(&mut host, "switched on", || !first.requests().is_empty());
    fs::write(file, changed(home, json!({"server": second.url()}))).unwrap();
    noticed(&mut host, "another server", || !second.requests().is_empty());
    let mut is_reported = || {
        let before = second.requests().len();
        host.send(PRINT);
        // A report that left would be here by then.
        second.wait_for(before + 1, Duration::from_secs(1)).len() > before
    };
    assert!(is_reported(), "this can fail");
    fs::write(file, changed(home, json!({"events": {"printjob": false}}))).unwrap();
    let began = Instant::now();
    while is_reported() {
        std::thread::sleep(Duration::from_secs(1));
        assert!(began.elapsed() < SOON, "a switch: not noticed");
    }
    println!("a switch: noticed after {:.1} s", began.elapsed().as_secs_f32());
}

/// Settings elsewhere, to which a link in the home leads.
fn linked(home: &Home) -> PathBuf {
    let file = home.0.path("dotfiles.json");
    fs::rename(home.settings_file(), &file).unwrap();
    symlink(&file, home.settings_file()).unwrap();
    file
}

#[test]
fn behind_a_symbolic_link() {
    let home = home();
    let file = linked(&home);
    is_followed(&home, &file);
}

#[test]
fn under_another_name() {
    let home = home();
    let file = home.0.path("backup.json");
    fs::hard_link(home.settings_file(), &file).unwrap();
    is_followed(&home, &file);
}

#[test]
fn a_link_that_is_replaced_and_a_folder_that_is_pointed_elsewhere() {
    let (home, receiver) = (home(), receiver());
    // As Kubernetes does it: all links lead through one folder, which is a link itself.
    let write = |version: &str, settings: String| home.0.write(&format!("volume/{version}/tracking.json"), settings);
    write("1", fs::read_to_string(home.settings_file()).unwrap());
    write("2", on(&home, &receiver));
    let point = |version: &str| {
        symlink(version, home.0.path("volume/..new")).unwrap();
        fs::rename(home.0.path("volume/..new"), home.0.path("volume/..data")).unwrap();
    };
    point("1");
    fs::remove_file(home.settings_file()).unwrap();
    symlink(home.0.path("volume/..data/tracking.json"), home.settings_file()).unwrap();
    let mut host = start(home.command(&[]));
    point("2");
    noticed(&mut host, "another folder", || !receiver.requests().is_empty());
    let second = crate::support::receiver();
    let file = home.0.write("other.json", changed(&home, json!({"server": second.url()})));
    symlink(file, home.0.path("home/new")).unwrap();
    fs::rename(home.0.path("home/new"), home.settings_file()).unwrap();
    noticed(&mut host, "another link", || !second.requests().is_empty());
}

#[test]
fn a_home_that_is_reached_by_a_link_which_is_pointed_elsewhere() {
    let (home, receiver, second) = (home(), receiver(), receiver());
    let (link, other) = (home.0.path("link"), home.0.path("other"));
    sh(&format!("cp -a {} {}", home.root().display(), other.display())).unwrap();
    fs::write(other.join("settings/tracking.json"), on(&home, &receiver)).unwrap();
    symlink(home.root(), &link).unwrap();
    let mut host = start(crate::support::program(&["--home", link.to_str().unwrap()]));
    if unseen::why(&Place::at(home.root()), true).is_none() {
        // As where systemd makes the home: /var/lib/glassbox leads to /var/lib/private/glassbox.
        assert_asleep(&host);
    }
    fs::remove_file(&link).unwrap();
    symlink(other, &link).unwrap();
    noticed(&mut host, "another home", || !receiver.requests().is_empty());
    fs::rename(home.0.path("other"), home.0.path("moved")).unwrap();
    symlink("moved", home.0.path("new")).unwrap();
    fs::write(home.0.path("moved/settings/tracking.json"), on(&home, &second)).unwrap();
    fs::rename(home.0.path("new"), &link).unwrap();
    noticed(&mut host, "one that replaces it", || !second.requests().is_empty());
}

#[test]
fn a_file_that_is_mounted_and_changed_where_it_comes_from() {
    let home = home();
    let file = home.0.path("outside.json");
    fs::copy(home.settings_file(), &file).unwrap();
    if let Err(why) = own_mounts() {
        return skip(&why);
    }
    sh(&format!("mount --bind {} {}", file.display(), home.settings_file().display())).unwrap();
    is_followed(&home, &file);
}

#[test]
fn what_is_mounted_while_the_host_runs() {
    let (home, receiver) = (home(), receiver());
    if let Err(why) = own_mounts() {
        return skip(&why);
    }
    let mut host = start(home.command(&[]));
    let other = home.0.write("other/tracking.json", on(&home, &receiver));
    let settings = home.root().join("settings");
    sh(&format!("mount --bind {} {}", other.parent().unwrap().display(), settings.display())).unwrap();
    noticed(&mut host, "a folder", || !receiver.requests().is_empty());
    let (second, third) = (crate::support::receiver(), crate::support::receiver());
    let file = home.0.write("file.json", changed(&home, json!({"server": second.url()})));
    sh(&format!("mount --bind {} {}", file.display(), home.settings_file().display())).unwrap();
    noticed(&mut host, "a file", || !second.requests().is_empty());
    fs::write(&file, changed(&home, json!({"server": third.url()}))).unwrap();
    noticed(&mut host, "its source", || !third.requests().is_empty());
    let before = receiver.requests().len();
    sh(&format!("umount {}", home.settings_file().display())).unwrap();
    noticed(&mut host, "it is gone", || receiver.requests().len() > before);
}

#[test]
fn an_overlay_whose_upper_folder_is_changed() {
    let (home, receiver) = (home(), receiver());
    if let Err(why) = own_mounts() {
        return skip(&why);
    }
    let (low, over) = (home.0.path("low"), home.0.path("over"));
    let (low, over, root) = (low.display(), over.display(), home.root());
    let root = root.display();
    let mounted = sh(&format!(
        "mkdir {low} {over} && mount -t tmpfs none {over} && mkdir {over}/up {over}/work && cp -a {root}/. {over}/up \
         && mount -t overlay overlay -o lowerdir={low},upperdir={over}/up,workdir={over}/work {root}"
    ));
    if let Err(why) = mounted {
        return skip(&why);
    }
    let doctor = home.run(&["doctor"]).out;
    assert!(
        doctor.contains("watching: a host looks at its files every 5 s: ") && doctor.contains(" is on overlay, "),
        "{doctor}"
    );
    let mut host = start(home.command(&[]));
    fs::write(home.0.path("over/up/settings/tracking.json"), on(&home, &receiver)).unwrap();
    noticed(&mut host, "the upper folder", || !receiver.requests().is_empty());
}

const NO_LIMIT: &str = "there is no user namespace in which inotify could be limited";

fn can_limit() -> bool {
    let probe = ["--user", "--map-root-user", "sh", "-ec", "echo 0 > /proc/sys/user/max_inotify_instances"];
    Command::new("unshare").args(probe).output().is_ok_and(|output| output.status.success())
}

/// The program where a limit of inotify is this low, by a user namespace.
fn limited(home: &Path, limit: &str, most: u32) -> Program {
    let script = format!("echo {most} > /proc/sys/user/{limit} && exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-ec", &script, env!("CARGO_BIN_EXE_glassbox"), "--home"]);
    command.arg(home);
    without_a_say(command)
}

#[test]
fn notifications_that_are_used_up() {
    if !can_limit() {
        return skip(NO_LIMIT);
    }
    for (limit, most, name) in [
        ("max_inotify_instances", 0, "max_user_instances"),
        ("max_inotify_watches", 0, "max_user_watches"),
        ("max_inotify_watches", 2, "max_user_watches"),
    ] {
        let (home, receiver) = (home(), receiver());
        let doctor = limited(&home.root(), limit, most).args(&["doctor"]).run().out;
        assert!(doctor.contains(&format!("warn     watching: the system does not notify this program of changes: other programs have used up fs.inotify.{name} (it is ")), "{doctor}");
        assert!(doctor.contains(&format!("do: run 'sudo sysctl fs.inotify.{name}=")), "{doctor}");
        assert!(doctor.contains("into /etc/sysctl.d/"), "{doctor}");
        let mut host = start(limited(&home.root(), limit, most));
        home.write_settings(on(&home, &receiver));
        noticed(&mut host, limit, || !receiver.requests().is_empty());
        let log = host.log();
        assert_eq!(log.matches(&format!("fs.inotify.{name}=")).count(), 2, "once, and how to keep it: {log}");
    }
}

#[test]
fn one_notification_for_the_folders_and_none_for_the_link_that_leads_to_them() {
    if !can_limit() {
        return skip(NO_LIMIT);
    }
    let (home, receiver) = (home(), receiver());
    let (link, other) = (home.0.path("link"), home.0.path("other"));
    sh(&format!("cp -a {} {}", home.root().display(), other.display())).unwrap();
    fs::write(other.join("settings/tracking.json"), on(&home, &receiver)).unwrap();
    symlink(home.root(), &link).unwrap();
    let mut host = start(limited(&link, "max_inotify_instances", 1));
    fs::remove_file(&link).unwrap();
    symlink(other, &link).unwrap();
    noticed(&mut host, "another home", || !receiver.requests().is_empty());
    assert!(!host.log().contains("inotify"), "{}", host.log());
}

#[test]
fn no_open_file_left_is_told_from_no_notification() {
    let home = home();
    let mut command = Command::new("sh");
    let script = "for limit in 16 15 14 13 12 11 10 9 8 7 6 5; do ulimit -n $limit; \"$0\" \"$@\" || true; done";
    command.args(["-c", script, env!("CARGO_BIN_EXE_glassbox"), "--home"]).arg(home.root()).arg("doctor");
    let out = without_a_say(command).run().out;
    assert!(out.contains(": its limit of open files is used up; "), "{out}");
    assert!(!out.contains("fs.inotify."), "{out}");
}

/// How often each thread of a process went to sleep so far.
fn sleeps(process: &Process) -> BTreeMap<String, u64> {
    let threads = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap().flatten();
    let count = |thread: fs::DirEntry| -> Option<(String, u64)> {
        let text = fs::read_to_string(thread.path().join("status")).ok()?;
        let find = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some((find("Name:")?.into(), find("voluntary_ctxt_switches:")?.parse().ok()?))
    };
    threads.filter_map(count).collect()
}

/// The threads that wake up in two of the watcher's periods, and how often.
fn wakes(process: &Process) -> BTreeMap<String, u64> {
    let before = sleeps(process);
    std::thread::sleep(Duration::from_secs(11));
    let since = |(name, count): (String, u64)| (count - before.get(&name).unwrap_or(&0), name);
    sleeps(process).into_iter().map(since).filter(|(count, _)| *count > 0).map(|(count, name)| (name, count)).collect()
}

/// Nothing wakes it, once what was done before has come to its end, which can take a while on a busy machine.
#[track_caller]
fn assert_asleep(process: &Process) {
    std::thread::sleep(Duration::from_secs(2));
    let seen: Vec<_> = (0..4).map(|_| wakes(process)).take_while(|wakes| !wakes.is_empty()).collect();
    assert!(seen.len() < 4, "{seen:?}");
}

#[test]
fn nothing_wakes_an_idle_host_where_all_is_ordinary() {
    let home = home();
    if let Some(why) = unseen::why(&Place::at(home.root()), true) {
        return skip(&format!("temporary files are on no ordinary disk here: {why}"));
    }
    let doctor = home.run(&["doctor"]).out;
    assert!(doctor.contains("ok       watching: a host notices changes of its files at once\n"), "{doctor}");
    let host = start(home.command(&[]));
    assert_asleep(&host);
    let file = linked(&home);
    assert!(wakes(&host).contains_key("watcher"), "this can fail");
    let link = format!("{} is a symbolic link\n", home.settings_file().display());
    let doctor = home.run(&["doctor"]).out;
    assert!(doctor.contains(&format!("watching: a host looks at its files every 5 s: {link}")), "{doctor}");
    // An ordinary file in its place ends that.
    fs::rename(file, home.settings_file()).unwrap();
    assert_asleep(&host);
}
