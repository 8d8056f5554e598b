//! What a receiver gets decides: in each state of the settings file, however it came about, a report arrives if and only
//! if the file is a document that says yes, and `status` and the journal say the same.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, START, STARTED, kinds, receiver, wait_until};
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::skip;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a state is made from: the settings file, a folder beside the home, and the document that says yes.
struct Scene<'a> {
    file: &'a Path,
    aside: &'a Path,
    yes: &'a Value,
}

impl Scene<'_> {
    fn with(&self, key: &str, value: Value) -> Vec<u8> {
        let mut document = self.yes.clone();
        document[key] = value;
        document.to_string().into_bytes()
    }

    fn no(&self) -> Vec<u8> {
        self.with("enabled", false.into())
    }

    fn put(&self, content: impl AsRef<[u8]>) {
        fs::write(self.file, content).unwrap();
    }

    /// A file beside the home with this content.
    fn other(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let other = self.aside.join(name);
        fs::write(&other, content).unwrap();
        other
    }

    /// Put a link to this in the file's place.
    fn link(&self, to: impl AsRef<Path>) {
        // In one step: in a moment without a file the host would see no yes.
        let link = self.aside.join("link");
        symlink(to, &link).unwrap();
        fs::rename(link, self.file).unwrap();
    }
}

/// Whether a report arrives in a state.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Arrives {
    Yes,
    No,
    /// That depends on who runs the test; all must agree all the same.
    Either,
}

type State = (&'static str, Arrives, fn(&Scene));

/// The states, each made from a file that says yes.
fn states() -> Vec<State> {
    use Arrives::{Either, No, Yes};
    vec![
        ("as it was", Yes, |_| {}),
        ("written anew, indented", Yes, |s| s.put(serde_json::to_string_pretty(s.yes).unwrap())),
        ("missing", No, |s| fs::remove_file(s.file).unwrap()),
        ("empty", No, |s| s.put("")),
        ("zeros after a power cut", No, |s| s.put([0; 200])),
        ("cut", No, |s| s.put(&s.yes.to_string()[..20])),
        ("a trailing comma", No, |s| s.put(s.yes.to_string().replace("true", "true,"))),
        ("a comment", No, |s| s.put(format!("// mine\n{}", s.yes))),
        ("two documents", No, |s| s.put(format!("{}{}", s.yes, s.yes))),
        ("a byte order mark", Yes, |s| s.put(format!("\u{feff}{}", s.yes))),
        ("UTF-16", No, |s| s.put(s.yes.to_string().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())),
        ("Latin-1", No, |s| s.put([&b"{\"name\": \"\xe9\", "[..], &s.yes.to_string().as_bytes()[1..]].concat())),
        ("a list", No, |s| s.put(format!("[{}]", s.yes))),
        ("a text", No, |s| s.put("true")),
        ("enabled twice, no first", No, |s| s.put(s.yes.to_string().replacen('{', "{\"enabled\":false,", 1))),
        ("enabled twice, no last", No, |s| {
            s.put(s.yes.to_string().trim_end_matches('}').to_string() + ",\"enabled\":false}")
        }),
        ("enabled is false", No, |s| s.put(s.no())),
        ("enabled is null", No, |s| s.put(s.with("enabled", Value::Null))),
        ("enabled is a text", No, |s| s.put(s.with("enabled", "true".into()))),
        ("enabled is a number", No, |s| s.put(s.with("enabled", 1.into()))),
        ("enabled is a list", No, |s| s.put(s.with("enabled", json!([true])))),
        ("enabled is nested", No, |s| s.put(s.with("enabled", json!({"enabled": true})))),
        ("enabled in capitals", No, |s| s.put(s.yes.to_string().replace("enabled", "Enabled"))),
        ("another server", No, |s| s.put(s.with("server", "http://127.0.0.1:9/{id}/{event}".into()))),
        ("its switch is off", No, |s| s.put(s.with("events", json!({"printjob": false})))),
        // One is made, but what was about to leave has the old one.
        ("without an id", Either, |s| s.put(s.with("unique_id", "".into()))),
        ("what is no id", No, |s| s.put(s.with("unique_id", "it is me".into()))),
        ("100 MB", No, |s| {
            let file = fs::File::options().write(true).open(s.file).unwrap();
            file.set_len(100 << 20).unwrap();
        }),
        ("a folder", No, |s| {
            fs::remove_file(s.file).unwrap();
            fs::create_dir(s.file).unwrap();
        }),
        ("a named pipe", No, |s| {
            fs::remove_file(s.file).unwrap();
            assert!(Command::new("mkfifo").arg(s.file).status().unwrap().success());
        }),
        ("a socket", No, |s| {
            fs::remove_file(s.file).unwrap();
            // It stays when the listener goes.
            UnixListener::bind(s.file).unwrap();
        }),
        ("a device", No, |s| s.link("/dev/zero")),
        ("a link to itself", No, |s| s.link("tracking.json")),
        ("a link to nothing", No, |s| s.link("gone.json")),
        ("a link to a yes", Yes, |s| s.link(s.other("yes.json", s.yes.to_string()))),
        ("a link to a no", No, |s| s.link(s.other("no.json", s.no()))),
        ("a link whose target was edited", No, |s| {
            let target = s.other("target.json", s.yes.to_string());
            s.link(&target);
            fs::write(target, s.no()).unwrap();
        }),
        ("a link by way of another, which was changed", No, |s| {
            let (one, two) = (s.other("one.json", s.yes.to_string()), s.other("two.json", s.no()));
            let middle = s.aside.join("middle.json");
            symlink(one, &middle).unwrap();
            s.link(&middle);
            fs::remove_file(&middle).unwrap();
            symlink(two, &middle).unwrap();
        }),
        ("a hard link, edited by its other name", No, |s| {
            let other = s.aside.join("other.json");
            fs::hard_link(s.file, &other).unwrap();
            fs::write(other, s.no()).unwrap();
        }),
        ("not readable", Either, |s| fs::set_permissions(s.file, fs::Permissions::from_mode(0o0)).unwrap()),
        ("only readable", Yes, |s| fs::set_permissions(s.file, fs::Permissions::from_mode(0o444)).unwrap()),
    ]
}

/// A home that says yes, and where its reports go.
struct Place {
    home: Home,
    receiver: Receiver,
    yes: Value,
}

impl Place {
    fn new() -> Self {
        let receiver = receiver();
        let home = Home::opted_in(&receiver.url());
        let yes = json!({
            "enabled": true,
            "server": receiver.url(),
            "unique_id": "11111111-2222-4333-8444-555555555555",
        });
        home.write_settings(yes.to_string());
        fs::create_dir(home.0.path("aside")).unwrap();
        Self { home, receiver, yes }
    }

    fn make(&self, state: fn(&Scene)) {
        let (file, aside) = (self.home.settings_file(), self.home.0.path("aside"));
        state(&Scene { file: &file, aside: &aside, yes: &self.yes });
    }

    /// A running host that has reported its start.
    fn start(&self) -> Process {
        let mut host = self.home.start();
        host.send(ENVIRONMENT);
        host.send(STARTED);
        assert_eq!(kinds(&self.receiver, 3), START);
        host
    }

    /// A print begins, and the host ends, which sends all that it may. Checks that the receiver, `status` and the journal
    /// agree, and returns whether a report of the print arrived.
    fn print(&self, state: &str, mut host: Process) -> bool {
        host.send(PRINT);
        let status = self.home.run(&["status"]).good();
        host.close();
        let log = host.wait(LONG).err;
        let arrived = self.receiver.requests().iter().any(|request| request.kind() == "print_started");
        // A switch, a server or an id is about single reports, and no part of the sentence.
        let is_about_one = ["another server", "its switch is off", "without an id"].contains(&state);
        let says_so = status.contains("\ntracking: reports are sent while the host runs: ");
        assert!(says_so != status.contains("\ntracking: nothing is sent: "), "{state}: {status}");
        assert!(says_so == arrived || is_about_one, "{state}: {arrived}, {status}{log}");
        assert_eq!(journalled(&self.home), arrived, "{state}: {log}");
        arrived
    }
}

/// Whether the journal says that a report of a print was sent.
fn journalled(home: &Home) -> bool {
    let days = fs::read_dir(home.root().join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let days = days.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let lines: String = days.map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut entries = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    entries.any(|entry| entry["what"] == "sent" && entry["request"]["name"] == "print_started")
}

/// Try this for each state, a few at a time.
fn each_state(check: impl Fn(&str, fn(&Scene)) -> bool + Sync) {
    let (states, next) = (states(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((name, arrives, state)) = states.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let arrived = check(name, *state);
                    assert!(*arrives == Arrives::Either || (*arrives == Arrives::Yes) == arrived, "{name}: {arrived}");
                }
            });
        }
    });
}

#[test]
fn while_the_host_runs() {
    each_state(|name, state| {
        let place = Place::new();
        let host = place.start();
        place.make(state);
        place.print(name, host)
    });
}

#[test]
fn when_the_host_starts() {
    each_state(|name, state| {
        let place = Place::new();
        place.make(state);
        let mut host = place.home.command(&["run", "--events", "-", "-v"]).start();
        host.wait_for_log("tracking");
        let status = || place.home.run(&["status"]).good();
        wait_until("the host has loaded it, or not", || !status().contains("what the host runs is not known"));
        host.send(ENVIRONMENT);
        host.send(STARTED);
        place.print(name, host)
    });
}

#[test]
fn opting_out_by_command_in_each_state() {
    each_state(|name, state| {
        let place = Place::new();
        let host = place.start();
        place.make(state);
        let out = place.home.run(&["opt-out", "tracking"]).good();
        assert!(out.contains("You have opted out of 'tracking'"), "{name}: {out}");
        let status = place.home.run(&["status"]).good();
        assert!(status.contains("\ntracking: nothing is sent: the setting 'enabled' is not true"), "{name}: {status}");
        assert!(!place.print(name, host), "{name}: a report arrived after opting out");
        place.home.run(&["opt-in", "tracking"]).good();
        let status = place.home.run(&["status"]).good();
        // Opting in makes no other id of what the user has put there.
        let has_id = name != "what is no id";
        let expected = if has_id { "reports are sent while the host runs: " } else { "nothing is sent: unique_id in " };
        assert!(status.contains(&format!("\ntracking: {expected}")), "{name}: {status}");
        // For the table's sake: nothing was expected but in these.
        states().iter().any(|(other, arrives, _)| *other == name && *arrives == Arrives::Yes)
    });
}

/// A mount, until it is dropped.
struct Mount(PathBuf);

impl Mount {
    fn bind(from: &Path, to: &Path) -> Option<Self> {
        let mounted = Command::new("mount").arg("--bind").arg(from).arg(to).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(to.into()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_file_that_is_mounted_over_it() {
    for (content, expected) in [("no", false), ("yes", true)] {
        let place = Place::new();
        let host = place.start();
        let mut document = place.yes.clone();
        document["enabled"] = (content == "yes").into();
        let other = place.home.0.write("aside/mounted.json", document.to_string());
        let Some(_mount) = Mount::bind(&other, &place.home.settings_file()) else {
            return skip("no file can be mounted here: that needs root and CAP_SYS_ADMIN");
        };
        assert_eq!(place.print(content, host), expected);

        let host = place.home.start();
        place.home.run(&["opt-out", "tracking"]).good();
        let before = place.receiver.requests().len();
        drop(host);
        let document: Value = serde_json::from_slice(&fs::read(&other).unwrap()).unwrap();
        assert_eq!(document["enabled"], json!(false), "the file that is mounted was written");
        assert_eq!(place.receiver.requests().len(), before);
    }
}

#[test]
fn a_switch_that_is_written_by_hand_as_its_path_is_a_no_and_other_keys_are_named() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut settings = home.settings();
    settings["events.printjob"] = false.into();
    settings["Ping"] = 0.into();
    settings["events"] = serde_json::json!({"prntjob": false});
    fs::write(home.settings_file(), settings.to_string()).unwrap();
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    host.send(PRINT);
    host.send(r#"{"event":"plugin_pluginmanager_enable_plugin","payload":{"id":"p","version":"1"}}"#);
    let sent = kinds(&receiver, START.len() + 1);
    assert!(!sent.iter().any(|kind| kind.starts_with("print_")) && sent.last().unwrap() == "enable_plugin", "{sent:?}");
    let shown = home.run(&["settings", "tracking"]).good();
    let line = shown.lines().find(|line| line.contains("events.printjob")).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("false"), "{line}");
    let said = home.run(&["doctor"]).out;
    let line = said.lines().find(|line| line.contains("keys that are no settings")).unwrap_or_else(|| panic!("{said}"));
    for key in ["'Ping'", "'events.printjob'", "'events.prntjob'"] {
        assert!(line.contains(key), "{key}: {line}");
    }
    assert!(!line.contains("'unique_id'") && !line.contains("'server'") && !line.contains("'enabled'"), "{line}");
}
