//! Text, files and signals as they are found: what other programs, editors, containers and terminals make of them costs
//! nobody an event, a setting or the host.

use crate::namespace::{own_mounts, sh};
use crate::push_server::{KEY, PushServer};
use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Program, SILENCE, STARTED, kinds, receiver, without_a_say};
use glassbox_sandbox::{enter, manifest::Enters};
use glassbox_tests::skip;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// What Python's `json` writes of a file name that is not UTF-8, and more that is no JSON.
#[test]
fn what_is_not_quite_json_costs_no_event() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut input = [ENVIRONMENT, STARTED, ""].join("\n").into_bytes();
    let path = br#"{"event": "PrintStarted", "payload": {"name": "t\udce4st.gcode", "path": "t\udce4st.gcode", "origin": "local"}}"#;
    let bytes = b"{\"event\": \"PrintStarted\", \"payload\": {\"path\": \"t\xe4st.gcode\", \"origin\": \"local\"}}";
    let half = br#"{"event": "PrintDone", "payload": {"path": "t\ud800.gcode", "origin": "local", "time": NaN}}"#;
    let control =
        b"{\"event\": \"PrintFailed\", \"payload\": {\"path\": \"ok\", \"origin\": \"local\", \"reason\": \"a\tb\"}}";
    for line in [&path[..], bytes, half, control, PRINT.as_bytes()] {
        input.extend(line);
        input.push(b'\n');
    }
    let log = home.command(&["run", "--events", "-"]).run_with(&input).log();
    assert!(!log.contains("WARN"), "{log}");
    let requests = receiver.wait_for(9, LONG);
    let salt = home.identity().1;
    // What the system calls the file, in bytes.
    let of_bytes = sha1(b"t\xe4st.gcode", &salt);
    let of_text = |text: &str| enter(Enters::SaltedSha1, &json!(text), &salt).unwrap().as_str().unwrap().to_string();
    let files = [of_bytes.clone(), of_bytes, of_text("t\u{fffd}.gcode"), of_text("ok"), of_text("a.gcode")];
    for (request, file) in requests[3..8].iter().zip(files) {
        assert!(request.query.contains(&format!("file={file}")), "{request:?}, {file}");
    }
    assert!(!requests[5].query.contains("elapsed="), "{:?}", requests[5]);
}

fn sha1(bytes: &[u8], salt: &str) -> String {
    let folder = crate::support::Folder::new();
    let file = folder.write("name", [bytes, salt.as_bytes()].concat());
    let output = Command::new("sha1sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..40].into()
}

/// `nohup glassbox run &`, and the terminal is closed; or `glassbox run &` in a script that gets a Ctrl-C.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let start = |trap: &str| {
        let mut command = Command::new("sh");
        let script = format!("{trap} exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_glassbox"), "--home"]).arg(home.root());
        let program: Program = without_a_say(command);
        program.args(&["run", "--events", "-"]).start()
    };
    let mut host = start("trap '' HUP INT;");
    host.send(ENVIRONMENT);
    host.send(STARTED);
    kinds(&receiver, 3);
    host.signal("HUP");
    host.signal("INT");
    std::thread::sleep(SILENCE);
    host.send(PRINT);
    assert_eq!(kinds(&receiver, 4)[3], "print_started");
    host.signal("TERM");
    host.wait(LONG).log();
    // Without it, it is as good as any other signal.
    let mut host = start("");
    host.send(ENVIRONMENT);
    host.send(STARTED);
    kinds(&receiver, 6);
    host.signal("HUP");
    host.wait(LONG).log();
}

/// As a checkout without tags calls itself: it is as new as any, and says which connector printed.
#[test]
fn a_version_that_says_nothing_is_not_taken_for_an_old_one() {
    for (version, expected) in [("0+unknown", Some("serial")), ("1.11.8", None), ("1.12.0", Some("serial"))] {
        let receiver = receiver();
        let home = Home::opted_in(&receiver.url());
        let environment = ENVIRONMENT.replace("1.11.8", version);
        let print = PRINT.replace(r#""origin""#, r#""connector":"serial","origin""#);
        home.command(&["run", "--events", "-"])
            .run_with(format!("{environment}\n{STARTED}\n{print}\n").as_bytes())
            .log();
        let reports = receiver.wait_for(5, LONG);
        let print = reports.iter().find(|report| report.kind() == "print_started").expect("a report of the print");
        assert_eq!(print.value("printer_connector").as_deref(), expected, "{version}: {print:?}");
    }
}

/// Plugins nest what they like; whoever reads JSON with a limit would lose the event.
#[test]
fn what_is_nested_too_deep_costs_only_itself() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let print = PRINT.replace(r#""origin""#, &format!(r#""extra":{deep},"origin""#));
    let other = format!(r#"{{"event":"SomethingElse","payload":{deep}}}"#);
    let log = home
        .command(&["run", "--events", "-"])
        .run_with(format!("{ENVIRONMENT}\n{STARTED}\n{other}\n{print}\n").as_bytes())
        .log();
    let last = kinds(&receiver, 5);
    assert_eq!(last[3..], ["print_started", "shutdown"]);
    assert!(!log.contains("WARN"), "{log}");
}

/// With a byte order mark and line ends of Windows, as editors there write.
#[test]
fn files_that_people_edit_may_come_from_windows() {
    let server = PushServer::start();
    let home = Home::opted_in("http://127.0.0.1:1/{id}/{event}");
    let windows = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let entry = format!("[[octoprint]]\nurl = \"{}\"\napi_key_file = \"octoprint-api-key\"\n", server.url());
    let again = |file: &str| {
        let text = fs::read_to_string(home.root().join(file)).unwrap();
        home.0.write(&format!("home/{file}"), windows(&text));
    };
    home.0.write("home/glassbox.toml", windows(&entry));
    let key = home.0.write("home/octoprint-api-key", windows(&format!("{KEY}\n")));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    again("settings/tracking.json");
    again("grants/tracking.toml");
    let host = home.command(&["run"]).start();
    host.wait_for_log(" OctoPrint 1.11.8 at ");
    host.wait_for_log("INFO tracking: reports are sent while the host runs");
    host.signal("TERM");
    host.wait(LONG).log();
    // Another encoding is named.
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    home.0.write("home/glassbox.toml", utf_16(&entry));
    let place = home.root().join("glassbox.toml");
    let message = format!("{}: it is UTF-16; save it as UTF-8", place.display());
    assert!(home.run(&["run"]).error().starts_with(&message));
    home.0.write("home/glassbox.toml", b"# k\xe4se\n");
    let message = format!("{}: it is not UTF-8 but probably Latin-1, as of line 1; save it as UTF-8", place.display());
    assert!(home.run(&["run"]).error().starts_with(&message));
    fs::remove_file(place).unwrap();
    let events = home.0.write("events.jsonl", [&b"\xff\xfe"[..], &utf_16(PRINT)].concat());
    let log = home.command(&["run", "--events"]).arg(events).run_with(b"").err;
    assert!(log.contains("it is UTF-16; save it as UTF-8"), "{log}");
}

/// A path in the configuration has one meaning, whatever it is for.
#[test]
fn a_path_may_begin_with_a_tilde() {
    let server = PushServer::start();
    let home = Home::opted_in("http://127.0.0.1:1/{id}/{event}");
    let entry = format!("[[octoprint]]\nurl = \"{}\"\napi_key_file = \"~/own/key\"\n", server.url());
    home.0.write("home/glassbox.toml", entry);
    let key = home.0.write("me/own/key", KEY);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let host = home.command(&["run"]).env("HOME", home.0.path("me")).start();
    host.wait_for_log(" OctoPrint 1.11.8 at ");
    host.signal("TERM");
    host.wait(LONG).log();
}

/// As Docker and Kubernetes mount a secret: read-only, for everybody.
#[test]
fn a_key_that_nobody_can_make_private_is_taken_with_a_warning() {
    let home = Home::opted_in("http://127.0.0.1:1/{id}/{event}");
    let folder = home.0.path("secrets");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("octoprint_key");
    let mount = |mode: &str, options: &str| {
        let at = folder.display();
        sh(&format!(
            "mount -t tmpfs none {at} && printf {KEY} >{0} && chmod {mode} {0} && mount -o remount,{options} {at}",
            file.display()
        ))
    };
    if let Err(why) = own_mounts().and_then(|()| mount("644", "ro")) {
        return skip(&why);
    }
    let server = PushServer::start();
    let taken = |why: &str| {
        let run = home.command(&["run", "--octoprint", &server.url(), "--api-key-file"]).arg(&file).start();
        run.wait_for_log(&format!("WARN the mode of {} lets others read the API key, and {why}", file.display()));
        run.wait_for_log(" OctoPrint 1.11.8 at ");
        assert!(!run.log().contains(KEY));
        run.signal("TERM");
        run.wait(LONG).log();
    };
    taken("its disk is read-only, so it is used all the same; if you can, mount it with the mode 0400");
    sh(&format!("umount {}", folder.display())).and_then(|()| mount("444", "rw")).unwrap();
    taken("it is a read-only file of root's");
    // Where chmod would help, it is refused.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let run = home.command(&["run", "--octoprint", &server.url(), "--api-key-file"]).arg(&file).run();
    assert!(run.error().contains("run 'chmod 600 "));
}

/// Nobody else can enter the folder that the key is in.
#[test]
fn a_key_in_a_closed_folder_is_private_whatever_its_mode() {
    let server = PushServer::start();
    let home = Home::opted_in("http://127.0.0.1:1/{id}/{event}");
    let key = home.0.write("closed/key", KEY);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let run = || home.command(&["run", "--octoprint", &server.url(), "--api-key-file"]).arg(&key);
    assert!(run().run().error().contains("run 'chmod 600 "));
    fs::set_permissions(key.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    let host = run().start();
    host.wait_for_log(" OctoPrint 1.11.8 at ");
    assert!(!host.log().contains("others can read"));
    host.signal("TERM");
    host.wait(LONG).log();
}
