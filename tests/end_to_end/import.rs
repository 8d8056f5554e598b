//! `import`: what is taken over from OctoPrint's own tracker, what is refused, and that it neither opts
//! anybody in nor counts anybody twice. One folder for each configuration, in `imports/`: `config.yaml`,
//! the settings before (`settings.json`, if there are any) and after (`after.json`), and what is said.

use crate::doctor::files;
use crate::support::{Home, LONG, workspace};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TWICE: &str = "warning: OctoPrint's own tracker is on as well, as ";

fn case(name: &str) -> PathBuf {
    workspace("tests/end_to_end/imports").join(name)
}

/// A home with these settings, if there are any.
fn home(settings: Option<&[u8]>) -> Home {
    let home = Home::new();
    home.grant();
    settings.into_iter().for_each(|settings| home.write_settings(settings));
    home
}

fn import(home: &Home, file: &Path) -> crate::support::Output {
    home.command(&["import"]).arg(file).run()
}

#[test]
fn of_each_configuration_is_taken_over_what_octoprint_could_read() {
    let mut cases: Vec<_> = fs::read_dir(case("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 25, "{cases:?}");
    // One home for all, so that the plugin is compiled once.
    let home = home(None);
    for folder in cases {
        let _ = fs::remove_file(home.settings_file());
        let _ = fs::remove_dir_all(home.root().join("state"));
        fs::read(folder.join("settings.json")).into_iter().for_each(|settings| home.write_settings(settings));
        let before = files(&home.root());
        let output = import(&home, &folder.join("config.yaml"));
        let said = format!("{}{}", output.out, output.err).replace(folder.to_str().unwrap(), "");
        let case = folder.display();
        assert_eq!(said, fs::read_to_string(folder.join("said.txt")).unwrap(), "{case}");
        assert!(!said.contains("SECRET"), "{case}: {said}");
        let enabled = |settings: &Value| settings.get("enabled").cloned();
        match fs::read(folder.join("after.json")) {
            Ok(after) => {
                assert_eq!(output.status, Some(0), "{case}");
                let after: Value = serde_json::from_slice(&after).unwrap();
                assert_eq!(home.settings(), after, "{case}");
                let settings = fs::read(folder.join("settings.json"));
                let before = settings.ok().map(|settings| serde_json::from_slice::<Value>(&settings).unwrap());
                assert_eq!(before.as_ref().and_then(enabled), enabled(&after), "{case}: nobody is opted in");
            }
            Err(_) => {
                assert_eq!((output.status, output.out.contains("opt-in")), (Some(2), false), "{case}");
                assert_eq!(files(&home.root()), before, "{case}: nothing changed");
            }
        }
    }
}

#[test]
fn settings_of_ones_own_stay_unless_one_says_otherwise() {
    let folder = case("differs");
    let settings = fs::read(folder.join("settings.json")).unwrap();
    let home = home(Some(&settings));
    let file = folder.join("config.yaml");
    import(&home, &file).error();
    assert_eq!(fs::read(home.settings_file()).unwrap(), settings);
    let out = home.command(&["import", "--force"]).arg(&file).run().good();
    let taken = "unique_id = \"1b5a7542-c5ed-4d88-9b61-18d2eca2a864\" (it was \"8a4b1f0e-6c1d-4f7a-9d53-3b8e0c6f2a11\")
ping = 300 (it was 60)
events.printjob = false
";
    assert!(out.starts_with(taken), "{out}");
    let settings = home.settings();
    assert_eq!((&settings["ping"], &settings["enabled"]), (&300.into(), &false.into()));
    assert_eq!(settings["events"]["printjob"], false);
}

#[test]
fn both_trackers_are_warned_of_until_one_is_off() {
    let home = home(None);
    let file = home.0.write("octoprint/config.yaml", fs::read(case("everything").join("config.yaml")).unwrap());
    import(&home, &file).good();
    let status = || home.run(&["status"]).good();
    let doctor = || home.run(&["doctor"]).out;
    assert!(!status().contains(TWICE) && !doctor().contains("twice"), "ours is off");
    home.run(&["settings", "tracking", "server=http://127.0.0.1:1/{id}/{event}/"]).good();
    home.run(&["opt-in", "tracking"]).good();
    let expected = format!(
        "{TWICE}{} says, so everything is counted twice; switch it off in OctoPrint's Settings > Anonymous Usage Tracking\n",
        file.canonicalize().unwrap().display()
    );
    assert!(status().ends_with(&expected), "{}", status());
    assert!(doctor().contains("warn     twice: OctoPrint's own tracker is on as well, as "), "{}", doctor());
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("enabled: true", "enabled: false")).unwrap();
    assert!(!status().contains(TWICE) && !doctor().contains("twice"));
    fs::write(&file, &text).unwrap();
    assert!(status().contains(TWICE));
    // As its command line writes it, unless it is told that this is a switch.
    for (word, on) in [("'true'", true), ("1", true), ("'false'", false)] {
        fs::write(&file, text.replace("enabled: true", &format!("enabled: {word}"))).unwrap();
        assert_eq!(status().contains(TWICE), on, "{word}");
    }
    // No warning where the file cannot be read any more.
    for bad in ["", "{", "plugins: 3"] {
        fs::write(&file, bad).unwrap();
        assert!(!status().contains(TWICE), "{bad}");
    }
    fs::remove_file(&file).unwrap();
    assert!(!status().contains(TWICE));
    // Nor where the note of which file it was is damaged.
    fs::write(&file, &text).unwrap();
    assert!(status().contains(TWICE));
    let memory = home.root().join("state/tracking.import.json");
    let mut source: Value = serde_json::from_slice(&fs::read(&memory).unwrap()).unwrap();
    source["file"] = 3.into();
    fs::write(memory, source.to_string()).unwrap();
    assert!(!status().contains(TWICE));
}

#[test]
fn what_is_no_file_of_octoprints_is_refused() {
    let home = home(None);
    let before = files(&home.root());
    let refused = |file: &Path| {
        let message = import(&home, file).error();
        assert_eq!(files(&home.root()), before);
        message.replace(file.to_str().unwrap(), "FILE")
    };
    let usually = "OctoPrint's configuration is usually ~/.octoprint/config.yaml";
    let none = format!("FILE cannot be read: No such file or directory (os error 2); {usually}");
    assert_eq!(refused(&home.0.path("none.yaml")), none);
    let folder = home.0.path("folder");
    fs::create_dir(&folder).unwrap();
    assert!(refused(&folder).ends_with(&usually));
    let pipe = home.0.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(refused(&pipe).contains("it is a pipe, a socket or a device, not a regular file"));
    let large = home.0.path("large.yaml");
    fs::File::create(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    assert_eq!(refused(&large), format!("FILE cannot be read: it has more than 64 MiB, which is the limit; {usually}"));
}

/// Plugins write megabytes into it, before and after the tracker's part.
#[test]
fn a_configuration_may_have_10_mb() {
    let home = home(None);
    let many = |from: u32| {
        let printer = |i| format!("    job-{i}: {{file: 'a {i}.gcode', times: [1.5, 2, ~], note: \"x\\n\"}}\n");
        (from..from + 80_000).map(printer).collect::<String>()
    };
    let tracking = "  tracking:\n    ping: '300'\n";
    let text = format!("plugins:\n  a:\n{}{tracking}  z:\n{}", many(0), many(80_000));
    assert!(text.len() > 10_000_000, "{}", text.len());
    let file = home.0.write("config.yaml", text);
    assert!(import(&home, &file).good().starts_with("ping = 300\n"));
}

#[test]
fn what_was_not_granted_or_is_damaged_is_not_touched() {
    let file = case("everything").join("config.yaml");
    let home = Home::new();
    let before = files(&home.root());
    assert!(import(&home, &file).error().contains("'glassbox grant tracking' shows what it asks for"));
    assert_eq!(files(&home.root()), before);
    home.grant();
    home.write_settings("{\"enabled\": true,");
    let before = files(&home.root());
    assert!(import(&home, &file).error().contains("tracking.json is damaged: "));
    assert_eq!(files(&home.root()), before);
}

#[test]
fn of_several_octoprints_one_is_meant() {
    let home = home(None);
    let entry = |name: &str| format!("[[octoprint]]\nname = \"{name}\"\nurl = \"http://{name}\"\n");
    home.0.write("home/glassbox.toml", entry("one") + &entry("two"));
    let file = home.0.write("c.yaml", "plugins: {tracking: {enabled: true, ping: 300}}");
    assert!(import(&home, &file).error().starts_with("which OctoPrint is meant?"));
    let all = home.command(&["import", "--octoprint", "all"]).arg(&file).run().error();
    assert_eq!(all, "'import' is for one OctoPrint; name it with --octoprint");
    let out = home.command(&["import", "--octoprint", "two"]).arg(&file).run().good();
    assert!(out.ends_with("say yes, with: glassbox opt-in tracking --octoprint two\n"), "{out}");
    assert!(!home.settings_file().exists() && !home.root().join("settings/one").exists());
    let settings = home.root().join("settings/two/tracking.json");
    assert_eq!(
        serde_json::from_slice::<Value>(&fs::read(settings).unwrap()).unwrap(),
        serde_json::json!({"ping": 300})
    );
    home.run(&["opt-in", "tracking", "--octoprint", "one"]).good();
    assert!(!home.run(&["status"]).good().contains(TWICE), "it is another one's");
    home.run(&["opt-in", "tracking", "--octoprint", "two"]).good();
    assert!(home.run(&["status"]).good().contains(TWICE));
    assert!(!home.run(&["status", "--octoprint", "one"]).good().contains(TWICE));
}

#[test]
fn a_running_host_takes_over_the_id() {
    let receiver = crate::support::receiver();
    let home = Home::opted_in(&receiver.url());
    let file = home.0.write("c.yaml", "plugins: {tracking: {unique_id: 1b5a7542-c5ed-4d88-9b61-18d2eca2a864}}");
    import(&home, &file).good();
    let mut host = home.start();
    for line in [crate::support::ENVIRONMENT, crate::support::STARTED] {
        host.send(line);
    }
    let requests = receiver.wait_for(3, LONG);
    assert_eq!(requests.len(), 3);
    assert!(
        requests.iter().all(|request| request.path.contains("1b5a7542-c5ed-4d88-9b61-18d2eca2a864")),
        "{requests:?}"
    );
    host.close();
    host.wait(LONG).log();
}
