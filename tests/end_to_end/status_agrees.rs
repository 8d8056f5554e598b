//! What `status` says agrees with what leaves in odd surroundings too: parts of the home gone or broken, seen by somebody
//! else or on a read-only disk, and with changes that cross.

use crate::namespace::{own_mounts, sh};
use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, SILENCE, START, STARTED, kinds, receiver, wait_until};
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::skip;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
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
    host.wait_for_log("it is switched off until it takes its settings");
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
