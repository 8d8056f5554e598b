//! What ends a collector, and what must not: signals, and an operator who has stopped reading.

use crate::support::{Collector, Folder, ID, LONG, day, number, pings, program, wait_for};
use nix::sys::signal::{Signal, kill};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

fn ended(child: &mut Child) -> std::process::ExitStatus {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if since.elapsed() > LONG {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A pipe whose reader has gone.
fn nobody() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_terminal_that_is_closed_ends_it_like_sigterm() {
    let folder = Folder::new("hangup");
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    kill(collector.pid(), Signal::SIGHUP).unwrap();
    wait_for("its end", || std::net::TcpStream::connect(&collector.address).is_err());
    let data = collector.stop();
    assert_eq!(pings(&data), 1);
    assert!(!data.join("status.socket").exists());
}

#[test]
fn who_starts_it_with_nohup_keeps_it() {
    let folder = Folder::new("nohup");
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_glassbox-collector"), "run", "--listen"])
        .args(["127.0.0.1:0", "--data"])
        .arg(folder.0.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    kill(pid, Signal::SIGHUP).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it has ended");
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(ended(&mut child).success());
}

#[test]
fn an_operator_who_has_stopped_reading_ends_nothing() {
    let folder = Folder::new("unread");
    let data = folder.0.join("data");
    // The database of places that is missing is told, to nobody.
    let mut command = program();
    command.args(["run", "--listen", "127.0.0.1:0", "--geo", "nowhere.mmdb", "--data"]).arg(&data);
    let mut child = command.stdout(Stdio::piped()).stderr(nobody()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on http://"), "{line:?}");
    kill(nix::unistd::Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert!(ended(&mut child).success());
    // The same of commands: what went wrong is in the exit status.
    for arguments in
        [&["show", ID, "--data", "nowhere"][..], &["status", "--data", "nowhere"], &["doctor", "--data", "nowhere"]]
    {
        let status = program().args(arguments).stdout(nobody()).stderr(nobody()).status().unwrap();
        assert_eq!(status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
#[ignore = "takes a minute: tests/full/run"]
fn exports_that_somebody_removes_are_made_again() {
    let folder = Folder::new("removed");
    let collector = Collector::start(&folder, "");
    let file = collector.data.join("exports/instance_stats_30d.json");
    wait_for("the exports", || file.exists());
    let began = Instant::now();
    fs::remove_dir_all(collector.data.join("exports")).unwrap();
    wait_for("the exports, again", || file.exists());
    println!("| the folder of the exports removed | made again after {0} s | {0} s |", began.elapsed().as_secs());
}

#[test]
fn a_day_is_never_read_with_a_shared_file_of_other_days() {
    let (folder, other) = (Folder::new("shared"), "22222222-2222-4333-8444-555555555555");
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{ID}/startup/?python=3.1")), 204);
    let data = collector.stop();
    let shared = data.join("shared.sqlite");
    let older = fs::read(&shared).unwrap();
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{other}/startup/?python=3.2")), 204);
    collector.stop();
    // From an older backup than the day: whose the newer rows are is not known, and they never become a third one's.
    fs::write(&shared, older).unwrap();
    for end in ["sqlite-wal", "sqlite-shm"] {
        let _ = fs::remove_file(shared.with_extension(end));
    }
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{}/startup/?python=3.3", other.replace('2', "3"))), 204);
    collector.stop();
    let show = |id: &str| {
        let output = program().args(["show", id, "--data"]).arg(&data).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let third = show(&other.replace('2', "3"));
    assert!(third.contains("3.3") && !third.contains("3.2"), "{third}");
    assert!(show(ID).contains("3.1") && !show(ID).contains("3.3"));
    assert_eq!(number(&day(&data), "SELECT count(*) FROM report"), 3);
    assert!(fs::read_to_string(folder.0.join("log")).unwrap().contains("is older than the days"));
    // And without one nothing starts, and nothing is written.
    fs::remove_file(&shared).unwrap();
    for arguments in [&["run", "--listen", "127.0.0.1:0"][..], &["import", "--format", "octoprint-nginx", "/dev/null"]]
    {
        let log = fs::File::create(folder.0.join("said")).unwrap();
        let mut child = program().args(arguments).arg("--data").arg(&data).stderr(log).spawn().unwrap();
        let refused = !ended(&mut child).success();
        let said = fs::read_to_string(folder.0.join("said")).unwrap();
        assert!(arguments[0] == "import" || refused && said.contains("shared.sqlite is missing"), "{said}");
        assert!(!shared.exists(), "{arguments:?}");
    }
    let doctor = program().arg("doctor").arg("--data").arg(&data).output().unwrap();
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("shared.sqlite is missing"));
}

#[test]
fn nobody_but_its_owner_uses_a_store() {
    if !nix::unistd::Uid::effective().is_root() {
        return crate::skip::skip("only root can make another user's folder");
    }
    let folder = Folder::new("owner");
    let data = folder.0.join("data");
    fs::create_dir_all(data.join("days")).unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    for made in [&data.join("days"), &data] {
        std::os::unix::fs::chown(made, Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    }
    let log = folder.0.join("log");
    fs::write(&log, "").unwrap();
    for arguments in [
        &["run", "--listen", "127.0.0.1:0"][..],
        &["status"],
        &["doctor"],
        &["show", ID],
        &["forget", ID],
        &["exports", "--out", "out"],
        &["backup", "out"],
        &["import", "--format", "octoprint-nginx", log.to_str().unwrap()],
    ] {
        let log = fs::File::create(folder.0.join("said")).unwrap();
        let mut command = program();
        command.args(arguments).arg("--data").arg(&data).current_dir(&folder.0);
        let status = ended(&mut command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        let said = fs::read_to_string(folder.0.join("said")).unwrap();
        assert_eq!(status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("belongs to the user nobody") && said.contains("sudo -u 'nobody'"),
            "{arguments:?}: {said}"
        );
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "{arguments:?} has made something");
    }
}
