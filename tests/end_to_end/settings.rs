//! `settings`: showing, changing, and refusing.

use crate::support::{Home, PRINT};
use glassbox_sandbox::Settings;
use glassbox_tests::misfit;
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

const PRINTJOB: &str = "    Print jobs (default true)\n    Started, done, failed, cancelled: where the file is stored, its salted hash, how long it took.\n";
const PING: &str = "    Seconds between pings (default 900)\n    A ping says that this installation is running, for how long, and the printer's state. 0: never.\n";

#[test]
fn all_are_shown_with_title_value_and_default() {
    let home = Home::new();
    home.grant();
    let out = home.run(&["settings", "tracking"]).good();
    let keys: Vec<_> = out.lines().filter(|line| !line.starts_with(' ')).collect();
    let expected = [
        "enabled = null",
        "unique_id = null",
        "server = \"https://tracking.octoprint.org/track/{id}/{event}/\"",
        "ping = 900",
        "pong = 86400",
        "events.pong = true",
        "events.startup = true",
        "events.printjob = true",
        "events.commerror = true",
        "events.plugin = true",
        "events.update = true",
        "events.printer = true",
        "events.printer_safety_check = true",
        "events.throttled = true",
        "events.achievements = true",
        "events.slicing = true",
        "events.webui_load = true",
    ];
    assert_eq!(keys, expected);
    assert!(out.contains(&format!("events.printjob = true\n{PRINTJOB}")), "{out}");
    assert!(!home.settings_file().exists(), "showing writes nothing");
}

#[test]
fn one_is_shown() {
    let home = Home::new();
    home.grant();
    home.write_settings("{\"ping\": 60}");
    assert_eq!(home.run(&["settings", "tracking", "ping"]).good(), format!("ping = 60\n{PING}"));
}

#[test]
fn changes_are_in_the_file_and_the_rest_stays_as_it_was() {
    let home = Home::new();
    home.grant();
    home.write_settings("{\"zebra\": [1, {\"b\": 2, \"a\": 1.50}], \"pong\": 5, \"enabled\": false, \"ping\": 1}");
    let out = home.run(&["settings", "tracking", "events.printjob=false", "pong", "ping=60"]).good();
    let pong = "    Seconds between pongs (default 86400)\n    A pong describes the installation: versions, machine, third-party plugins. 0: never.\n";
    assert_eq!(out, format!("pong = 5\n{pong}ping = 60\n{PING}events.printjob = false\n{PRINTJOB}"));
    let expected = r#"{
  "zebra": [
    1,
    {
      "b": 2,
      "a": 1.5
    }
  ],
  "pong": 5,
  "enabled": false,
  "ping": 60,
  "events": {
    "printjob": false
  }
}
"#;
    assert_eq!(fs::read_to_string(home.settings_file()).unwrap(), expected);
    home.run(&["settings", "tracking", "events.printjob=true", "server=https://example.org/{id}/{event}/a=b/"]).good();
    assert_eq!(home.settings()["events"]["printjob"], true);
    assert_eq!(home.settings()["server"], "https://example.org/{id}/{event}/a=b/");
    home.run(&["settings", "tracking", "server=null"]).good();
    assert!(home.settings()["server"].is_null());
}

#[test]
fn what_is_wrong_is_refused_and_nothing_changes() {
    let home = Home::new();
    home.grant();
    let before = "{ \"ping\":60,\n\t\"enabled\":false }";
    home.write_settings(before);
    let refused = |arguments: &[&str]| {
        let message = home.run(&[&["settings", "tracking"], arguments].concat()).error();
        assert_eq!(fs::read_to_string(home.settings_file()).unwrap(), before);
        message
    };
    let unknown =
        |key: &str| format!("'{key}' is not a setting of 'tracking'; 'glassbox settings tracking' lists them");
    let similar =
        "'pingo' is not a setting of 'tracking'; did you mean 'ping'? 'glassbox settings tracking' lists them";
    assert_eq!(refused(&["pingo"]), similar);
    assert_eq!(refused(&["pingo=3"]), similar);
    assert!(refused(&["events=3"]).starts_with("'events' is not a setting of 'tracking'; did you mean 'events."));
    assert_eq!(refused(&["=3"]), unknown(""));
    assert_eq!(refused(&["ping=often"]), "ping must be a whole number");
    assert_eq!(refused(&["ping=1.5"]), "ping must be a whole number");
    assert_eq!(refused(&["ping="]), "ping must be a whole number");
    assert_eq!(refused(&["ping=-1"]), "ping must be at least 0");
    assert_eq!(refused(&["pong=99999999999"]), "pong must be at most 31622400");
    assert_eq!(refused(&["events.printjob=maybe"]), "events.printjob must be true or false");
    for (typed, meant) in [("off", false), ("False", false), ("no", false), ("True", true), ("yes", true), ("on", true)]
    {
        let said = format!("events.printjob must be true or false; write events.printjob={meant}");
        assert_eq!(refused(&[&format!("events.printjob={typed}")]), said);
    }
    assert_eq!(refused(&["ping=off"]), "ping must be a whole number");
    for server in ["hello", "ftp://example.org", "3"] {
        let said = format!(
            "the tracking server's URL must begin with https:// or http://: {server}; give one like \
             https://stats.example/{{id}}/{{event}}/"
        );
        assert_eq!(refused(&[&format!("server={server}")]), said);
    }
    let never =
        "the tracking server's URL must not have spaces, a query, a fragment or characters that must be encoded: ";
    assert!(refused(&["server=https://example.org/{id}?a=b"]).starts_with(never));
    let user = "the tracking server's URL must name a host, without variables or a user: https://…@example.org/; give one like ";
    assert!(refused(&["server=https://me:pw@example.org/"]).starts_with(user));
    assert!(refused(&["unique_id=me and you"]).starts_with("unique_id must be text like "));
    // One that is wrong keeps the good one from being taken.
    assert_eq!(refused(&["pong=60", "ping=often"]), "ping must be a whole number");
}

#[test]
fn a_server_that_nothing_can_be_sent_to_is_told() {
    let home = Home::opted_in("http://127.0.0.1:9/{id}/{event}?a=b");
    let log = home.command(&["run", "--events", "-"]).run_with(PRINT.as_bytes()).log();
    let said = "WARN tracking: all reports are blocked: the tracking server's URL must not have spaces, a query, ";
    assert_eq!(log.matches(said).count(), 1, "{log}");
    let doctor = home.run(&["doctor"]);
    let found = "fail     server http://127.0.0.1:9: all reports are blocked: the tracking server's URL must not have ";
    assert!(doctor.status == Some(1) && doctor.out.contains(found), "{}", doctor.out);
}

#[test]
fn plugins_that_are_not_there_are_errors() {
    let home = Home::new();
    home.grant();
    for name in ["../x", "a/b", "Tracking", "", "tracking.wasm", "..", "a b"] {
        for command in [&["settings", name, "ping=1"][..], &["opt-in", name], &["policy", name]] {
            let message = home.run(command).error();
            let expected = format!("there is no plugin '{name}' in {}; ", home.root().join("plugins").display());
            assert!(message.starts_with(&expected), "{command:?}: {message}");
        }
        assert_eq!(home.run(&["opt-out", name]).status, Some(2));
    }
    let message = home.run(&["settings", "other"]).error();
    let plugins = home.root().join("plugins");
    let expected =
        format!("there is no plugin 'other' in {}; 'glassbox list' shows which plugins there are", plugins.display());
    assert_eq!(message, expected);
    assert_eq!(fs::read_dir(home.root().join("settings")).unwrap().count(), 0);
}

/// The host adds an id while somebody may be writing the file: a half-written file is
/// theirs, and not a damaged one to be moved away.
#[test]
fn an_addition_leaves_a_file_that_is_gone_or_half_written_alone() {
    let home = Home::new();
    let library = glassbox::home::Home::at(home.root());
    let gone = library.add_id("tracking", "unique_id").unwrap_err().to_string();
    assert!(gone.ends_with("tracking.json is gone") && !home.settings_file().exists(), "{gone}");
    for half in ["", r#"{"enabled": tr"#] {
        home.write_settings(half);
        let refused = library.add_id("tracking", "unique_id").unwrap_err().to_string();
        assert!(refused.contains("tracking.json is damaged: "), "{refused}");
        assert_eq!(fs::read_to_string(home.settings_file()).unwrap(), half);
    }
    for enabled in [false, true] {
        let mut expected = json!({"enabled": enabled, "mine": 1});
        home.write_settings(expected.to_string());
        let now = library.add_id("tracking", "unique_id").unwrap();
        // Only while the file itself says yes.
        if enabled {
            expected["unique_id"] = now.get("unique_id").unwrap().clone();
        }
        assert_eq!(home.settings(), expected);
    }
    let files = fs::read_dir(home.settings_file().parent().unwrap()).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, [".lock", "tracking.json"]);
}

#[test]
fn a_switch_is_turned_off_whatever_the_plugin_says() {
    for word in ["trap-in-schema", "trap-in-load", "loop-in-schema", "loop-in-load"] {
        let home = Home::new();
        fs::create_dir_all(home.root().join("plugins")).unwrap();
        fs::write(home.plugin("misfit"), misfit(word)).unwrap();
        // Nothing was granted to it, which is another reason to refuse all other changes.
        let out = home.run(&["settings", "misfit", "events.hello=false"]).good();
        assert!(out.starts_with("events.hello = false\n"), "{word}: {out}");
        let settings = Settings::parse(&fs::read_to_string(home.root().join("settings/misfit.json")).unwrap()).unwrap();
        assert!(!settings.switch("events.hello"), "{word}");
        home.run(&["settings", "misfit", "enabled=false"]).good();
        for other in ["events.hello=true", "events.no-switch=false"] {
            let error = home.run(&["settings", "misfit", other]).error();
            assert!(error.contains("waiting"), "{word}, {other}: {error}");
        }
    }
}

#[test]
fn a_switch_is_turned_off_where_only_the_grant_is_left() {
    let home = Home::new();
    home.grant();
    fs::write(home.plugin("tracking"), "not a component").unwrap();
    let out = home.run(&["settings", "tracking", "events.printjob=false", "events.pong=false"]).good();
    assert_eq!(out, "events.printjob = false\nevents.pong = false\n");
    assert_eq!(home.settings()["events"], json!({"printjob": false, "pong": false}));
    fs::remove_file(home.plugin("tracking")).unwrap();
    home.run(&["settings", "tracking", "events.plugin=false"]).good();
    assert_eq!(home.settings()["events"]["plugin"], false);
}

#[test]
fn the_component_is_read_once_for_all_switches() {
    let home = Home::new();
    home.grant();
    let took = |count: usize| {
        let began = Instant::now();
        home.run(&[&["settings", "tracking"][..], &vec!["events.pong=false"; count]].concat()).good();
        began.elapsed()
    };
    took(1);
    let one = took(1);
    // Reading it each time would take several seconds.
    let many = took(5000);
    assert!(many < 20 * one + Duration::from_secs(1), "{one:?} for one, {many:?} for many");
}

#[test]
fn a_component_cannot_show_as_off_what_is_on() {
    let home = Home::new();
    home.grant();
    let shown = |changes: &[(&str, &str)]| {
        let mut component = glassbox::home::BUNDLED.to_vec();
        for (from, to) in changes {
            assert_eq!(from.len(), to.len());
            for at in 0..component.len() {
                if component[at..].starts_with(from.as_bytes()) {
                    component[at..at + to.len()].copy_from_slice(to.as_bytes());
                }
            }
        }
        fs::write(home.plugin("tracking"), component).unwrap();
        home.run(&["settings", "tracking"]).good()
    };
    let lies = shown(&[("\"default\": true", "\"default\":false"), ("\"default\": 900}", "\"default\": 0  }")]);
    assert!(lies.contains(&format!("events.printjob = true\n{PRINTJOB}")), "{lies}");
    assert!(lies.contains(&format!("ping = 900\n{PING}")), "{lies}");
    let hides = shown(&[("\"properties\": {", "\"PROPERTIES\": {")]);
    assert!(hides.contains("events.printjob = true\n    Whether this is reported (default true)\n"), "{hides}");
    assert!(hides.contains("ping = 900\n"), "{hides}");
    home.run(&["settings", "tracking", "events.printjob=false", "ping=0"]).good();
    assert!(home.run(&["settings", "tracking"]).good().contains("events.printjob = false\n"));
}
