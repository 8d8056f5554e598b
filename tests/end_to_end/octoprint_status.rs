//! What `status` says of an OctoPrint: whether it is heard, what may not be read and what would give
//! it, and whether its own tracker counts everything a second time. The server is a stand-in.

use crate::octoprint::follow;
use crate::push_server::{KEY, PushServer};
use crate::support::{Home, LONG, Process, receiver, wait_until};
use glassbox::home::ApiKey;
use glassbox::home::config::octoprint::Target;
use glassbox::net::{Address, Peer};
use glassbox::sources::octoprint::connection_status::StatusFile;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const WEBUI: &str = "    not available: webui_load, which never comes over the push API";
const UNKNOWN: &str = "    not known: whether its own tracker is on as well (only who may change all settings may see that); see OctoPrint's Settings > Anonymous Usage Tracking";
const TWICE: &str = "    warning: its own tracker is on as well, so everything is counted twice; switch it off in OctoPrint's Settings > Anonymous Usage Tracking";

/// What is said of the OctoPrint.
fn said(home: &Home) -> Vec<String> {
    let status = home.run(&["status"]).good();
    let lines = status.lines().skip_while(|line| !line.starts_with("octoprint: "));
    lines.map(Into::into).collect()
}

fn file(home: &Home) -> Value {
    serde_json::from_slice(&fs::read(home.root().join("state/octoprint.connection.json")).unwrap()).unwrap()
}

#[track_caller]
fn wait_for(home: &Home, line: &str, there: bool) {
    wait_until(line, || said(home).iter().any(|said| said.starts_with(line)) == there);
}

fn stop(host: Process) {
    host.signal("TERM");
    host.wait(LONG).log();
}

#[test]
fn what_may_not_be_read_is_said_with_what_would_give_it() {
    let mut server = PushServer::start();
    server.how().roles = vec!["status"];
    let home = Home::opted_in(&receiver().url());
    let host = follow(&home, &server.url());
    let url = server.url();
    let expected = [
        "    not available: what it runs on (needs the permission SYSTEM ('System'), which may also switch the machine off; optional)",
        "    not available: achievements and the count of its starts (needs the permission PLUGIN_ACHIEVEMENTS_VIEW ('Achievements Plugin: View instance achievements & stats'))",
        "    not available: the list of plugins (needs the permission PLUGIN_PLUGINMANAGER_MANAGE ('Plugin Manager: Manage plugins'), which may also enable and disable plugins, and comes with the one that installs them; optional)",
        WEBUI,
        UNKNOWN,
    ];
    let lines = said(&home);
    assert!(lines[0].starts_with(&format!("octoprint: OctoPrint 1.11.8 at {url} is heard since 20")), "{lines:?}");
    assert_eq!(lines[1..], expected);
    let text = file(&home).to_string();
    assert!(!text.contains(KEY) && !text.contains("me:s"), "{text}");

    // A permission that was given counts from the next connection on.
    server.how().roles = vec!["status", "system", "plugin_achievements_view", "plugin_pluginmanager_manage"];
    server.kill();
    wait_for(&home, &format!("octoprint: OctoPrint 1.11.8 at {url} is not heard since 20"), true);
    assert!(said(&home)[0].contains(": "), "{:?}", said(&home));
    server.come_back();
    wait_for(&home, &format!("octoprint: OctoPrint 1.11.8 at {url} is heard since "), true);
    assert_eq!(said(&home)[1..], [WEBUI, UNKNOWN]);
    stop(host);
    assert!(said(&home)[0].ends_with("; no host is running"), "{:?}", said(&home));
}

#[test]
fn its_own_tracker_is_warned_of_while_both_are_on() {
    let server = PushServer::start();
    server.how().roles.push("settings");
    server.how().own_tracker = true.into();
    let home = Home::opted_in(&receiver().url());
    let host = follow(&home, &server.url());
    assert_eq!(said(&home)[1..], [WEBUI, TWICE]);
    // Ours is off: nothing is counted twice.
    home.run(&["opt-out", "tracking"]).good();
    assert_eq!(said(&home)[1..], [WEBUI]);
    home.run(&["opt-in", "tracking"]).good();
    assert_eq!(said(&home)[1..], [WEBUI, TWICE]);
    // Theirs is switched off, and the host hears of it.
    server.how().own_tracker = false.into();
    server.event("SettingsUpdated", json!({"config_hash": "1", "effective_hash": "2"}));
    wait_for(&home, TWICE, false);
    assert_eq!(said(&home)[1..], [WEBUI]);
    stop(host);
}

#[test]
fn a_user_who_may_not_change_settings_sees_it_only_where_its_plugin_is_disabled() {
    let server = PushServer::start();
    // What the group Users may, as far as it matters here.
    server.how().roles.extend(["settings_read", "plugin_pluginmanager_list"]);
    server.how().own_tracker = true.into();
    let home = Home::opted_in(&receiver().url());
    let host = follow(&home, &server.url());
    assert_eq!(said(&home)[1..], [WEBUI, UNKNOWN]);
    assert_eq!(server.count("GET /api/settings"), 0, "it would show null");
    server.how().own_tracker = "disabled".into();
    server.event("plugin_pluginmanager_disable_plugin", json!({"id": "tracking", "version": null}));
    wait_for(&home, UNKNOWN, false);
    assert_eq!(said(&home)[1..], [WEBUI]);
    stop(host);
}

#[test]
fn one_that_was_never_heard_is_said_to_be_so_and_bad_files_are_passed_over() {
    let server = PushServer::start();
    server.how().odd = [("/api/login", ("503 SERVICE UNAVAILABLE", ""))].into();
    let home = Home::opted_in(&receiver().url());
    let key = crate::octoprint::key_file(&home, KEY);
    // What an earlier host knew of another one is gone.
    let other = earlier(&home, "other", "http://other");
    assert!(said_of(&home, "other").starts_with("other: OctoPrint 1.11 at http://other was heard since 20"));
    let host = home.command(&["run", "--octoprint", &server.url(), "--api-key-file"]).arg(&key).start();
    host.wait_for_log("trying again: it answered 503");
    let url = server.url();
    wait_for(&home, &format!("octoprint: OctoPrint at {url} is not heard since 20"), true);
    let lines = said(&home);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(": it answered 503: it is starting"), "{lines:?}");
    stop(host);
    assert!(!other.exists());

    // What a host left behind is shown as long as it can be read.
    let damage = |name: &str, damage: &dyn Fn(&str) -> String| {
        let file = earlier(&home, name, "http://h");
        let good = fs::read_to_string(&file).unwrap();
        assert!(said_of(&home, name).contains(" at http://h was heard since 20"), "{good}");
        let bad = damage(&good);
        assert_ne!(bad, good);
        fs::write(file, bad).unwrap();
    };
    damage("a", &|good| good[..good.len() / 2].into());
    damage("b", &|_| "[]".into());
    damage("c", &|good| good.replace("\"http://h\"", "3"));
    damage("d", &|_| String::new());
    damage("e", &|_| "\u{fffd}".into());
    fs::create_dir(home.root().join("state/f.connection.json")).unwrap();
    damage("g", &|good| good.to_string() + &" ".repeat(100 << 10));
    damage("h", &|good| good.replace("http://h", "http://h\\u001b[31m"));
    damage("octoprint", &|good| good.replace("1.11", "\\u001b[31m"));
    let lines = said(&home);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("octoprint: OctoPrint \\u{1b}[31m at http://h was heard since 20"), "{lines:?}");
    assert!(lines[0].ends_with("; no host is running"), "{lines:?}");
}

/// The file that a host leaves behind which heard an OctoPrint at this URL.
fn earlier(home: &Home, name: &str, url: &str) -> PathBuf {
    let target = Target {
        name: Some(name.into()),
        address: Address::parse(url, Peer::OctoPrint).unwrap(),
        key: ApiKey::parse(KEY).unwrap(),
    };
    StatusFile::new(&glassbox::home::Home::at(home.root()), &target).connected("1.11", &[], None);
    home.root().join(format!("state/{name}.connection.json"))
}

/// The line about the OctoPrint of this name.
fn said_of(home: &Home, name: &str) -> String {
    let status = home.run(&["status"]).good();
    status.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap_or_default().into()
}
