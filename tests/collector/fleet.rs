//! The made-up fleet: it is what the door would let in, and the exports find in it what was put there.

use crate::support::Folder;
use glassbox_collector::config::Config;
use glassbox_collector::exports::write;
use glassbox_collector::fleet::{Plan, fill};
use glassbox_collector::store::Store;
use glassbox_collector::store::writer::Writer;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::Path;

fn plan(everything: bool) -> Plan {
    let now: Timestamp = "2026-11-26T13:37:12Z".parse().unwrap();
    Plan { seed: 16, installations: 600, days: 30, now, everything }
}

fn read(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn the_exports_find_in_a_fleet_what_was_put_there() {
    for everything in [false, true] {
        let folder = Folder::new("fleet");
        let store = Store::open(&folder.0).unwrap();
        let plan = plan(everything);
        let totals = fill(&mut Writer::new(&store), &plan).unwrap();
        let out = folder.0.join("out");
        let config = Config { k_threshold: 1, ..Config::default() };
        assert_eq!(write(&config, &store, &out, plan.now).unwrap(), [""; 0]);
        for (days, totals) in [7, 30].into_iter().zip(totals) {
            let file = |kind: &str| read(&out, &format!("{kind}_stats_{days}d.json"));
            let instance = file("instance");
            assert_eq!(instance["count"], totals.installations);
            let versions = instance["versions"].as_object().unwrap();
            assert_eq!(Value::Object(sorted(versions)), json!(totals.versions));
            assert_eq!(file("printing")["total"].as_f64(), Some(totals.print_seconds as f64));
            assert_eq!(file("achievements")["instances"], totals.achievers);
            let plugins = file("plugin")["plugins"].as_object().unwrap().clone();
            let plugins = plugins.iter().map(|(id, plugin)| (id.clone(), plugin["instances"].clone())).collect();
            assert_eq!(Value::Object(sorted(&plugins)), json!(totals.plugins));
            assert!(totals.installations > 500 && totals.plugins.len() > 300 && totals.versions.len() > 10);
            assert_eq!(totals.print_seconds > 1_000_000, everything);
        }
        assert_ne!(read(&out, "rpi_stats_7d.json")["models"], json!({}));
        for (file, map) in [("firmware", "names"), ("client_environment", "browser_version")] {
            assert_eq!(read(&out, &format!("{file}_stats_30d.json"))[map] == json!({}), !everything, "{file}");
        }
        // Not more of the day than there was until now.
        let histogram = instance_hours(&read(&out, "instance_stats_30d.json"));
        assert_eq!(histogram, 30 * 24 + 1);
    }
}

fn instance_hours(instance: &Value) -> usize {
    instance["histogram"].as_array().unwrap().len()
}

fn sorted(map: &serde_json::Map<String, Value>) -> serde_json::Map<String, Value> {
    let mut all: Vec<_> = map.clone().into_iter().collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all.into_iter().collect()
}
