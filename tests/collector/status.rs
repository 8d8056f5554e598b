//! What the operator is told.

use crate::support::{Collector, Folder, ID, program, wait_for};
use glassbox_collector::store::Store;
use jiff::civil::date;
use serde_json::{Value, json};

#[test]
fn status_says_what_came_in_while_it_runs_and_names_a_damaged_day() {
    let folder = Folder::new("status");
    let collector = Collector::start(&folder, "");
    for target in ["ping/", "ping/", "commerror_a/", "commerror_b/", "brand_new/", "shutdown/?nonsense=1"] {
        assert_eq!(collector.report(&format!("/track/{ID}/{target}")), 204);
    }
    assert_eq!(collector.report("/track/5/ping/"), 204);
    let run = |more: &[&str]| {
        let output = program().arg("status").arg("--data").arg(&collector.data).args(more).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let status = || serde_json::from_str::<Value>(&run(&["--json"])).unwrap();
    wait_for("the reports", || status()["today"]["refused"] == json!([["id", 1]]));
    let found = status();
    let reports = json!([["commerror_{reason}", 2], ["ping", 2], ["shutdown", 1], ["unknown", 1]]);
    assert_eq!(found["today"]["reports"], reports, "{found}");
    assert_eq!(found["today"]["installations"], 1);
    assert_eq!(found["today"]["unknown"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(found["problems"], json!([]));
    let damaged = Store::open(&collector.data).unwrap().day(date(2026, 1, 2));
    std::fs::write(&damaged, "nonsense".repeat(1000)).unwrap();
    let said = run(&[]);
    assert!(said.contains("problem ") && said.contains("2026-01-02") && said.contains("2 ping"), "{said}");
    assert!(!said.contains(ID));
}
