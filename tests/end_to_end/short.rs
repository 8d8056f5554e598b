//! What a machine is short of, or refuses: room on its disk, open files, a place for temporary files, somebody to talk to.
//! The message says so with what to do about it, and no file is blamed for it.

use crate::namespace::{own_mounts, sh};
use crate::octoprint::key_file;
use crate::push_server::KEY;
use crate::refused::{can_refuse, refusing};
use crate::scripted_broker::ScriptedBroker;
use crate::support::{
    ENVIRONMENT, Home, Output, PRINT, Program, STARTED, kinds, program, receiver, wait_until, without_a_say,
};
use glassbox_tests::skip;
use std::fs;
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The program, started by this line of shell, in which `"$@"` stands for it.
fn by(line: &str, home: &Home, arguments: &[&str]) -> Program {
    let program = home.command(arguments).into_command();
    let mut shell = Command::new("sh");
    shell.args(["-c", line, "sh"]).arg(program.get_program()).args(program.get_args());
    without_a_say(shell)
}

#[track_caller]
fn says(output: &Output, what: &str) {
    assert!(output.status == Some(2) && output.err.contains(what), "{:?} {}", output.status, output.err);
    assert_eq!(output.err.lines().count(), 1, "{}", output.err);
}

#[test]
fn a_file_that_cannot_be_opened_now_is_not_moved_aside() {
    if !can_refuse() {
        return;
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    home.run(&["run", "--events", "-"]).good();
    let before = fs::read_to_string(home.settings_file()).unwrap();
    let refusing = |file: &Path, error: &str, arguments: &[&str]| {
        let how = format!("error={error}");
        refusing("openat", &how, &home, arguments).traced_at(file).run()
    };
    for (error, advice) in [("EMFILE", "'ulimit -n'"), ("ENFILE", "fs.file-max"), ("EIO", "try again")] {
        for arguments in [&["opt-in", "tracking"][..], &["settings", "tracking", "ping=60"]] {
            says(&refusing(&home.settings_file(), error, arguments), advice);
            assert_eq!(fs::read_to_string(home.settings_file()).unwrap(), before, "{error}");
        }
        let status = refusing(&home.settings_file(), error, &["status"]).good();
        assert!(status.contains("tracking.json is damaged: it cannot be read now: "), "{status}");
        assert_eq!(fs::read_dir(home.root().join("settings")).unwrap().filter(is_json).count(), 1);
    }
    let output = refusing(&home.identity_file(), "EMFILE", &["run", "--events", "-"]);
    assert!(output.err.contains("'ulimit -n'") && !output.err.contains("a new one is made"), "{}", output.err);
    let lock = home.root().join("run.lock");
    let output = refusing(&lock, "EMFILE", &["run", "--events", "-"]);
    says(&output, "run.lock cannot be used: Too many open files (os error 24); raise the limit of open files with");
}

fn is_json(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().unwrap().file_name().to_string_lossy().contains("json")
}

#[test]
fn a_disk_that_cannot_be_written_is_what_is_named() {
    if let Err(why) = own_mounts() {
        return skip(&why);
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    let disk = home.0.path("disk");
    fs::create_dir(&disk).unwrap();
    let (root, disk) = (home.root(), disk.display());
    sh(&format!("mount -t tmpfs -o size=2m none {disk} && cp -a {} {disk}/", root.display())).unwrap();
    sh(&format!("mount --bind {disk}/home {} && (cat /dev/zero >{disk}/fill || true) 2>/dev/null", root.display()))
        .unwrap();
    says(&home.run(&["settings", "tracking", "ping=60"]), "; make room on the disk");
    let doctor = home.run(&["doctor"]);
    assert!(
        doctor.status == Some(1) && doctor.out.contains("is full, so neither settings nor the journal"),
        "{}",
        doctor.out
    );
    fs::remove_file(home.0.path("disk/fill")).unwrap();
    assert!(!home.run(&["doctor"]).out.contains("is full"));

    sh(&format!("mount -o remount,ro,bind {}", root.display())).unwrap();
    let mounted = "; have its file system mounted so that it can be written";
    says(
        &home.run(&["run", "--events", "-"]),
        &format!("run.lock cannot be used: Read-only file system (os error 30){mounted}"),
    );
    for arguments in [&["settings", "tracking", "ping=60"][..], &["grant", "tracking"]] {
        let output = home.run(arguments);
        assert!(output.status == Some(2) && output.err.contains(mounted), "{}", output.err);
    }
    let doctor = home.run(&["doctor"]).out;
    assert!(doctor.contains("do: have its file system mounted") && !doctor.contains("chown"), "{doctor}");
    sh(&format!("umount {} {disk}", root.display())).unwrap();
}

#[test]
fn nobody_to_talk_to_is_told_apart_from_nothing_done() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    home.run(&["run", "--events", "-"]).good();
    let full = "exec \"$@\" >/dev/full";
    for arguments in [&["opt-out", "tracking"][..], &["status"], &["status", "--json"], &["journal"]] {
        let said = by(full, &home, arguments).run();
        says(&said, "cannot write to standard output ('glassbox status' shows what holds now): ");
    }
    assert_eq!(home.settings()["enabled"], false, "it was done");
}

#[test]
fn a_limit_on_the_size_of_files_is_raised_or_told() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let log = by("ulimit -S -f 4; exec \"$@\"", &home, &["run", "--events", "-"]).run().log();
    assert!(!log.contains("LimitFSIZE"), "{log}");
    // The signal that would end it is ignored here, or there would be no log at its end.
    let log = by("trap '' XFSZ; ulimit -f 40000; exec \"$@\"", &home, &["run", "--events", "-"]).run().log();
    assert!(
        log.contains(" KiB, and the system ends this program when one gets larger; raise that with 'ulimit -f'"),
        "{log}"
    );
}

#[test]
fn without_a_place_for_temporary_files_the_demo_names_the_variable() {
    let home = Home::new();
    let demo = home.command(&["demo", "--speed", "0"]).env("TMPDIR", home.0.path("nowhere")).run();
    says(&demo, "; name a folder that can be written with $TMPDIR");
}

#[test]
fn a_lock_is_taken_though_a_signal_came_in_between() {
    if !can_refuse() {
        return;
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    for arguments in [&["run", "--events", "-"][..], &["opt-out", "tracking"]] {
        let output = refusing("flock", "error=EINTR:when=1", &home, arguments).run();
        assert_eq!(output.status, Some(0), "{}", output.err);
    }
}

#[test]
fn where_there_are_no_notifications_at_all_no_folder_is_blamed() {
    if !can_refuse() {
        return;
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    for error in ["ENOSYS", "EPERM"] {
        let how = format!("error={error}");
        let log = refusing("inotify_init1", &how, &home, &["run", "--events", "-"]).run().log();
        assert!(log.contains("run it where inotify works") && !log.contains("readable"), "{log}");
    }
}

#[test]
fn a_broker_that_hangs_up_at_once_may_speak_tls() {
    let broker = ScriptedBroker::start(|client| {
        client.read();
        let _ = client.stream.shutdown(Shutdown::Both);
    });
    let (home, _receiver) = broker.home("octoPrint/", "");
    let host = home.command(&["run"]).start();
    host.wait_for_log(
        "trying again: it closed the connection; if it speaks TLS at this port, begin the URL with mqtts://",
    );
}

#[test]
fn an_octoprint_that_hangs_up_at_once_may_speak_tls() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    std::thread::spawn(move || server.incoming().for_each(drop));
    let key = key_file(&home, KEY);
    let host = home.command(&["run", "--octoprint", &url, "--api-key-file"]).arg(key).start();
    host.wait_for_log("trying again: it closed the connection without an answer; if it speaks TLS at this port, begin");
}

#[test]
fn no_argument_makes_it_panic() {
    use std::os::unix::ffi::OsStrExt;
    for argument in [&b"\xff"[..], b"--h\xff", b"status\xff", b""] {
        let output = program(&[]).arg(std::ffi::OsStr::from_bytes(argument)).run();
        assert!(output.status == Some(2) && output.err.starts_with("error: "), "{:?} {}", output.status, output.err);
    }
}

/// As a process inherits it from some that start services: how the processes end that it starts, nobody tells it then.
#[test]
fn nothing_is_lost_where_the_end_of_processes_is_not_told() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let tool = home.0.write("vcgencmd", "#!/bin/sh\necho throttled=0x50000\n");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    home.0.write("home/glassbox.toml", format!("vcgencmd = {tool:?}\n"));
    let program = home.command(&["doctor"]).into_command();
    let mut ignoring = Command::new("env");
    ignoring.arg("--ignore-signal=CHLD").arg(program.get_program()).args(program.get_args());
    let doctor = without_a_say(ignoring).run().out;
    assert!(doctor.contains("ok       plugin tracking: it loads") && doctor.contains("says 0x50000"), "{doctor}");
}

#[test]
fn a_state_that_cannot_be_read_now_is_waited_for() {
    if !can_refuse() {
        return;
    }
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let state = home.root().join("state/tracking.json");
    let mut first = home.start();
    first.send(ENVIRONMENT);
    first.send(STARTED);
    kinds(&receiver, 3);
    wait_until("its state is stored", || {
        fs::read_to_string(&state).is_ok_and(|text| text.contains("server_run\":true"))
    });
    // Killed, so that the run of the server goes on.
    drop(first);
    let stored = fs::read(&state).unwrap();

    let mut host = refusing("openat", "error=EMFILE", &home, &["run", "--events", "-"]).traced_at(&state).start();
    host.wait_for_log(
        "tracking.json cannot be read now: Too many open files (os error 24); raise the limit of open files",
    );
    let said = home.run(&["status"]).good();
    assert!(said.contains("cannot be read now"), "{said}");
    assert_eq!(fs::read(&state).unwrap(), stored);
    // Its files can be opened again: the tracer is gone, and the host goes on.
    Command::new("kill").arg("-KILL").arg(host.id().to_string()).status().unwrap();
    host.wait_for_log(" INFO tracking: reports are sent");
    host.send(PRINT);
    assert_eq!(kinds(&receiver, 4)[3], "print_started");
    host.close();
    wait_until("the host ends", || !home.run(&["status"]).good().contains("a host runs"));
    // That it started is known still, and reported once.
    let startups = receiver.requests().iter().filter(|request| request.kind() == "startup").count();
    assert_eq!(startups, 1, "{}", host.log());
}
