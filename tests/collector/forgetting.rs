//! What is kept of one installation can be seen and removed, while others are counted on.

use crate::support::{Collector, Folder, ID, id_bytes, pings, program, wait_for};
use serde_json::{Value, json};
use std::path::Path;

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
    assert_eq!(run("forget", &data, ID), (true, "forgotten\n".into()));
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

#[test]
fn a_damaged_day_stops_nobody_from_being_forgotten_on_the_others() {
    let folder = Folder::new("forgetting-damaged");
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    let pong = format!("/track/{ID}/pong/");
    assert_eq!(collector.send("POST", &pong, "User-Agent: OctoPrint/1.11.8\r\n", "plugins=only_mine:1.0"), 204);
    let data = collector.stop();
    let damaged = data.join("days/2020-01-02.sqlite");
    std::fs::write(&damaged, "no database").unwrap();
    let (ok, said) = run("forget", &data, ID);
    assert!(!ok && said.contains(damaged.to_str().unwrap()) && said.contains("remove them"), "{said}");
    assert_eq!((pings(&data), occurrences(&data, b"only_mine")), (0, 0));
    assert_eq!(run("forget", &data, ID), (true, "nothing is kept of it\n".into()));
}
