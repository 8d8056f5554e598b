//! One case for each thing that can be wrong with a set-up: what is said, and what is to be done.

use super::SetUp;
use crate::faulty::{certificate_file, server_config};
use crate::push_server::PushServer;
use crate::support::dead_port;
use glassbox_journal::{Journal, JournalEntry, Rules};
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[test]
fn what_is_wrong_with_a_home() {
    let set_up = SetUp::new();
    set_up.home.0.write("home/state", "");
    set_up.is("fail", "home", "state is not a folder", "move it away");
    fs::remove_file(set_up.home.root().join("state")).unwrap();
    set_up.chmod("home/plugins", 0o777);
    set_up.is("fail", "home", "everybody on this machine may write to", "chmod o-w ");
    set_up.chmod("home/plugins", 0o755);
    set_up.chmod("home/settings/tracking.json", 0o640);
    for folder in ["home/settings", "home"] {
        assert!(set_up.findings(&[]).0.is_empty(), "nobody gets there");
        set_up.chmod(folder, 0o755);
    }
    set_up.is("warn", "home", "can read ", "chmod -R go= ");
    set_up.chmod("home/settings/tracking.json", 0o600);
    set_up.configure(&set_up.server.url(), "ca_file = \"none.pem\"");
    set_up.is("fail", "config", "none.pem", "put your server's or your CA's certificate there as PEM");
    set_up.home.0.write("home/glassbox.toml", "colour = 3");
    set_up.is("fail", "config", "glassbox.toml, line 1: unknown field `colour`", "fix it, or remove the file");

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
    set_up.is(
        "fail",
        "plugin tracking",
        "tracking",
        "copy it again, or replace it with a version that works; 'glassbox audit",
    );
    set_up.home.0.write("home/plugins/tracking.wasm", &good);
    set_up.home.write_settings("{\"enabled\": true,");
    set_up.is("fail", "plugin tracking", "is damaged: ", "fix it, or run 'glassbox opt-in' or 'opt-out'");
    set_up.home.write_settings("{\"ping\": \"often\", \"enabled\": false}");
    set_up.is("fail", "plugin tracking", "does not accept its settings: ping must be", "'glassbox settings tracking'");
    set_up.home.write_settings("{}");
    set_up.is("warn", "sending tracking", "nobody has opted in yet", "glassbox opt-in tracking");
    set_up.home.write_settings("{\"enabled\": false}");
    let grant = set_up.home.root().join("grants/tracking.toml");
    let granted = fs::read_to_string(&grant).unwrap();
    fs::write(&grant, granted + "[[[").unwrap();
    set_up.is("fail", "grant tracking", "is damaged", "'glassbox grant tracking' rewrites it");
    fs::remove_file(&grant).unwrap();
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
            "warn     sending tracking: nothing is sent: the environment variable {variable} is set
         do: unset {variable} where"
        );
        assert!(out.contains(&expected), "{out}");
    }
}

#[test]
fn what_is_denied_and_is_nowhere() {
    let set_up = SetUp::new();
    let url = set_up.server.url();
    set_up.configure(&url, "[policy]\ndeny = [\"file\", \"ping\", \"print_done.elapsed\"]");
    assert!(set_up.findings(&[]).0.is_empty(), "all of it is somewhere");
    set_up.configure(&url, "[policy]\ndeny = [\"file\", \"fil\"]");
    let vain = "deny in [policy] in glassbox.toml names 'fil', but no plugin has such a report or field";
    set_up.is("warn", "policy", vain, "did you mean 'file'? 'glassbox policy tracking' shows which there are");
    let log = set_up.home.command(&["run", "--events", "-"]).run_with(b"").log();
    assert_eq!(log.matches(&format!("WARN {vain}")).count(), 1, "{log}");
}

#[test]
fn what_is_wrong_with_an_identity() {
    let set_up = SetUp::new();
    let (home, file) = (&set_up.home, set_up.home.identity_file());
    let chmod = format!("chmod 600 {}", file.display());
    let says = |line: &str| {
        let out = set_up.doctor().good();
        assert!(out.contains(line), "{line}: {out}");
    };
    says("ok       identity tracking: id and salt are made when a host starts\n");
    home.command(&["run", "--events", "-"]).run().good();
    says("ok       identity tracking: id and salt are known, and only their owner can read ");
    let (settings, identity) = (home.settings(), fs::read(&file).unwrap());
    set_up.chmod("home/state/tracking.identity.json", 0o640);
    set_up.is("warn", "identity tracking", "others can read ", &chmod);
    set_up.chmod("home/state/tracking.identity.json", 0o602);
    set_up.is("fail", "identity tracking", "others can write to the salt's file", &chmod);
    fs::write(&file, &identity[1..]).unwrap();
    set_up.chmod("home/state/tracking.identity.json", 0o600);
    set_up.is("warn", "identity tracking", "a new salt is made when a host starts: its file was damaged", "back if");
    fs::remove_file(&file).unwrap();
    let lost =
        "there is none for this id: its file was lost, or the host never had one, as for an id that was imported";
    set_up.is("warn", "identity tracking", lost, "there is nothing to do otherwise");
    fs::create_dir(&file).unwrap();
    set_up.is("fail", "identity tracking", "it is not a regular file", "move it away: a new one is made");
    says_no(&set_up, "is not a regular file");
    home.write_settings(json!({"enabled": false, "server": settings["server"]}).to_string());
    says("skipped  identity tracking: no id and no salt are needed while it is switched off\n");
    fs::remove_dir(&file).unwrap();
    home.write_settings(json!({"enabled": true, "server": settings["server"], "unique_id": "a/b"}).to_string());
    let id = format!("unique_id in {} must be 1 to 64 letters", home.settings_file().display());
    set_up.is("fail", "identity tracking", &id, "remove it from there, and a new one is made");
    says_no(&set_up, &id);
}

/// It is said that nothing is sent, and why; so nobody has to connect to the server.
fn says_no(set_up: &SetUp, why: &str) {
    let out = set_up.doctor().out;
    let line = out.lines().find(|line| line.contains(" sending tracking: ")).unwrap();
    assert!(line.starts_with("skipped  sending tracking: nothing is sent: ") && line.contains(why), "{out}");
    assert!(out.contains(": nothing is sent there, and connecting would tell"), "{out}");
}

#[test]
fn what_is_wrong_with_an_octoprint() {
    let mut set_up = SetUp::new();
    let url = set_up.server.url();
    let key = set_up.home.0.path("key");
    set_up.chmod("key", 0o644);
    set_up.is(
        "fail",
        "octoprint octoprint",
        "others can read the API key in",
        &format!("run 'chmod 600 {}'", key.display()),
    );
    set_up.chmod("key", 0o600);
    fs::write(&key, "WRONGKEYWRONGKEY").unwrap();
    set_up.is("fail", "octoprint octoprint", "does not accept the API key (it answered 400)", "make one in OctoPrint");
    fs::write(&key, "two words").unwrap();
    set_up.is("fail", "octoprint octoprint", "it is not an API key", "chmod 600");
    fs::remove_file(&key).unwrap();
    set_up.is("fail", "octoprint octoprint", "No such file", "put an OctoPrint API key there");
    set_up.configure(&format!("{url}/elsewhere"), "");
    set_up.is(
        "fail",
        "octoprint octoprint",
        "there is no OctoPrint at",
        "check the URL, and the path that a proxy may add",
    );
    set_up.configure(&url, "");

    let odd = |path, answer: (&'static str, &'static str), says: &str, advice: &str| {
        set_up.server.how().odd = [(path, answer)].into();
        set_up.is("fail", "octoprint octoprint", says, advice);
        set_up.server.how().odd.clear();
    };
    odd("/api/login", ("503 SERVICE UNAVAILABLE", ""), "it answered 503", "wait a moment");
    odd(
        "/sockjs/websocket",
        ("400 BAD REQUEST", ""),
        "answered 400 instead of opening a WebSocket",
        "let the proxy in front of OctoPrint pass WebSockets on",
    );
    set_up.server.how().version = "1.7.3";
    set_up.is("fail", "octoprint octoprint", "is OctoPrint 1.7.3, which is too old", "update it to 1.8 or later");
    set_up.server.how().version = "1.11.8";
    set_up.server.how().own_tracker = true.into();
    set_up.is(
        "warn",
        "twice octoprint",
        "own tracker is on as well",
        "switch it off in OctoPrint's Settings > Anonymous Usage",
    );
    set_up.server.how().own_tracker = false.into();
    set_up.server.how().roles = vec!["settings"];
    set_up.is("fail", "octoprint octoprint", "may not see events", "give it the permission STATUS");
    set_up.server.kill();
    set_up.is("fail", "reach octoprint", "Connection refused", "start OctoPrint if it is not running");
}

#[test]
fn permissions_that_are_missing() {
    let set_up = SetUp::new();
    set_up.server.how().roles = vec!["status"];
    let achievements = "PLUGIN_ACHIEVEMENTS_VIEW ('Achievements Plugin: View instance achievements & stats') in";
    set_up.is("warn", "permissions octoprint", "achievements and the count of its starts cannot be read", achievements);
    let out = set_up.doctor().good();
    for optional in [
        "ok       permissions octoprint: what it runs on cannot be read without the permission SYSTEM ('System'), which may also switch the machine off; it is optional\n",
        "ok       permissions octoprint: the list of plugins cannot be read without the permission PLUGIN_PLUGINMANAGER_MANAGE ('Plugin Manager: Manage plugins'), which may also enable and disable plugins, and comes with the one that installs them; it is optional\n",
        "skipped  twice octoprint: this key may not see whether OctoPrint's own tracker is on as well; see OctoPrint's Settings",
    ] {
        assert!(out.contains(optional), "{out}");
    }
    set_up.server.how().roles = vec!["status", "system", "plugin_achievements_view", "plugin_pluginmanager_manage"];
    set_up.server.how().odd = [("/api/system/info", ("500 OH", ""))].into();
    set_up.is(
        "warn",
        "permissions octoprint",
        "what it runs on cannot be read: it answered 500",
        "check OctoPrint's log",
    );
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
        "its certificate is not signed by a trusted CA",
        "run 'glassbox trust URL'",
    );
    fs::copy(certificate_file("authority.pem"), set_up.home.root().join("mine.pem")).unwrap();
    set_up.configure(&set_up.server.url(), "ca_file = \"mine.pem\"");
    let (bad, report) = set_up.findings(&[]);
    assert_eq!(bad, Vec::<Value>::new(), "{report:#}");
    assert!(
        report.to_string().contains("can be reached over TLS, with a certificate that is trusted; nothing was"),
        "{report:#}"
    );
    assert_eq!(server.seen(), Vec::<String>::new());
    for (certificate, says) in [
        ("expired.pem", "its certificate has expired, if this machine's clock is right"),
        ("other-name.pem", "its certificate is for elsewhere.invalid, and not for 127.0.0.1"),
    ] {
        let server = tls(certificate);
        let url = server.url().replace("http:", "https:");
        to(&url);
        set_up.is("fail", &format!("server {url}"), says, "run 'glassbox trust URL'");
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
    // On another machine there is nothing to ask here.
    set_up.configure("http://octopi.invalid", "");
    let (bad, report) = set_up.findings(&[]);
    assert!(bad.iter().any(|check| check["check"] == "reach octoprint"), "{report:#}");
    assert!(report.to_string().contains("OctoPrint runs on another machine, so this one is not asked"), "{report:#}");
}

#[test]
fn a_clock_that_jumped_back() {
    let set_up = SetUp::new();
    // As a host would have written it while the clock showed this time.
    let written = |at: SystemTime| {
        let now = Box::new(move || at);
        let journal = Journal::open_with(&set_up.home.root().join("journal"), Rules { now, ..Rules::default() });
        journal.unwrap().write(&JournalEntry::default());
    };
    // Network time may set a clock back a little.
    written(SystemTime::now() + Duration::from_secs(30));
    let (bad, report) = set_up.findings(&[]);
    assert_eq!(bad, Vec::<Value>::new(), "{report:#}");
    // 2999-01-01.
    written(SystemTime::UNIX_EPOCH + Duration::from_secs(32_472_144_000));
    set_up.is(
        "warn",
        "clock",
        "but the journal was written to at 2999-01-01T00:00:00Z: the clock jumped",
        "timedatectl set-ntp true",
    );
}
