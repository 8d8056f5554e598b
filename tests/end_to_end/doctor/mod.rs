//! `doctor`: a set-up that is well, several OctoPrints, and that nothing is changed or reported by
//! looking. What can be wrong with a set-up is in [`wrong`].

mod wrong;

use crate::octoprint::key_file;
use crate::push_server::{KEY, PushServer};
use crate::support::{Home, LONG, Output, names, receiver};
use glassbox_audit::conformance::receiver::Receiver;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A home that follows a server, opted in, with a throttle state; nobody runs it.
struct SetUp {
    home: Home,
    server: PushServer,
    receiver: Receiver,
}

impl SetUp {
    fn new() -> Self {
        let (server, receiver) = (PushServer::start(), receiver());
        server.how().roles.push("settings");
        server.how().own_tracker = false.into();
        let home = Home::opted_in(&receiver.url());
        let set_up = Self { home, server, receiver };
        set_up.throttle("throttled=0x50000");
        set_up.configure(&set_up.server.url(), "");
        set_up
    }

    /// `glassbox.toml`, which follows this OctoPrint.
    fn configure(&self, url: &str, more: &str) {
        let key = key_file(&self.home, KEY);
        let vcgencmd = self.home.0.path("vcgencmd");
        let text = format!("vcgencmd = {vcgencmd:?}\n{more}\n[[octoprint]]\nurl = \"{url}\"\napi_key_file = {key:?}\n");
        self.home.0.write("home/glassbox.toml", text);
    }

    /// What the Raspberry Pi's tool prints.
    fn throttle(&self, output: &str) {
        let file = self.home.0.write("vcgencmd", format!("#!/bin/sh\necho '{output}'\n"));
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.home.0.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn doctor(&self) -> Output {
        self.home.run(&["doctor"])
    }

    /// The checks that did not come out well, and the whole report. Its exit status agrees with it.
    #[track_caller]
    fn findings(&self, arguments: &[&str]) -> (Vec<Value>, Value) {
        let before = files(&self.home.root());
        let output = self.home.run(&[&["doctor", "--json"], arguments].concat());
        assert_eq!(files(&self.home.root()), before, "it changes nothing");
        let report: Value =
            serde_json::from_str(&output.out).unwrap_or_else(|_| panic!("{}{}", output.out, output.err));
        assert!(!output.out.contains(KEY) && !output.err.contains(KEY), "{}", output.out);
        let checks = report["checks"].as_array().unwrap().clone();
        let failed = checks.iter().filter(|check| check["verdict"] == "fail").count();
        assert_eq!(report["failed"], failed);
        assert_eq!(output.status, Some(i32::from(failed > 0)), "{report}");
        let bad = |check: &Value| check["verdict"] == "fail" || check["verdict"] == "warn";
        // Nobody runs it here, which every case would say.
        (checks.into_iter().filter(|check| bad(check) && check["check"] != "host").collect(), report)
    }

    /// Just this is wrong with it.
    #[track_caller]
    fn is(&self, verdict: &str, check: &str, says: &str, advice: &str) {
        let (bad, report) = self.findings(&[]);
        assert_eq!(bad.len(), 1, "{report:#}");
        assert_eq!((&bad[0]["check"], &bad[0]["verdict"]), (&json!(check), &json!(verdict)), "{report:#}");
        assert!(bad[0]["says"].as_str().unwrap().contains(says), "{says}: {:#}", bad[0]);
        assert!(bad[0]["do"].as_str().unwrap().contains(advice), "{advice}: {:#}", bad[0]);
    }
}

/// Every file of a home, and what tells its content from another, but for what says nothing: compiled
/// code, which is only kept to save time, and the file that is locked while settings change.
pub fn files(folder: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        let says_nothing = entry.file_name().is_some_and(|name| name == "cache" || name == ".lock");
        match entry.is_dir() {
            _ if says_nothing => {}
            true => found.extend(files(&entry)),
            false => {
                let mut hasher = DefaultHasher::new();
                fs::read(&entry).unwrap().hash(&mut hasher);
                found.insert(entry.display().to_string(), hasher.finish());
            }
        }
    }
    found
}

#[test]
fn a_set_up_that_is_well() {
    let set_up = SetUp::new();
    set_up.chmod("home", 0o770);
    let group = set_up.doctor().good();
    assert!(group.contains(" can be read and written, and only its owner and group may write to it\n"), "{group}");
    set_up.chmod("home", 0o700);
    let host = set_up.home.command(&["run"]).start();
    host.wait_for_log("hears OctoPrint");
    // With the first reading of the throttle state.
    let reported = names(&set_up.receiver.wait_for(4, LONG));
    // Whether changes are notified depends on where temporary files are.
    let is_known = |line: &&str| !line.starts_with("ok       watching: ");
    let out: String = set_up.doctor().good().split_inclusive('\n').filter(is_known).collect();
    let (url, receiver) = (set_up.server.url(), set_up.receiver.url());
    let receiver = receiver.split("/track").next().unwrap();
    let root = set_up.home.root();
    let heard = out.lines().find(|line| line.contains("is heard since")).unwrap_or_default();
    assert!(
        heard.starts_with(&format!("ok       host octoprint: OctoPrint 1.11.8 at {url} is heard since 20")),
        "{out}"
    );
    let clock = out.lines().find(|line| line.starts_with("ok       clock: it is 20")).unwrap();
    let expected = format!(
        "ok       home: {} can be read and written, and only its owner may write to it
ok       config: glassbox.toml can be used
ok       grant tracking: everything that it asks for was granted
ok       plugin tracking: it loads, starts and accepts its settings
ok       identity tracking: id and salt are known, and only their owner can read {}
ok       sending tracking: reports are sent while the host runs: the setting 'enabled' is true
ok       host: a host runs with this home
{heard}
ok       reach octoprint: {url} can be reached
ok       key octoprint: OctoPrint accepts it, as that of 'me'
ok       events octoprint: OctoPrint 1.11.8 sends them
ok       permissions octoprint: the key may read everything that is useful
ok       twice octoprint: OctoPrint's own tracker is off, so nothing is counted twice
ok       server {receiver}: can be reached; nothing was reported by this check
{clock}
ok       throttle: '{} get_throttled' says 0x50000

all is well
",
        root.display(),
        set_up.home.identity_file().display(),
        set_up.home.0.path("vcgencmd").display()
    );
    assert_eq!(out, expected);
    assert_eq!(names(&set_up.receiver.requests()), reported, "nothing was reported by looking");
    host.signal("TERM");
    host.wait(LONG).log();
    let out = set_up.doctor().good();
    assert!(
        out.contains("warn     host: no host runs with this home, so no events are read\n         do: start it"),
        "{out}"
    );
    assert!(out.ends_with("\nnothing failed; 1 to look at\n"), "{out}");
}

#[test]
fn one_that_is_named_is_looked_at_in_place_of_the_others() {
    let set_up = SetUp::new();
    let other = PushServer::start();
    let key = key_file(&set_up.home, KEY);
    let run = set_up.home.command(&["doctor", "--octoprint", &other.url(), "--api-key-file"]).arg(key).run().good();
    assert!(run.contains(&format!("ok       reach octoprint: {} can be reached\n", other.url())), "{run}");
    assert!(run.contains("ok       key octoprint: "), "{run}");
    assert_eq!(set_up.server.seen(), Vec::<String>::new());
    set_up.home.0.write("home/glassbox.toml", "");
    let out = set_up.doctor().good();
    assert!(out.contains("skipped  octoprint: none is named, "), "{out}");
}

#[test]
fn each_of_several_is_looked_at_with_its_own_settings() {
    let set_up = SetUp::new();
    let others = ["one", "two"].map(|name| (name, PushServer::start()));
    let key = key_file(&set_up.home, KEY);
    let entry = |(name, server): &(&str, PushServer)| {
        format!("[[octoprint]]\nname = \"{name}\"\nurl = \"{}\"\napi_key_file = {key:?}\n", server.url())
    };
    set_up.home.0.write("home/glassbox.toml", others.iter().map(entry).collect::<String>());
    // A command that is about one of them has to say which.
    let out = set_up.doctor().out;
    assert!(out.contains("do: glassbox opt-in tracking --octoprint two, or opt-out\n"), "{out}");
    set_up.home.run(&["revoke", "tracking"]).good();
    let out = set_up.doctor().out;
    assert!(out.contains("'glassbox opt-in tracking --octoprint NAME' also switches it on"), "{out}");
    let out = set_up.home.run(&["grant", "tracking"]).good();
    assert!(out.ends_with("before you say: glassbox opt-in tracking --octoprint NAME\n"), "{out}");
    set_up.home.0.write("home/settings/one/tracking.json", r#"{"enabled": false}"#);
    set_up.home.0.write("home/settings/two/tracking.json", r#"{"ping": "often"}"#);
    let out = set_up.doctor();
    assert_eq!(out.status, Some(1), "{}", out.out);
    for line in [
        "ok       plugin one/tracking: it loads",
        "ok       sending one/tracking: nothing is sent: the setting 'enabled' is not true",
        "fail     plugin two/tracking: plugin 'tracking' does not accept its settings: ping must be",
        "do: 'glassbox settings tracking --octoprint two' shows its settings",
        "ok       events one: OctoPrint 1.11.8 sends",
        "ok       events two: OctoPrint 1.11.8 sends",
    ] {
        assert!(out.out.contains(line), "{line}: {}", out.out);
    }
    // Two that cannot be told apart.
    let same = entry(&others[0]).repeat(2);
    set_up.home.0.write("home/glassbox.toml", same);
    let (bad, report) = set_up.findings(&[]);
    assert!(bad.iter().any(|check| check["check"] == "config"), "{report:#}");
    assert!(report.to_string().contains("are named 'one'"), "{report:#}");
}

#[test]
fn the_tracking_server_hears_of_nobody_who_has_not_opted_in() {
    let set_up = SetUp::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let write = |enabled: bool| {
        let settings = json!({"enabled": enabled, "server": format!("{url}/{{id}}/{{event}}")});
        set_up.home.write_settings(settings.to_string());
    };
    write(false);
    let (_, report) = set_up.findings(&[]);
    assert!(
        report.to_string().contains("connecting would tell it your address; --reach-server connects"),
        "{report:#}"
    );
    assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let connected = |arguments: &[&str]| {
        let (_, report) = set_up.findings(arguments);
        assert!(report.to_string().contains("can be reached; nothing was reported by this check"), "{report:#}");
        let (mut tcp, _) = server.accept().expect("a connection");
        tcp.set_nonblocking(false).unwrap();
        let mut heard = Vec::new();
        tcp.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"");
        assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "once is enough");
    };
    connected(&["--reach-server"]);
    write(true);
    connected(&[]);
    // A yes that a variable or the grant overrules is none.
    let output = set_up.home.command(&["doctor"]).env("DO_NOT_TRACK", "1").run();
    assert!(output.out.contains(": nothing is sent there, and connecting would tell"), "{}", output.out);
    assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "under DO_NOT_TRACK");
    set_up.home.run(&["revoke", "tracking"]).good();
    let output = set_up.doctor();
    assert!(output.out.contains(": nothing is sent there, and connecting would tell"), "{}", output.out);
    assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "without a grant");
}

#[test]
fn a_servers_address_is_shown_without_its_password() {
    let set_up = SetUp::new();
    for server in ["http://me:hunter2@127.0.0.1:9/{id}/{event}/", "http://me:hun/ter2@127.0.0.1:9/{id}/"] {
        set_up.home.write_settings(json!({"enabled": true, "server": server}).to_string());
        for arguments in [&["doctor"][..], &["doctor", "--json", "--reach-server"], &["status"], &["list"]] {
            let Output { out, err, .. } = set_up.home.run(arguments);
            assert!(!["me:h", "hun", "ter2"].iter().any(|part| (out.clone() + &err).contains(part)), "{out}{err}");
        }
        assert!(set_up.doctor().out.contains("server http://…@127.0.0.1:9/"));
    }
}
