//! What `status` says agrees with what leaves in odd surroundings too: parts of the home gone or broken, seen by somebody
//! else or on a read-only disk, and with changes that cross.

use crate::namespace::{own_mounts, sh};
use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, SILENCE, START, STARTED, kinds, receiver, wait_until};
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::{MISFIT, skip};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A host that has reported its start.
fn start(home: &Home, receiver: &Receiver) -> Process {
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    assert_eq!(kinds(receiver, 3), START);
    host
}

/// Whether a print is reported; `said` is what `status` said before.
fn agrees(said: &str, host: &mut Process, receiver: &Receiver) {
    let before = receiver.requests().len();
    host.send(PRINT);
    if said.contains("tracking: nothing is sent: ") {
        assert_eq!(receiver.wait_for(before + 1, SILENCE).len(), before, "{said}");
    } else {
        assert!(said.contains("tracking: reports are sent while") || said.contains("reports may be sent: "), "{said}");
        assert_eq!(receiver.wait_for(before + 1, LONG).len(), before + 1, "{said}");
    }
}

fn fifo(path: &Path) {
    // If there is something already, the host was faster.
    let _ = Command::new("mkfifo").arg(path).output().unwrap();
    assert!(path.exists());
}

#[test]
fn whatever_becomes_of_other_parts_of_the_home() {
    for part in ["plugins", "journal", "state", "cache", "plugins/tracking.wasm", "run.lock"] {
        for kind in ["gone", "a file", "a pipe"] {
            let (home, receiver) = (Home::new(), receiver());
            home.grant();
            home.write_settings(format!("{{\"enabled\": true, \"server\": \"{}\"}}", receiver.url()));
            let mut host = start(&home, &receiver);
            let path = home.root().join(part);
            fs::rename(&path, home.0.path("moved")).unwrap();
            match kind {
                "gone" => {}
                // The host may have put back what it needs.
                "a file" => drop(fs::write(&path, "garbage")),
                _ => fifo(&path),
            }
            let status = || home.command(&["status"]).env("DO_NOT_TRACK", "1").run().good();
            if part == "plugins/tracking.wasm" && kind == "gone" {
                // It is stopped with its file, as soon as the host has noticed.
                wait_until("status says nothing of it", || !status().contains("tracking: "));
                let before = receiver.requests().len();
                host.send(PRINT);
                assert_eq!(receiver.wait_for(before + 1, SILENCE).len(), before, "{part} is {kind}");
            } else {
                agrees(&status(), &mut host, &receiver);
            }
            // A no has an effect in any of these.
            home.run(&["opt-out", "tracking"]).good();
            let before = receiver.requests().len();
            host.send(PRINT);
            assert_eq!(receiver.wait_for(before + 1, SILENCE).len(), before, "{part} is {kind}");
            let said = home.run(&["status"]).good();
            assert!(!said.contains("reports are sent"), "{part} is {kind}: {said}");
            host.close();
            host.wait(LONG);
        }
    }
}

#[test]
fn on_a_read_only_disk_and_for_other_users() {
    if !is_root() {
        return skip("only root can mount, and be another user");
    }
    let (home, receiver) = (Home::new(), receiver());
    home.grant();
    home.write_settings(format!("{{\"enabled\": true, \"server\": \"{}\"}}", receiver.url()));
    let mut host = start(&home, &receiver);
    let view = home.0.path("view");
    fs::create_dir(&view).unwrap();
    let script = "mount --bind \"$1\" \"$2\" && mount -o remount,bind,ro \"$2\" && shift 2 && exec \"$@\"";
    let status = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(home.root()).arg(&view);
        command.args([env!("CARGO_BIN_EXE_glassbox"), "status", "--home"]).arg(&view).env("DO_NOT_TRACK", "1");
        crate::support::Program::from(command).run()
    };
    let out = status(script);
    if out.err.contains("mount") {
        return skip("nothing can be mounted here");
    }
    agrees(&out.good(), &mut host, &receiver);

    // Somebody who may see the folders and not what is in the files.
    for folder in ["", "home", "home/settings", "home/plugins", "home/grants", "home/state", "home/journal"] {
        fs::set_permissions(home.0.path(folder), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_glassbox")]);
    command.args(["status", "--home"]).arg(home.root()).env("DO_NOT_TRACK", "1");
    let out = crate::support::Program::from(command).run();
    if out.err.contains("setpriv") || out.err.contains("Permission denied (os error 13)") && out.out.is_empty() {
        return skip(&format!("the program cannot be run as another user here: {}", out.err));
    }
    let said = out.good();
    assert!(said.contains("tracking: reports may be sent: ") && said.contains("cannot be read here"), "{said}");
    agrees(&said, &mut host, &receiver);
}

/// What can be wrong with who a host is, and what is said of it.
const STRANGE: [(&str, &str); 7] = [
    ("a pipe", "cannot be used: it is not a regular file; move it away: a new one is made"),
    ("a folder", "cannot be used: it is not a regular file; move it away: a new one is made"),
    ("a device", "cannot be used: it is not a regular file; move it away: a new one is made"),
    ("somebody's", "belongs to another user, who may have written it; move it away: a new one is made"),
    ("a group's", "and may have done so; move it away: a new one is made; or 'chmod 600 "),
    ("everybody's", "and may have done so; move it away: a new one is made; or 'chmod 600 "),
    ("no id", "must be 1 to 64 letters, digits and '-'; remove it from there, and a new one is made"),
];

/// Make it so.
fn make_strange(home: &Home, kind: &str) {
    let file = home.identity_file();
    let file = file.as_path();
    let mode = |mode| fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    match kind {
        "somebody's" => chown(file, Some(54321), None).unwrap(),
        "a group's" => mode(0o620),
        "everybody's" => mode(0o666),
        "no id" => {
            let mut settings = home.settings();
            settings["unique_id"] = "it/is/me".into();
            home.write_settings(settings.to_string());
        }
        _ => {
            fs::remove_file(file).unwrap();
            match kind {
                "a folder" => fs::create_dir(file).unwrap(),
                "a pipe" => fifo(file),
                _ => sh(&format!("mknod {} c 1 5", file.display())).unwrap(),
            }
        }
    }
}

/// The rest of the line of `status` that begins with this.
fn said_of(home: &Home, start: &str) -> String {
    let said = home.run(&["status"]).good();
    said.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_else(|| panic!("{start}: {said}")).into()
}

/// A host that has heard of a start, and goes on for the sake of another plugin that does.
fn start_with_another(home: &Home) -> Process {
    fs::write(home.plugin("misfit"), MISFIT).unwrap();
    let library = glassbox::home::Home::at(home.root());
    glassbox::home::grants::grant(&library, "misfit", MISFIT).unwrap();
    let mut host = home.command(&["run", "--events", "-"]).start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    host.wait_for_log(" misfit: ");
    host
}

#[test]
fn a_host_that_cannot_know_who_it_is() {
    for (kind, reason) in STRANGE {
        if !is_root() && ["a device", "somebody's"].contains(&kind) {
            skip("only root can make a device, and give files away");
            continue;
        }
        let receiver = receiver();
        let home = Home::opted_in(&receiver.url());
        // Before there is an id, nothing is missing.
        assert!(said_of(&home, "tracking: ").starts_with("reports are sent while"), "{kind}");
        let mut host = start(&home, &receiver);
        let settings = fs::read(home.settings_file()).unwrap();
        make_strange(&home, kind);
        // It knows who it is, unless that is what was changed.
        if kind == "no id" {
            wait_until("status says so", || said_of(&home, "tracking: ").starts_with("nothing is sent: "));
        }
        agrees(&home.run(&["status"]).good(), &mut host, &receiver);
        let sent = receiver.requests().len() + usize::from(kind != "no id");
        host.close();
        host.wait(LONG);
        assert!(receiver.wait_for(sent + 1, SILENCE).len() <= sent, "{kind}: a shutdown and no more");

        // Nothing starts, and that is what is said.
        let sent = receiver.requests().len();
        let why = said_of(&home, "tracking: nothing is sent: ");
        assert!(why.contains(reason), "{kind}: {why}");
        let doctor = home.run(&["doctor"]);
        assert_eq!(doctor.status, Some(1), "{kind}: {}", doctor.out);
        assert!(doctor.out.contains("\nfail     identity tracking: "), "{kind}: {}", doctor.out);
        assert!(doctor.out.contains(&format!(" sending tracking: nothing is sent: {why}\n")), "{kind}: {}", doctor.out);
        let list = home.run(&["list"]).good();
        assert!(list.contains(&why), "{kind}: {list}");
        let lines = format!("{ENVIRONMENT}\n{STARTED}\n{PRINT}\n");
        let run = home.command(&["run", "--events", "-"]).run_with(lines.as_bytes());
        assert!(run.status == Some(2) && run.err.contains(&why), "{kind}: {}", run.err);

        // Another plugin starts.
        let mut host = start_with_another(&home);
        host.wait_for_log(&why);
        wait_until("status says so", || {
            let told = said_of(&home, "tracking: ");
            told.starts_with("nothing is sent: ") && told.contains(reason)
        });
        agrees(&home.run(&["status"]).good(), &mut host, &receiver);
        assert_eq!(receiver.requests().len(), sent, "{kind}");
        host.close();
        host.wait(LONG);

        // As it advises.
        match kind {
            "no id" => home.write_settings(&settings),
            "a group's" | "everybody's" => {
                fs::set_permissions(home.identity_file(), fs::Permissions::from_mode(0o600)).unwrap();
            }
            _ => fs::rename(home.identity_file(), home.0.path("away")).unwrap(),
        }
        assert!(said_of(&home, "tracking: ").starts_with("reports are sent while"), "{kind}");
        home.command(&["run", "--events", "-"]).run_with(lines.as_bytes()).good();
        assert!(receiver.requests().len() > sent, "{kind}");
    }
}

#[test]
fn a_plugin_that_would_not_start() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let (mut settings, good) = (home.settings(), home.settings());
    settings["ping"] = "often".into();
    home.write_settings(settings.to_string());
    let why = "plugin 'tracking' does not accept its settings: ping must be";
    for command in ["status", "list"] {
        let said = home.run(&[command]).good();
        assert!(said.contains(&format!("nothing is sent: {why}")) && !said.contains("reports are sent"), "{said}");
    }
    let doctor = home.run(&["doctor"]).out;
    assert!(doctor.contains(&format!("skipped  sending tracking: nothing is sent: {why}")), "{doctor}");
    assert!(doctor.contains(": nothing is sent there, and connecting would tell"), "{doctor}");
    let run = home.command(&["run", "--events", "-"]).run_with(format!("{ENVIRONMENT}\n{STARTED}\n").as_bytes());
    assert!(run.status == Some(2) && run.err.contains(why), "{}", run.err);
    assert!(receiver.requests().is_empty());
    home.write_settings(good.to_string());
    assert!(said_of(&home, "tracking: ").starts_with("reports are sent while"));
}

#[test]
fn a_host_that_can_neither_know_who_it_is_nor_say_so() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let _ = fs::remove_dir_all(home.root().join("state"));
    home.0.write("home/state", "no folder");
    let why = "the salt's file ";
    assert!(said_of(&home, "tracking: nothing is sent: ").starts_with(why));
    let host = start_with_another(&home);
    host.wait_for_log("plugin 'tracking' has no identity: ");
    let said = said_of(&home, "tracking: reports may be sent: ");
    assert!(said.starts_with("what the host runs is not known, and the salt's file "), "{said}");
    assert!(receiver.wait_for(1, SILENCE).is_empty());
}

#[test]
fn an_addition_to_the_settings_does_not_undo_a_no() {
    let home = Home::new();
    home.grant();
    home.write_settings("{\"enabled\": true}");
    let library = glassbox::home::Home::at(home.root());
    let changed = library.change_settings("tracking", |settings| {
        // Somebody says no by hand while we are at work.
        home.write_settings("{\"enabled\": false}");
        Ok(settings.set("ping", 60.into())?)
    });
    let error = format!("{:#}", changed.unwrap_err());
    assert!(error.contains("it was changed meanwhile"), "{error}");
    assert_eq!(home.settings()["enabled"], Value::Bool(false));
}

#[test]
fn a_host_that_cannot_tell_status_sends_nothing() {
    let (home, receiver) = (Home::new(), receiver());
    home.grant();
    let good = format!("{{\"enabled\": true, \"server\": \"{}\"}}", receiver.url());
    home.write_settings(&good);
    let mut host = start(&home, &receiver);
    let good = fs::read(home.settings_file()).unwrap();
    home.write_settings("{\"enabled\": true, \"ping\": \"often\"}");
    host.wait_for_log("switched off until its settings are valid");
    // What it has told can be neither replaced nor removed.
    let told = home.root().join("state/tracking.running.json");
    // The host may be saying it once more.
    wait_until("something in the way", || {
        let _ = fs::remove_file(&told);
        fs::create_dir_all(told.join("not-empty")).is_ok()
    });
    home.write_settings(good);
    host.wait_for_log("nothing is sent, as 'glassbox status' could not be told");
    let before = receiver.requests().len();
    host.send(PRINT);
    assert_eq!(receiver.wait_for(before + 1, SILENCE).len(), before);
    // As soon as it can be told, it goes on.
    fs::remove_dir_all(&told).unwrap();
    home.0.write("home/settings/other.json", "{}");
    wait_until("it goes on", || home.run(&["status"]).good().contains("tracking: reports are sent while"));
    let said = home.run(&["status"]).good();
    agrees(&said, &mut host, &receiver);
}

#[test]
fn a_link_to_a_device_is_not_written_through() {
    let receiver = receiver();
    let server = format!("server={}", receiver.url());
    let home = Home::opted_in(&receiver.url());
    let device = home.0.path("device");
    fifo(&device);
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::symlink_metadata(path).unwrap());
    let before = inode(&device);
    for name in ["settings/tracking.json", "state/tracking.json", "state/tracking.running.json", "journal/head"] {
        let path = home.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(&device, &path).unwrap();
        // Where that made new settings, reports would go to the real server, and each run would wait until it gives up.
        home.run(&["opt-in", "tracking"]).good();
        home.run(&["settings", "tracking", &server]).good();
        home.command(&["run", "--events", "-"]).run_with(format!("{ENVIRONMENT}\n{STARTED}\n").as_bytes());
        home.run(&["settings", "tracking", "ping=60"]);
        home.run(&["opt-out", "tracking"]).good();
        assert_eq!(inode(&device), before, "{name}");
    }
    // What this link leads to would be replaced, as it is the user's.
    let grant = home.root().join("grants/tracking.toml");
    fs::remove_file(&grant).unwrap();
    symlink(&device, &grant).unwrap();
    let error = home.run(&["grant", "tracking"]).error();
    assert!(error.contains("it is not a regular file"), "{error}");
    assert_eq!(inode(&device), before);
}

#[test]
fn a_mounted_file_that_was_removed_where_it_came_from() {
    let (home, receiver) = (Home::new(), receiver());
    home.grant();
    home.write_settings(format!("{{\"enabled\": true, \"server\": \"{}\"}}", receiver.url()));
    if let Err(why) = own_mounts() {
        return skip(&why);
    }
    let mut host = start(&home, &receiver);
    // It says yes, and nobody can change it any more.
    let outside = home.0.write("outside.json", fs::read(home.settings_file()).unwrap());
    sh(&format!("mount --bind {} {}", outside.display(), home.settings_file().display())).unwrap();
    fs::remove_file(&outside).unwrap();
    let reason = "it is mounted from a file that was replaced or removed; mount it again";
    for is_new in [false, true] {
        let said = home.run(&["status"]).good();
        assert!(said.contains("tracking: nothing is sent: ") && said.contains(reason), "{said}");
        agrees(&said, &mut host, &receiver);
        let error = home.run(&["opt-out", "tracking"]).error();
        assert!(error.contains(reason), "{error}");
        if !is_new {
            host.close();
            host.wait(LONG).log();
            host = home.command(&["run", "--events", "-"]).start();
            host.wait_for_log(reason);
            host.send(ENVIRONMENT);
            host.send(STARTED);
        }
    }
    assert_eq!(receiver.requests().len(), START.len());
    // As it advises.
    sh(&format!("umount {}", home.settings_file().display())).unwrap();
    home.run(&["opt-out", "tracking"]).good();
    assert_eq!(home.settings()["enabled"], Value::Bool(false));
}
