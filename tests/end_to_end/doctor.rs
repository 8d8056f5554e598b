//! `doctor`: a set-up that is well, and one case for each thing that can be wrong with it: what is
//! said, what is to be done, and that nothing is changed or reported by looking.

use crate::faulty::{certificate_file, server_config};
use crate::octoprint::key_file;
use crate::push_server::{KEY, PushServer};
use crate::support::{Home, LONG, Output, dead_port, names, receiver};
use glassbox::receiver::Receiver;
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

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
        let text = format!(
            "vcgencmd = {vcgencmd:?}\n{more}\n[[octoprint]]\nname = \"mk3\"\nurl = \"{url}\"\napi_key_file = {key:?}\n"
        );
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
    let host = set_up.home.command(&["run"]).start();
    host.wait_for_log("hears OctoPrint");
    // With the first reading of the throttle state.
    let reported = names(&set_up.receiver.wait_for(4, LONG));
    let out = set_up.doctor().good();
    let (url, receiver) = (set_up.server.url(), set_up.receiver.url());
    let receiver = receiver.split("/track").next().unwrap();
    let root = set_up.home.root();
    let heard = out.lines().find(|line| line.contains("is heard since")).unwrap_or_default();
    assert!(heard.starts_with(&format!("ok       host mk3: OctoPrint 1.11.8 at {url} is heard since 20")), "{out}");
    let clock = out.lines().find(|line| line.starts_with("ok       clock: it is 20")).unwrap();
    let expected = format!(
        "ok       home: {} can be read and written, and not everybody may write to it
ok       config: glassbox.toml can be used
ok       grant tracking: all that it asks for was granted
ok       plugin tracking: it loads, starts and accepts its settings
ok       sending tracking: reports are sent while a host runs: the setting 'enabled' is true
ok       host: a host runs with this home
{heard}
ok       reach mk3: {url} is reached
ok       key mk3: OctoPrint accepts it, as that of 'me'
ok       events mk3: OctoPrint 1.11.8 lets them be heard
ok       permissions mk3: the key may read all that is of use
ok       twice mk3: OctoPrint's own tracker is off, so nothing is counted twice
ok       server {receiver}: is reached; nothing was reported by that
{clock}
ok       throttle: '{} get_throttled' says 0x50000

all is well
",
        root.display(),
        set_up.home.0.path("vcgencmd").display()
    );
    assert_eq!(out, expected);
    assert_eq!(names(&set_up.receiver.requests()), reported, "nothing was reported by looking");
    host.signal("TERM");
    host.wait(LONG).log();
    let out = set_up.doctor().good();
    assert!(
        out.contains("warn     host: no host runs with this home, so nothing is heard\n         do: start it"),
        "{out}"
    );
    assert!(out.ends_with("\nnothing failed; 1 to look at\n"), "{out}");
}

#[test]
fn what_is_wrong_with_a_home() {
    let set_up = SetUp::new();
    set_up.home.0.write("home/state", "");
    set_up.is("fail", "home", "state is no folder", "put it aside");
    fs::remove_file(set_up.home.root().join("state")).unwrap();
    set_up.chmod("home/plugins", 0o777);
    set_up.is("fail", "home", "everybody on this machine may write to", "chmod o-w ");
    set_up.chmod("home/plugins", 0o755);
    set_up.configure(&set_up.server.url(), "ca_file = \"none.pem\"");
    set_up.is("fail", "config", "none.pem", "put an authority's certificate there as PEM");
    set_up.home.0.write("home/glassbox.toml", "colour = 3");
    set_up.is("fail", "config", "glassbox.toml, line 1: unknown field `colour`", "mend it, or remove the file");

    let elsewhere = set_up.home.0.path("elsewhere");
    let run = set_up.home.command(&["doctor", "--home"]).arg(&elsewhere).run();
    assert_eq!(run.status, Some(1));
    let none = format!(
        "fail     home: there is no glassbox home at {}\n         do: run 'glassbox init'",
        elsewhere.display()
    );
    assert!(run.out.starts_with(&none), "{}", run.out);
    assert!(!elsewhere.exists());
}

#[test]
fn what_is_wrong_with_plugins() {
    let set_up = SetUp::new();
    let good = fs::read(set_up.home.plugin("tracking")).unwrap();
    set_up.home.0.write("home/plugins/tracking.wasm", &good[..good.len() / 2]);
    set_up.is("fail", "plugin tracking", "tracking", "'glassbox audit FILE' says more");
    set_up.home.0.write("home/plugins/tracking.wasm", &good);
    set_up.home.write_settings("{\"enabled\": true,");
    set_up.is("fail", "plugin tracking", "is damaged: ", "mend it, or run 'glassbox opt-in' or 'opt-out'");
    set_up.home.write_settings("{\"ping\": \"often\", \"enabled\": false}");
    set_up.is("fail", "plugin tracking", "does not accept its settings: ping must be", "'glassbox settings tracking'");
    set_up.home.write_settings("{}");
    set_up.is("warn", "sending tracking", "nobody has opted in yet", "glassbox opt-in tracking");
    set_up.home.0.write("home/grants/tracking.toml", "[[[");
    set_up.is(
        "fail",
        "grant tracking",
        "is damaged, so nothing new is loaded",
        "'glassbox grant tracking' writes it anew",
    );
    fs::remove_file(set_up.home.root().join("grants/tracking.toml")).unwrap();
    set_up.is(
        "warn",
        "grant tracking",
        "nobody has granted it anything",
        "'glassbox opt-in tracking' also switches it on",
    );
    fs::remove_file(set_up.home.plugin("tracking")).unwrap();
    set_up.is("fail", "plugins", "there is no plugin in ", "'glassbox init' puts the bundled tracker there");

    let set_up = SetUp::new();
    for variable in ["CI", "OCTOPRINT_DISABLE_TRACKING", "OCTOPRINT_TRACKING_DISABLED", "DO_NOT_TRACK"] {
        let out = set_up.home.command(&["doctor"]).env(variable, "0").run().good();
        let expected = format!(
            "warn     sending tracking: nothing is sent by a host that is started here: the environment variable {variable} is set
         do: unset {variable} where"
        );
        assert!(out.contains(&expected), "{out}");
    }
}

#[test]
fn what_is_wrong_with_an_octoprint() {
    let mut set_up = SetUp::new();
    let url = set_up.server.url();
    let key = set_up.home.0.path("key");
    set_up.chmod("key", 0o644);
    set_up.is("fail", "octoprint mk3", "others can read the API key in", &format!("run 'chmod 600 {}'", key.display()));
    set_up.chmod("key", 0o600);
    fs::write(&key, "WRONGKEYWRONGKEY").unwrap();
    set_up.is("fail", "octoprint mk3", "does not accept the API key (it answered 400)", "make one in OctoPrint");
    fs::write(&key, "two words").unwrap();
    set_up.is("fail", "octoprint mk3", "what is there is no API key", "chmod 600");
    fs::remove_file(&key).unwrap();
    set_up.is("fail", "octoprint mk3", "No such file", "put an OctoPrint API key there");
    set_up.configure(&format!("{url}/elsewhere"), "");
    set_up.is("fail", "octoprint mk3", "there is no OctoPrint at", "check the URL, and the path that a proxy may add");
    set_up.configure(&url, "");

    let odd = |path, answer: (&'static str, &'static str), says: &str, advice: &str| {
        set_up.server.how().odd = [(path, answer)].into();
        set_up.is("fail", "octoprint mk3", says, advice);
        set_up.server.how().odd.clear();
    };
    odd("/api/login", ("503 SERVICE UNAVAILABLE", ""), "it answered 503", "wait a moment");
    odd(
        "/sockjs/websocket",
        ("400 BAD REQUEST", ""),
        "no WebSocket",
        "have the proxy before OctoPrint pass WebSockets on",
    );
    set_up.server.how().version = "1.7.3";
    set_up.is("fail", "octoprint mk3", "is OctoPrint 1.7.3, which is too old", "update it to 1.8 or later");
    set_up.server.how().version = "1.11.8";
    set_up.server.how().own_tracker = true.into();
    set_up.is(
        "warn",
        "twice mk3",
        "own tracker is on as well",
        "switch it off in OctoPrint's Settings > Anonymous Usage",
    );
    set_up.server.how().own_tracker = false.into();
    set_up.server.how().roles = vec!["settings"];
    set_up.is("fail", "octoprint mk3", "may not hear events", "give it the permission STATUS");
    set_up.server.kill();
    set_up.is("fail", "reach mk3", "Connection refused", "start OctoPrint, if it does not run");
}

#[test]
fn permissions_that_are_missing() {
    let set_up = SetUp::new();
    set_up.server.how().roles = vec!["status"];
    let achievements = "PLUGIN_ACHIEVEMENTS_VIEW ('Achievements Plugin: View instance achievements & stats') in";
    set_up.is("warn", "permissions mk3", "achievements and the count of its starts is not to be had", achievements);
    let out = set_up.doctor().good();
    for optional in [
        "ok       permissions mk3: what it runs on is not to be had without the permission SYSTEM ('System'), which may also switch the machine off; it is optional\n",
        "ok       permissions mk3: the list of plugins is not to be had without the permission PLUGIN_PLUGINMANAGER_MANAGE ('Plugin Manager: Manage plugins'), which may also enable and disable plugins, and comes with the one that installs them; it is optional\n",
        "skipped  twice mk3: whether OctoPrint's own tracker is on as well is not for this key to see; see OctoPrint's Settings",
    ] {
        assert!(out.contains(optional), "{out}");
    }
    set_up.server.how().roles = vec!["status", "system", "plugin_achievements_view", "plugin_pluginmanager_manage"];
    set_up.server.how().odd = [("/api/system/info", ("500 OH", ""))].into();
    set_up.is(
        "warn",
        "permissions mk3",
        "what it runs on is not to be had: it answered 500",
        "look into OctoPrint's log",
    );
}

#[test]
fn one_that_is_named_is_looked_at_in_place_of_the_others() {
    let set_up = SetUp::new();
    let other = PushServer::start();
    let key = key_file(&set_up.home, KEY);
    let run = set_up.home.command(&["doctor", "--octoprint", &other.url(), "--api-key-file"]).arg(key).run().good();
    assert!(run.contains(&format!("ok       reach octoprint: {} is reached\n", other.url())), "{run}");
    assert!(run.contains("ok       key octoprint: ") && !run.contains("mk3"), "{run}");
    assert_eq!(set_up.server.seen(), Vec::<String>::new());
    set_up.home.0.write("home/glassbox.toml", "");
    let out = set_up.doctor().good();
    assert!(out.contains("skipped  octoprint: none is named, "), "{out}");
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
    assert!(report.to_string().contains("to connect would tell it your address; --reach-server does it"), "{report:#}");
    assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let connected = |arguments: &[&str]| {
        let (_, report) = set_up.findings(arguments);
        assert!(report.to_string().contains("is reached; nothing was reported by that"), "{report:#}");
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
}

#[test]
fn a_tracking_server_that_cannot_be_reached() {
    let set_up = SetUp::new();
    let to = |url: &str| {
        set_up.home.write_settings(json!({"enabled": true, "server": format!("{url}/{{id}}/{{event}}")}).to_string());
    };
    let url = format!("http://127.0.0.1:{}", dead_port());
    to(&url);
    set_up.is("fail", &format!("server {url}"), "Connection refused", "check this machine's network");

    let tls = |certificate: &'static str| {
        let tls = server_config(certificate);
        PushServer::start_with(Arc::new(move |tcp| {
            Box::new(StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), tcp))
        }))
    };
    let server = tls("good.pem");
    let url = server.url().replace("http:", "https:");
    to(&url);
    set_up.is(
        "fail",
        &format!("server {url}"),
        "nobody whom we trust has signed its certificate; an authority of your own can be named as ca_file",
        "clock",
    );
    fs::copy(certificate_file("authority.pem"), set_up.home.root().join("mine.pem")).unwrap();
    set_up.configure(&set_up.server.url(), "ca_file = \"mine.pem\"");
    let (bad, report) = set_up.findings(&[]);
    assert_eq!(bad, Vec::<Value>::new(), "{report:#}");
    assert!(
        report.to_string().contains("is reached over TLS, with a certificate that is trusted; nothing was"),
        "{report:#}"
    );
    assert_eq!(server.seen(), Vec::<String>::new());
    for (certificate, says) in [
        ("expired.pem", "its certificate has expired, if this machine's clock is right"),
        ("other-name.pem", "not valid for name"),
    ] {
        let server = tls(certificate);
        let url = server.url().replace("http:", "https:");
        to(&url);
        set_up.is("fail", &format!("server {url}"), says, "clock");
    }
}

#[test]
fn what_is_wrong_with_the_machine() {
    let set_up = SetUp::new();
    set_up.throttle("VCHI initialization failed");
    set_up.is("warn", "throttle", "it printed \"VCHI initialization failed\"", "in the group 'video'");
    fs::remove_file(set_up.home.0.path("vcgencmd")).unwrap();
    let (bad, _) = set_up.findings(&[]);
    assert!(bad.iter().all(|check| check["check"] == "throttle"), "{bad:?}");
    set_up.throttle("throttled=0x0");
    let entry = json!({"time": "2999-01-01T00:00:00.000Z", "what": "started", "before": "0"});
    set_up.home.0.write("home/journal/2999-01-01.jsonl", format!("{entry}\n"));
    set_up.is(
        "warn",
        "clock",
        "but the journal was written to at 2999-01-01T00:00:00Z: it jumped",
        "timedatectl set-ntp true",
    );
    // On another machine there is nothing to ask here.
    set_up.configure("http://octopi.invalid", "");
    let (bad, report) = set_up.findings(&[]);
    assert!(bad.iter().any(|check| check["check"] == "reach mk3"), "{report:#}");
    assert!(report.to_string().contains("OctoPrint runs on another machine, so this one is not asked"), "{report:#}");
}
