//! Whatever lies in the home in place of a file, nothing waits for it; links and mount points stay what they are; and
//! what holds the id is for its owner only.

use crate::support::{Folder, Home, LONG, PRINT, Program, kinds, receiver, wait_until};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Put a named pipe in the place of whatever is there. Whoever opened it carelessly would wait for ever.
fn pipe(path: &Path) {
    // A running host may make the file again between the two.
    wait_until("a pipe is there", || {
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        Command::new("mkfifo").arg(path).status().unwrap().success()
    });
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// All files of a home that anybody might replace.
const FILES: [&str; 18] = [
    "glassbox.toml",
    "settings/tracking.json",
    "settings/.lock",
    "grants/tracking.toml",
    "state/tracking.json",
    "state/octoprint.server",
    "state/octoprint.connection.json",
    "state/tracking.import.json",
    "state/tracking.trap.jsonl",
    "plugins/tracking.wasm",
    "plugins/tracking.wasm.intoto.jsonl",
    "keys/alice.pub",
    "run.lock",
    "journal/head",
    "journal/lock",
    "octoprint-api-key",
    "authority.pem",
    "cache",
];

#[test]
fn no_pipe_in_the_home_holds_anything_up() {
    let receiver = receiver();
    for file in FILES {
        let home = Home::opted_in(&receiver.url());
        let policy = "[policy]\nrequire_audit_by = [\"keys/alice.pub\"]\n";
        let entry = "[[octoprint]]\nurl = \"http://127.0.0.1:1\"\napi_key_file = \"octoprint-api-key\"\n";
        match file {
            "authority.pem" => drop(home.0.write("home/glassbox.toml", "ca_file = \"authority.pem\"")),
            "keys/alice.pub" | "plugins/tracking.wasm.intoto.jsonl" => {
                home.0.write("home/glassbox.toml", policy);
            }
            "octoprint-api-key" => drop(home.0.write("home/glassbox.toml", entry)),
            _ => {}
        }
        pipe(&home.root().join(file));
        let commands: [&[&str]; 8] = [
            &["status"],
            &["list"],
            &["doctor"],
            &["settings", "tracking"],
            &["journal"],
            &["init"],
            &["opt-in", "tracking"],
            &["opt-out", "tracking"],
        ];
        for command in commands {
            // It may say what is wrong, but it says it at once.
            home.run(command);
        }
        let events: &[&str] = if file == "octoprint-api-key" { &["run"] } else { &["run", "--events", "-"] };
        home.run(events);
    }
}

#[test]
fn a_pipe_that_comes_later_does_not_keep_a_host_from_stopping() {
    let receiver = receiver();
    for file in FILES {
        let home = Home::opted_in(&receiver.url());
        let mut host = home.start();
        pipe(&home.root().join(file));
        host.send(PRINT);
        // Long enough for the host to have looked.
        std::thread::sleep(Duration::from_millis(300));
        host.signal("TERM");
        host.wait(Duration::from_secs(10));
    }
}

#[test]
fn a_recording_or_module_that_is_a_pipe_is_refused() {
    let home = Home::new();
    home.grant();
    let path = home.0.path("pipe.events.jsonl");
    pipe(&path);
    let named = path.to_str().unwrap();
    for arguments in [
        &["replay", named] as &[&str],
        &["import", named],
        &["pack", named, named, "-o", "x.wasm"],
        &["audit", named],
        &["audit", home.plugin("tracking").to_str().unwrap(), "--corpus", named],
        &["demo", "--session", named],
    ] {
        let run = home.command(arguments).start();
        let output = run.wait(LONG);
        assert!(output.err.contains("not a regular file"), "{arguments:?}: {output:?}");
    }
}

#[test]
fn what_holds_the_id_is_for_its_owner_only() {
    let receiver = receiver();
    let home = Home::new();
    let root = home.root();
    for folder in ["", "plugins", "grants", "settings"] {
        assert_eq!(mode(root.join(folder)), 0o700, "{folder}");
    }
    home.run(&["opt-in", "tracking"]).good();
    assert_eq!(mode(home.settings_file()), 0o600);
    home.run(&["settings", "tracking", &format!("server={}", receiver.url())]).good();
    // As one from an earlier version, or from an editor.
    fs::set_permissions(home.settings_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let recording = home.0.path("recording.jsonl");
    let mut host = home.command(&["run", "--events", "-", "--record"]).arg(&recording).start();
    host.send(crate::support::ENVIRONMENT);
    host.send(crate::support::STARTED);
    assert_eq!(kinds(&receiver, 3).len(), 3);
    assert_eq!(mode(root.join("run.lock")), 0o600);
    host.close();
    host.wait(LONG).log();
    for folder in ["state", "cache", "journal"] {
        assert_eq!(mode(root.join(folder)), 0o700, "{folder}");
    }
    for file in ["settings/tracking.json", "settings/.lock", "state/tracking.json", "journal/lock"] {
        assert_eq!(mode(root.join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(recording), 0o600);
}

#[test]
fn what_a_home_holds_is_its_owners_whatever_the_umask() {
    let receiver = receiver();
    let home = Home(Folder::new());
    let import = home.0.write("config.yaml", "plugins:\n  tracking:\n    enabled: true\n    ping: 60\n");
    let server = format!("server={}", receiver.url());
    for arguments in [
        &["init"] as &[&str],
        &["grant", "tracking"],
        &["opt-in", "tracking"],
        &["settings", "tracking", &server],
        &["import", import.to_str().unwrap(), "--force"],
        &["run", "--events", "-"],
        &["opt-out", "tracking"],
    ] {
        let own = home.command(arguments).into_command();
        let mut command = Command::new("sh");
        command.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(own.get_program()).args(own.get_args());
        let events = [crate::support::ENVIRONMENT, crate::support::STARTED, ""].join("\n");
        crate::support::without_a_say(command).run_with(events.as_bytes()).good();
    }
    assert_eq!(kinds(&receiver, 4).len(), 4, "something was sent, and so journalled");
    let mut found = vec![home.root()];
    let mut count = 0;
    while let Some(path) = found.pop() {
        let is_folder = path.is_dir();
        assert_eq!(mode(&path), if is_folder { 0o700 } else { 0o600 }, "{}", path.display());
        if is_folder {
            found.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
        count += 1;
    }
    assert!(count > 15, "only {count}");
}

#[test]
fn a_link_is_followed_and_stays() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let dotfiles = home.0.path("dotfiles");
    fs::create_dir(&dotfiles).unwrap();
    fs::rename(home.settings_file(), dotfiles.join("tracking.json")).unwrap();
    symlink("../../dotfiles/tracking.json", home.settings_file()).unwrap();
    home.run(&["opt-out", "tracking"]).good();
    assert!(fs::symlink_metadata(home.settings_file()).unwrap().is_symlink());
    assert_eq!(home.settings(), json!({"enabled": false, "server": "http://127.0.0.1:9/"}));
    assert_eq!(fs::read_dir(&dotfiles).unwrap().count(), 1, "no temporary file is left");
    assert_eq!(mode(dotfiles.join("tracking.json")), 0o600);
}

#[test]
fn whatever_is_there_can_be_opted_out_of() {
    type Make = fn(&Path, &Path);
    let cases: [(&str, Make); 7] = [
        ("a folder", |file, _| fs::create_dir_all(file.join("below")).unwrap()),
        ("a pipe", |file, _| pipe(file)),
        ("a socket", |file, _| drop(std::os::unix::net::UnixListener::bind(file).unwrap())),
        ("a link to nowhere", |file, outside| symlink(outside.join("nowhere"), file).unwrap()),
        ("a link to itself", |file, _| symlink(file, file).unwrap()),
        ("a link to a device", |file, _| symlink("/dev/zero", file).unwrap()),
        ("a huge file", |file, _| File::create(file).unwrap().set_len(100 << 20).unwrap()),
    ];
    for (what, make) in cases {
        let home = Home::opted_in("http://127.0.0.1:9/");
        fs::remove_file(home.settings_file()).unwrap();
        make(&home.settings_file(), &home.0.path(""));
        let status = home.run(&["status"]).good();
        assert!(status.contains("tracking: nothing is sent: the settings file "), "{what}: {status}");
        let out = home.run(&["opt-out", "tracking"]).good();
        assert!(out.starts_with("The settings file was damaged; it is kept as "), "{what}: {out}");
        assert_eq!(home.settings(), json!({"enabled": false}), "{what}");
        assert!(!home.0.path("nowhere").exists());
        let aside = home.root().join("settings/tracking.json.damaged-1");
        assert!(fs::symlink_metadata(aside).is_ok(), "{what}");
    }
}

/// A settings document of so many bytes, with no spaces in it.
fn padded(bytes: usize) -> String {
    let document = |pad: usize| json!({"enabled": true, "a": {"b": [1, 2]}, "pad": "x".repeat(pad)}).to_string();
    document(bytes - document(0).len())
}

#[test]
fn a_document_of_any_size_that_is_read_can_be_opted_out_of() {
    let home = Home::new();
    home.grant();
    let limit = glassbox_sandbox::limits::SETTINGS;
    for (bytes, kept) in [(limit, false), (limit - 1, true), (limit - 20, true), (limit - 200, true)] {
        home.write_settings(padded(bytes));
        let status = home.run(&["status"]).good();
        assert!(status.contains("tracking: reports are sent while the host runs"), "{bytes}: {status}");
        let out = home.run(&["opt-out", "tracking"]).good();
        assert_eq!(home.settings()["enabled"], false, "{bytes}");
        assert_eq!(home.settings()["pad"].is_string(), kept, "{bytes}");
        assert_eq!(out.contains(" it is kept as "), !kept, "{out}");
        let status = home.run(&["status"]).good();
        assert!(status.contains("the setting 'enabled' is not true"), "{bytes}: {status}");
    }
    // What is written is what is read.
    let home = glassbox::home::Home::at(home.root());
    let much = |settings: &mut glassbox_sandbox::Settings| Ok(settings.set("pad", "x".repeat(limit).into())?);
    let error = home.change_settings("tracking", much).unwrap_err().to_string();
    assert_eq!(error, "the settings would have more than 65536 bytes");
}

/// A command in a mount namespace of its own, in which this script runs first; its `$1` is the folder of the test. None
/// where such a namespace cannot be made.
fn with_mounts(home: &Home, script: &str, arguments: &[&str]) -> Option<Program> {
    let possible = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let own = home.command(arguments).into_command();
    let mut command = Command::new("unshare");
    let script = format!("{script}\nshift\nexec \"$@\"");
    command.args(["-m", "sh", "-ec", &script, "sh"]).arg(home.0.path("")).arg(own.get_program()).args(own.get_args());
    Some(crate::support::without_a_say(command))
}

const NO_MOUNTS: &str = "a mount namespace cannot be made here; that takes root, and util-linux's unshare";

#[test]
fn a_mount_point_is_written_in_place() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let outside = home.0.write("outside.json", fs::read(home.settings_file()).unwrap());
    let bind = "mount --bind \"$1/outside.json\" \"$1/home/settings/tracking.json\"";
    let Some(opt_out) = with_mounts(&home, bind, &["opt-out", "tracking"]) else {
        return glassbox_tests::skip(NO_MOUNTS);
    };
    opt_out.run().good();
    let written: serde_json::Value = serde_json::from_slice(&fs::read(&outside).unwrap()).unwrap();
    assert_eq!(written, json!({"enabled": false, "server": "http://127.0.0.1:9/"}));
    assert_eq!(mode(&outside), 0o600);
    assert_eq!(home.settings()["enabled"], true, "what lies below the mount point is not touched");
    assert_eq!(names(&home.root().join("settings")), [".lock", "tracking.json"], "no copy is left");

    // A damaged one cannot be moved, so its content is.
    fs::write(&outside, "{\"enabled\": true,").unwrap();
    let out = with_mounts(&home, bind, &["opt-out", "tracking"]).unwrap().run().good();
    assert!(out.contains("tracking.json.damaged-1, and a new one begun"), "{out}");
    assert_eq!(fs::read_to_string(&outside).unwrap(), "{\n  \"enabled\": false\n}\n");
    let aside = home.root().join("settings/tracking.json.damaged-1");
    assert_eq!(fs::read_to_string(aside).unwrap(), "{\"enabled\": true,");
}

#[test]
fn a_writable_file_in_a_folder_that_cannot_be_written_is_written_in_place() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let outside = home.0.write("outside.json", fs::read(home.settings_file()).unwrap());
    let mounts = "mount --bind \"$1/home\" \"$1/home\"; mount -o remount,bind,ro \"$1/home\"
        mount --bind \"$1/outside.json\" \"$1/home/settings/tracking.json\"";
    let Some(opt_out) = with_mounts(&home, mounts, &["opt-out", "tracking"]) else {
        return glassbox_tests::skip(NO_MOUNTS);
    };
    opt_out.run().good();
    let written: serde_json::Value = serde_json::from_slice(&fs::read(&outside).unwrap()).unwrap();
    assert_eq!(written["enabled"], false);
}

#[test]
fn opting_out_where_nothing_can_be_written_says_that_reports_go_on() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let before = fs::read(home.settings_file()).unwrap();
    let mounts = "mount --bind \"$1/home\" \"$1/home\"; mount -o remount,bind,ro \"$1/home\"";
    let Some(opt_out) = with_mounts(&home, mounts, &["opt-out", "tracking"]) else {
        return glassbox_tests::skip(NO_MOUNTS);
    };
    let error = opt_out.run().error();
    let file = home.settings_file();
    assert!(error.starts_with(&format!("writing {}: ", file.display())), "{error}");
    assert!(error.contains("Read-only file system"), "{error}");
    assert!(error.contains("; nothing was changed, and reports go on while a host runs; "), "{error}");
    assert!(error.contains("make the file writable") && error.ends_with("DO_NOT_TRACK=1"), "{error}");
    assert_eq!(fs::read(file).unwrap(), before);
}

#[test]
fn a_no_takes_effect_where_nothing_can_be_stored() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    let before = fs::read(home.settings_file()).unwrap();
    // As if the disk were full: see `disk`.
    let opt_out = home.command(&["opt-out", "tracking"]).into_command();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"]);
    command.arg(opt_out.get_program()).args(opt_out.get_args());
    let out = crate::support::without_a_say(command).run().good();
    let aside = home.root().join("settings/tracking.json.damaged-1");
    let expected = format!(
        "Your no could not be written, so the settings were moved away, to {}:\n      writing {}: File too large",
        aside.display(),
        home.settings_file().display()
    );
    assert!(out.starts_with(&expected), "{out}");
    assert_eq!(fs::read(aside).unwrap(), before);
    let status = home.run(&["status"]).good();
    assert!(status.contains("tracking: nothing is sent: nobody has opted in yet"), "{status}");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn opting_out_needs_nothing_but_the_settings() {
    let text = json!({"enabled": true, "unique_id": "4711"}).to_string();
    type Break = fn(&Home);
    let cases: [(&str, Break); 4] = [
        ("a typo in glassbox.toml", |home| drop(home.0.write("home/glassbox.toml", "[[octoprint]\n"))),
        ("a pipe as glassbox.toml", |home| pipe(&home.root().join("glassbox.toml"))),
        ("a folder as glassbox.toml", |home| {
            fs::remove_file(home.root().join("glassbox.toml")).unwrap();
            fs::create_dir(home.root().join("glassbox.toml")).unwrap();
        }),
        ("no plugins, no grants", |home| {
            fs::remove_dir_all(home.root().join("plugins")).unwrap();
            fs::remove_dir_all(home.root().join("grants")).unwrap();
        }),
    ];
    for (what, damage) in cases {
        let home = Home::new();
        let is_config = what.contains("glassbox.toml");
        home.write_settings(&text);
        for octoprint in ["mk3", "mk4"] {
            home.0.write(&format!("home/settings/{octoprint}/tracking.json"), &text);
        }
        home.0.write("home/settings/mk5/other.json", &text);
        damage(&home);
        let enabled = |file: &str| {
            let bytes = fs::read(home.root().join("settings").join(file)).unwrap();
            serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["enabled"] == true
        };
        if is_config {
            let out = home.run(&["opt-out", "tracking", "--octoprint", "mk4"]).good();
            assert!(out.contains("Note: glassbox.toml cannot be used") && out.contains("here: mk4\n"), "{what}: {out}");
            assert!(
                !enabled("mk4/tracking.json") && enabled("mk3/tracking.json") && enabled("tracking.json"),
                "{what}"
            );
            let error = home.run(&["opt-out", "tracking", "--octoprint", "../mk4"]).error();
            assert!(error.contains("is not the name of an OctoPrint"), "{error}");
        }
        let out = home.run(&["opt-out", "tracking"]).good();
        assert!(!enabled("tracking.json"), "{what}");
        assert_eq!(enabled("mk3/tracking.json"), !is_config, "{what}: {out}");
        assert!(enabled("mk5/other.json") && !home.root().join("settings/mk5/tracking.json").exists(), "{what}");
        assert_eq!(out.contains("here: octoprint, mk3, mk4\n"), is_config, "{what}: {out}");
    }
}
