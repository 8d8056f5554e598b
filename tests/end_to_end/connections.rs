//! No command makes a connection, or looks up a name, that nobody asked it for. They run in a network of their own, in
//! which every address is this machine, so that the kernel counts each attempt, wherever it was meant to go.

use crate::grants::with_manifest;
use crate::namespace::own_network;
use crate::support::{ENVIRONMENT, Home, PRINT, STARTED, workspace};
use glassbox::home::BUNDLED;
use glassbox_tests::skip;
use std::fs;

/// A tracker that is not told by its settings where to send. 192.0.2.0/24 is nobody's.
const STUBBORN: [(&str, &str); 2] =
    [("https://tracking.octoprint.org", "http://192.0.2.1"), (", url_setting = \"server\"", "")];

/// What the kernel counted in this thread's network so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    /// Connections that somebody began to make ..
    begun: u64,
    /// .. and those that a server accepted.
    accepted: u64,
    /// Datagrams, as names are looked up with.
    datagrams: u64,
}

impl Counted {
    fn now() -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap();
        let (snmp, snmp6) = (read("snmp"), read("snmp6"));
        // A line of names, and below it one of values.
        let find = |kind: &str, name: &str| {
            let mut lines = snmp.lines().filter(|line| line.starts_with(kind)).map(str::split_whitespace);
            let at = lines.next().unwrap().position(|word| word == name).unwrap();
            lines.next().unwrap().nth(at).unwrap().parse::<u64>().unwrap()
        };
        let over_ipv6 = snmp6.lines().find_map(|line| line.strip_prefix("Udp6OutDatagrams")).unwrap_or("0").trim();
        Self {
            begun: find("Tcp:", "ActiveOpens"),
            accepted: find("Tcp:", "PassiveOpens"),
            datagrams: find("Udp:", "OutDatagrams") + over_ipv6.parse::<u64>().unwrap(),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            begun: self.begun - before.begun,
            accepted: self.accepted - before.accepted,
            datagrams: self.datagrams - before.datagrams,
        }
    }
}

/// What happens on the network while this is done.
fn count(what: impl FnOnce()) -> Counted {
    let before = Counted::now();
    what();
    Counted::now().since(before)
}

#[test]
fn no_command_makes_a_connection_that_was_not_meant() {
    let home = Home::new();
    let resolv = home.0.write("resolv.conf", "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n");
    if let Err(why) = own_network(resolv.to_str().unwrap()) {
        return skip(&why);
    }
    home.grant();
    let none = Counted::default();
    let runs = |arguments: &[&str]| {
        let counted = count(|| drop(home.run(arguments).good()));
        assert_eq!(counted, none, "{arguments:?}");
    };

    // What is meant is counted: with these, everything below could fail.
    let look = |server: &str| {
        home.run(&["settings", "tracking", &format!("server={server}")]).good();
        count(|| drop(home.run(&["doctor", "--reach-server"])))
    };
    assert!(look("https://stats.example/{id}/{event}/").datagrams > 0, "a name is looked up");
    let direct = look("http://192.0.2.1/{id}/{event}/");
    assert_eq!((direct.begun, direct.datagrams), (1, 0));
    let direct = look("http://[2001:db8::1]/{id}/{event}/");
    assert_eq!((direct.begun, direct.datagrams), (1, 0), "IPv6");
    fs::remove_file(home.settings_file()).unwrap();

    // Nobody has opted in.
    let events = home.0.write("events.jsonl", format!("{ENVIRONMENT}\n{STARTED}\n{PRINT}\n"));
    let (events, recording) = (events.to_str().unwrap(), home.0.path("recording.jsonl"));
    let recording = recording.to_str().unwrap();
    runs(&["doctor"]);
    runs(&["run", "--events", events]);
    let meant = count(|| {
        home.run(&["opt-in", "tracking"]).good();
        home.run(&["run", "--events", events, "--record", recording]).log();
    });
    assert!(meant.datagrams > 0, "an opted-in host looks its server up");

    // Somebody has.
    let other = home.0.write("other.toml", fs::read(workspace("guest/tracker.toml")).unwrap());
    let config = home.0.write("config.yaml", "server:\n  uuids: {}\n");
    let tracker = home.plugin("tracking");
    let (tracker, packed) = (tracker.to_str().unwrap(), home.0.path("tracking.wasm"));
    for arguments in [
        &["init"][..],
        &["list"],
        &["status"],
        &["settings", "tracking"],
        &["settings", "tracking", "ping=60"],
        &["policy", "tracking"],
        &["journal"],
        &["journal", "--verify"],
        &["grant", "tracking"],
        &["opt-out", "tracking"],
        &["opt-in", "tracking"],
        &["replay", recording],
        &["replay", recording, "--with", tracker],
        &["replay", recording, "--scrub", &format!("{recording}.scrubbed")],
        &["audit", tracker, "--trials", "1"],
        &["audit", tracker, "--quick", "--against", tracker],
        &["completions", "bash"],
        &["revoke", "tracking"],
    ] {
        runs(arguments);
    }
    // Whether these succeed does not matter here.
    for arguments in [
        &["import", config.to_str().unwrap()][..],
        &["pack", tracker, other.to_str().unwrap(), "-o", packed.to_str().unwrap()],
    ] {
        assert_eq!(count(|| drop(home.run(arguments))), none, "{arguments:?}");
    }

    // The demo reaches its own receiver: whoever is called answers, and there is no other server here.
    let demo = |proxy: Option<&str>| {
        count(|| {
            let demo = home.command(&["demo", "--speed", "0"]);
            match proxy {
                Some(proxy) => demo.env("HTTPS_PROXY", proxy).env("all_proxy", proxy).env("http_proxy", proxy).run(),
                None => demo.run(),
            };
        })
    };
    for proxy in [None, Some("http://192.0.2.9:3128"), Some("http://proxy.example:3128")] {
        let counted = demo(proxy);
        assert!(
            counted.begun > 0 && counted.begun == counted.accepted && counted.datagrams == 0,
            "{proxy:?}: {counted:?}"
        );
    }
    let manifest = fs::read_to_string(workspace("guest/tracker.toml")).unwrap();
    let stubborn = STUBBORN.iter().fold(manifest, |manifest, (from, to)| manifest.replacen(from, to, 1));
    fs::write(tracker, with_manifest(BUNDLED, &stubborn)).unwrap();
    assert_eq!(demo(None), none, "a tracker that cannot be told its server");
    assert_eq!(demo(Some("http://192.0.2.9:3128")), none, "the same, with a proxy");
}
