//! The example plugin print-hours: the commands of its README as a newcomer types them, and the plugin that they build,
//! beside the tracker in one process.

use crate::support::{
    ENVIRONMENT, Folder, Home, LONG, PRINT, SILENCE, START, STARTED, kinds, receiver, shell, wait_until, workspace,
};
use serde_json::Value;
use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

/// The plugin is compiled from nothing, on a machine that may have other things to do.
const BUILD: Duration = Duration::from_secs(900);

const DONE: &str =
    r#"{"event":"PrintDone","payload":{"path":"a.gcode","name":"a.gcode","origin":"local","time":5400.2}}"#;

/// The commands of its README's chapter, block by block.
static CHAPTER: LazyLock<Vec<String>> = LazyLock::new(|| {
    let readme = fs::read_to_string(workspace("examples/print-hours/README.md")).unwrap();
    let (_, chapter) = readme.split_once("\n## Write a plugin\n").unwrap();
    let (chapter, _) = chapter.split_once("\n## ").unwrap();
    chapter.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0.into()).collect()
});

/// The example, copied out of the workspace and built there: the first two blocks.
fn build_in(folder: &Folder) {
    let own = folder.path("");
    let copy = CHAPTER[0].replace("../my-plugin", own.to_str().unwrap());
    shell(&workspace(""), &copy).run().good();
    // What the workspace has built is enough: no network, and the second time nothing to compile.
    fs::copy(workspace("Cargo.lock"), folder.path("Cargo.lock")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_TARGET_TMPDIR"), folder.path("target")).unwrap();
    run_in(folder, &CHAPTER[1]);
}

fn run_in(folder: &Folder, script: &str) {
    shell(&folder.path(""), script).env("CARGO_NET_OFFLINE", "true").start().wait(BUILD).good();
}

static BUILT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = Folder::new();
    build_in(&folder);
    fs::read(folder.path("print-hours.wasm")).unwrap()
});

/// A plugin's settings, as they are in its file.
fn settings(home: &Home, name: &str) -> Value {
    let file = home.root().join("settings").join(name).with_extension("json");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn the_readme_leads_from_nothing_to_a_plugin_that_reloads() {
    let (home, receiver) = (Home(Folder::new()), receiver());
    // Not at the same time in the one target folder.
    assert!(!BUILT.is_empty());
    build_in(&home.0);
    let install = CHAPTER[2].replace("http://127.0.0.1:8000/", &receiver.url());
    assert!(install.contains(&receiver.url()));
    let out = shell(&home.0.path(""), &install).run().good();
    assert!(out.contains("You have opted in to 'print-hours'."), "{out}");
    assert!(out.contains("An id is made when the host runs it for the first time."), "{out}");

    let mut host = home.start();
    host.feed(&fs::read(workspace("examples/print-hours/events.jsonl")).unwrap());
    assert_eq!(kinds(&receiver, 1), ["summary"]);
    let summary = &receiver.requests()[0];
    // What the README shows.
    assert_eq!(summary.query, "done=2&failed=0&cancelled=1&hours=3.7");
    let readme = fs::read_to_string(workspace("examples/print-hours/README.md")).unwrap();
    assert!(readme.contains(&format!("GET /?{} HTTP/1.1", summary.query)));
    // Another version, while the host runs; then what the script has written for it.
    run_in(&home.0, &CHAPTER[5]);
    host.wait_for_log(" INFO print-hours: version ");
    let events = fs::read_to_string(home.0.path("events.jsonl")).unwrap();
    host.send(events.lines().last().unwrap());
    assert_eq!(kinds(&receiver, 2), ["summary", "summary"]);
    let query = receiver.requests()[1].query.clone();
    assert_eq!(query, "done=1&failed=0&cancelled=0&hours=1.50");
    assert!(readme.contains("`hours=1.50`"));
    host.close();
    let log = host.wait(LONG).log();
    assert!(log.ends_with(" INFO 2 reports sent, 0 failed, 0 dropped\n"), "{log}");

    // The id has been made; the user is not told that it will be.
    let out = home.run(&["opt-in", "print-hours"]).good();
    assert!(!out.contains("An id is made"), "{out}");
}

#[test]
fn beside_the_tracker_each_sends_its_own() {
    let (home, theirs, ours) = (Home::new(), receiver(), receiver());
    fs::write(home.plugin("print-hours"), &*BUILT).unwrap();
    for name in ["tracking", "print-hours"] {
        home.run(&["opt-in", name]).good();
    }
    home.run(&["settings", "tracking", &format!("server={}", theirs.url())]).good();
    home.run(&["settings", "print-hours", &format!("server={}", ours.url()), "interval=1"]).good();
    let mut host = home.start();
    for line in [ENVIRONMENT, STARTED, PRINT, DONE] {
        host.send(line);
    }
    assert_eq!(kinds(&theirs, 5)[..3], START);
    assert_eq!(kinds(&theirs, 5)[3..], ["print_started", "print_done"]);
    assert_eq!(kinds(&ours, 1), ["summary"]);
    let summary = &ours.requests()[0];
    let farm = settings(&home, "print-hours")["farm_id"].as_str().unwrap().to_string();
    assert_eq!(summary.path, format!("/track/{farm}/summary/"));
    assert_eq!(summary.query, "done=1&failed=0&cancelled=0&hours=1.5");
    assert_eq!((summary.method.as_str(), summary.user_agent.as_str()), ("GET", "print-hours/1"));
    // Neither knows of the other's id.
    assert!(!format!("{:?}", theirs.requests()).contains(&farm));
    let tracking = settings(&home, "tracking");
    assert!(!format!("{:?}", ours.requests()).contains(tracking["unique_id"].as_str().unwrap()));
    assert_eq!((tracking.get("farm_id"), tracking.get("interval")), (None, None));

    home.run(&["opt-out", "print-hours"]).good();
    host.wait_for_log(" INFO print-hours: nothing is sent: the setting 'enabled' is not true\n");
    host.send(DONE);
    assert_eq!(kinds(&theirs, 6)[5], "print_done");
    assert_eq!(ours.wait_for(2, Duration::from_secs(1) + SILENCE).len(), 1);

    home.run(&["opt-in", "print-hours"]).good();
    home.run(&["opt-out", "tracking"]).good();
    host.wait_for_log(" INFO tracking: nothing is sent: the setting 'enabled' is not true\n");
    wait_until("opted in again", || {
        host.log().matches(" INFO print-hours: reports are sent while the host runs: ").count() == 2
    });
    host.send(DONE);
    assert_eq!(kinds(&ours, 2), ["summary", "summary"]);
    // What was printed between the no and the second yes was not counted.
    assert_eq!(ours.requests()[1].query, summary.query);
    assert_eq!(settings(&home, "print-hours")["farm_id"], farm.as_str());
    host.close();
    let log = host.wait(LONG).log();
    assert_eq!((theirs.requests().len(), ours.requests().len()), (6, 2));
    assert!(log.ends_with(" INFO 8 reports sent, 0 failed, 0 dropped\n"), "{log}");
}
