//! A changed manifest, taken by a collector that runs. It looks once a minute, so this is not for `.ci/run`, where a unit
//! test of `server/upkeep.rs` says the same of the function that looks.

use crate::support::{Collector, Folder, ID, day, number, wait_for};
use glassbox_collector::door::OCTOPRINT;
use std::fs;
use std::time::{Duration, Instant};

const NEW: &str = r#"
[[sees]]
event = "brand_new"
fields = ["what"]

[[says]]
request = "brand_new"
method = "GET"
fields = [{ name = "what", pattern = "[a-z]{1,9}" }]
"#;

#[test]
#[ignore = "takes two minutes: tests/full/run"]
fn a_changed_manifest_is_taken_within_a_minute_and_a_broken_one_is_not() {
    let folder = Folder::new("manifest");
    let file = folder.0.join("manifest.toml");
    fs::write(&file, OCTOPRINT).unwrap();
    let collector = Collector::start(&folder, "manifest = \"manifest.toml\"");
    let log = || fs::read_to_string(folder.0.join("log")).unwrap();
    let report = || assert_eq!(collector.report(&format!("/track/{ID}/brand_new/?what=ever")), 204);
    let known = || {
        let sql = "SELECT count(*) FROM report JOIN name ON name.number = event WHERE text = 'brand_new' AND fields IS NOT NULL";
        number(&day(&collector.data), sql)
    };
    report();
    let began = Instant::now();
    fs::write(&file, OCTOPRINT.to_string() + NEW).unwrap();
    wait_for("the changed manifest", || {
        std::thread::sleep(Duration::from_millis(500));
        log().contains("took the changed manifest")
    });
    let taken = began.elapsed();
    report();
    wait_for("a report that is known now", || known() == 1);
    let began = Instant::now();
    fs::write(&file, "[[sees]").unwrap();
    wait_for("the broken manifest", || {
        std::thread::sleep(Duration::from_millis(500));
        log().contains("the changed manifest is not taken, the one before stays")
    });
    let refused = began.elapsed();
    report();
    wait_for("a report after it", || known() == 2);
    assert!(taken.max(refused) < Duration::from_secs(70), "{taken:?} {refused:?}");
    println!(
        "| a changed manifest, and then a broken one, of a collector that runs | taken after {} s; not taken after {} s, \
         the one before stays | {} s |",
        taken.as_secs(),
        refused.as_secs(),
        (taken + refused).as_secs()
    );
}
