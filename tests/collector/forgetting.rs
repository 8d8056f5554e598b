//! What is kept of one installation can be seen and removed, while others are counted on.

use crate::support::{Collector, Folder, ID, id_bytes, number, pings, program, refused, wait_for};
use glassbox_collector::store::Store;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const OTHER: &str = "22222222-3333-4444-8555-666666666666";

fn run(command: &str, data: &Path, id: &str) -> (bool, String) {
    let output = program().args([command, id, "--data"]).arg(data).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// How often these bytes are in the files below, but in the exports: those are published, and may have been made just now.
pub fn occurrences(folder: &Path, what: &[u8]) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let count = |path: std::path::PathBuf| {
        if path.ends_with("exports") {
            return 0;
        }
        if path.is_dir() {
            return occurrences(&path, what);
        }
        // A socket has no content.
        if !path.is_file() {
            return 0;
        }
        std::fs::read(path).unwrap().windows(what.len()).filter(|window| *window == what).count()
    };
    entries.map(count).sum()
}

#[test]
fn an_installation_is_shown_and_forgotten_while_reports_come_in() {
    let folder = Folder::new("forgetting");
    let collector = Collector::start(&folder, "");
    let data = collector.data.clone();
    let other = ID.replace('1', "2");
    for id in [ID, &other] {
        assert_eq!(collector.report(&format!("/track/{id}/ping/")), 204);
        assert_eq!(collector.report(&format!("/track/{id}/startup/?python=3.11.2&os=linux")), 204);
        assert_eq!(collector.report(&format!("/track/{id}/print_done/?elapsed=7&origin=local")), 204);
        let body = "plugins=only_mine:1.0&achievements=the_wizard";
        let pong = format!("/track/{}/pong/", id.to_uppercase());
        let mine = if id == ID { body } else { "plugins=common:1" };
        assert_eq!(collector.send("POST", &pong, "User-Agent: OctoPrint/1.11.8\r\n", mine), 204);
    }
    let shown = |id: &str| -> Value { serde_json::from_str(&run("show", &data, id).1).unwrap() };
    wait_for("all reports", || {
        pings(&data) == 2
            && shown(&other)["days"]
                .as_object()
                .unwrap()
                .values()
                .any(|day| day["reports"].as_array().unwrap().len() == 3)
    });
    let found = shown(&ID.to_uppercase());
    let (_, day) = found["days"].as_object().unwrap().iter().next_back().unwrap();
    assert_eq!(day["pings"][0]["pings"], 1);
    assert_eq!(day["pings"][0]["quarters_of_an_hour"].as_array().unwrap().len(), 1);
    let fields: Vec<_> = day["reports"].as_array().unwrap().iter().map(|report| report["fields"].clone()).collect();
    let expected = [
        json!({"python": "3.11.2", "os": "linux"}),
        json!({"elapsed": 7, "origin": "local"}),
        json!({"plugins": "only_mine:1.0", "achievements": "the_wizard"}),
    ];
    assert_eq!(fields, expected);

    let bytes = id_bytes();
    assert!(occurrences(&data, &bytes) > 0 && occurrences(&data, b"only_mine") > 0);
    assert_eq!(run("forget", &data, ID), (true, "it is forgotten\n".into()));
    for gone in [&bytes[..], b"only_mine", b"the_wizard", ID.as_bytes()] {
        assert_eq!(occurrences(&data, gone), 0, "{gone:?}");
    }
    assert_eq!(run("show", &data, ID), (true, "null\n".into()));
    assert_eq!(run("forget", &data, ID), (true, "nothing is kept of it\n".into()));
    // The others are still there, and the forgotten one is a new one if it comes again.
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    assert_eq!(collector.report(&format!("/track/{other}/ping/")), 204);
    collector.stop();
    assert_eq!(pings(&data), 2);
    assert_eq!(shown(&other)["days"].as_object().unwrap().values().next_back().unwrap()["pings"][0]["pings"], 2);
    let (ok, said) = run("forget", &data, "5");
    assert!(!ok && said.contains("an id is a UUID"), "{said}");
    let (ok, said) = run("show", &folder.0.join("nothing"), ID);
    assert!(!ok && said.contains("is not the folder of a store"), "{said}");
}

/// A store with pongs of two installations: one list of plugins each of their own, and one in common.
fn two(folder: &Folder) -> PathBuf {
    let collector = Collector::start(folder, "");
    for (id, plugins) in [(ID, "only_mine:1"), (ID, "common:1"), (OTHER, "only_theirs:1"), (OTHER, "common:1")] {
        let pong = format!("/track/{id}/pong/");
        let body = format!("plugins={plugins}");
        assert_eq!(collector.send("POST", &pong, "User-Agent: OctoPrint/1.11.8\r\n", &body), 204);
        assert_eq!(collector.report(&format!("/track/{id}/ping/")), 204);
    }
    collector.stop()
}

/// Exit status and what was said.
fn status(arguments: &[&str], data: &Path) -> (Option<i32>, String) {
    let output = program().args(arguments).arg("--data").arg(data).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_damaged_day_stops_nobody_from_being_forgotten_on_the_others_and_is_named() {
    let folder = Folder::new("forgetting-damaged");
    let data = two(&folder);
    // All of it in a day that becomes damaged, and of the other nothing but pings in another: what the damaged one refers to
    // must be there when it is put right.
    let (store, day) = (Store::open(&data).unwrap(), data.join("days/2020-01-02.sqlite"));
    let today = store.day(store.days().unwrap().pop().unwrap());
    std::fs::copy(&today, &day).unwrap();
    let number_of_other = "SELECT max(installation) FROM report";
    Connection::open(&today)
        .unwrap()
        .execute_batch(&format!("DELETE FROM report WHERE installation = ({number_of_other})"))
        .unwrap();
    let good = std::fs::read(&day).unwrap();
    std::fs::write(&day, "no database").unwrap();
    let theirs = occurrences(&data, b"only_theirs");
    for what in ["it is forgotten, but ", "nothing is kept of it, but "] {
        let (code, said) = status(&["forget", ID], &data);
        assert!(code == Some(3) && said.contains(what) && said.contains(day.to_str().unwrap()), "{code:?} {said}");
        assert!(said.contains("remove them"), "{said}");
        assert_eq!((pings(&data), occurrences(&data, b"only_mine")), (1, 0));
        assert_eq!(occurrences(&data, b"only_theirs"), theirs, "it was theirs, wherever it was");
    }
    std::fs::write(&day, good).unwrap();
    assert_eq!(status(&["forget", ID], &data), (Some(0), "nothing is kept of it\n".into()));
    // One that was moved aside is named as well.
    std::fs::rename(&day, data.join("days/2020-01-02.sqlite.damaged-1")).unwrap();
    let (code, said) = status(&["forget", OTHER], &data);
    assert!(code == Some(3) && said.contains("2020-01-02.sqlite.damaged-1"), "{said}");
    std::fs::remove_file(data.join("days/2020-01-02.sqlite.damaged-1")).unwrap();
    assert_eq!(status(&["forget", OTHER], &data), (Some(0), "nothing is kept of it\n".into()));
    assert_eq!(occurrences(&data, b"only_theirs") + occurrences(&data, b"common"), 0);
}

#[test]
fn a_day_of_a_newer_version_keeps_the_id_until_it_can_be_searched() {
    let folder = Folder::new("forgetting-newer");
    let data = two(&folder);
    let newer = data.join("days/2020-01-02.sqlite");
    let today = Store::open(&data).unwrap().days().unwrap().pop().unwrap();
    std::fs::copy(Store::open(&data).unwrap().day(today), &newer).unwrap();
    let version = |number: u32| {
        Connection::open(&newer).unwrap().pragma_update(None, "user_version", number).unwrap();
    };
    version(99);
    let (code, said) = status(&["forget", ID], &data);
    assert!(code == Some(1) && said.contains("2020-01-02.sqlite") && said.contains("newer version"), "{said}");
    assert_eq!(pings(&data), 1, "it is removed from the day that can be searched");
    version(1);
    assert_eq!(status(&["forget", ID], &data), (Some(0), "it is forgotten\n".into()));
    assert_eq!((occurrences(&data, &id_bytes()), occurrences(&data, b"only_mine")), (0, 0));
    let left = Connection::open(&newer).unwrap();
    assert_eq!(number(&left, "SELECT count(*) FROM report"), 2);
}

#[test]
fn whoever_is_kept_out_stays_out() {
    let folder = Folder::new("forgetting-kept-out");
    let data = two(&folder);
    let collector = Collector::start(&folder, "");
    assert_eq!(status(&["forget", ID, "--keep-out"], &data), (Some(0), "it is forgotten, and kept out\n".into()));
    let ping =
        |id: &str| assert_eq!(collector.report(&format!("/track/{id}/ping/")), 204, "there is nothing to be seen");
    ping(ID);
    ping(&ID.to_uppercase());
    ping(OTHER);
    collector.stop();
    assert_eq!(pings(&data), 1);
    assert!(refused(&data).contains(&("kept_out".into(), 2)), "{:?}", refused(&data));
    assert_eq!(occurrences(&data, &id_bytes()), 0, "its id is not known any more, only a hash of it");
    assert_eq!(status(&["show", ID], &data), (Some(0), "null\n".into()));
}

#[test]
fn nothing_is_removed_while_a_backup_is_made_and_reports_do_not_wait_for_it() {
    let folder = Folder::new("forgetting-locked");
    two(&folder);
    let collector = Collector::start(&folder, "");
    // As a backup does.
    let backup = Store::open(&collector.data).unwrap().removing(Duration::ZERO).unwrap();
    let forgetting = std::thread::scope(|scope| {
        let forgetting = scope.spawn(|| status(&["forget", ID], &collector.data));
        let new = ID.replace('1', "7");
        assert_eq!(collector.report(&format!("/track/{new}/ping/")), 204);
        wait_for("the report", || pings(&collector.data) == 3);
        assert!(!forgetting.is_finished());
        drop(backup);
        forgetting.join().unwrap()
    });
    assert_eq!(forgetting, (Some(0), "it is forgotten\n".into()));
    assert_eq!(pings(&collector.data), 2);
}
