//! What Prometheus reads, and `status` asks of the process that runs.

use crate::support::{Collector, Folder, ID, program, wait_for, workspace};
use glassbox_collector::store::Store;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn get(address: &str, target: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A sample's value, by its name and labels after the prefix.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("glassbox_collector_")?.strip_prefix(name))?;
    line.strip_prefix(' ')?.parse().ok()
}

fn status(data: &Path) -> Value {
    let output = program().args(["status", "--json", "--data"]).arg(data).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_comes_in_is_counted_by_kind_and_reason_and_nobody_is_named() {
    let folder = Folder::new("metrics");
    let database = workspace().join("tests/collector/places/GeoLite2-City-Test.mmdb");
    let config = format!("metrics_listen = \"127.0.0.1:0\"\ngeo_database = {database:?}\n");
    let collector = Collector::start(&folder, &config);
    let other = ID.replace('1', "2");
    for target in ["ping/", "ping/", "commerror_a/", "commerror_b/", "brand_new/", "brand_newer/"] {
        assert_eq!(collector.report(&format!("/track/{ID}/{target}")), 204);
    }
    assert_eq!(collector.report(&format!("/track/{other}/ping/")), 204);
    assert_eq!(collector.report("/track/5/ping/"), 204);
    assert_eq!(collector.send("GET", &format!("/track/{ID}/ping/"), "User-Agent: curl/8\r\n", ""), 204);
    let all = || get(&collector.metrics, "/metrics");
    wait_for("all reports", || sample(&all(), "reports_total{kind=\"ping\"}") == Some(3.0));
    wait_for("the exports", || sample(&all(), "exports_age_seconds").is_some());
    let text = all();
    for (name, value) in [
        ("reports_total{kind=\"commerror_{reason}\"}", 2.0),
        ("reports_total{kind=\"unknown\"}", 2.0),
        ("refused_total{reason=\"id\"}", 1.0),
        ("refused_total{reason=\"user_agent\"}", 1.0),
        ("lost_total", 0.0),
        ("queue_reports", 0.0),
        ("installations_today", 2.0),
        ("request_seconds_count", 9.0),
        ("commit_delay_seconds_count", 7.0),
    ] {
        assert_eq!(sample(&text, name), Some(value), "{name}: {text}");
    }
    assert!(sample(&text, "commit_delay_seconds_sum").is_some_and(|sum| sum > 0.0), "{text}");
    for name in ["day_bytes", "store_bytes", "disk_free_bytes", "database_age_seconds"] {
        assert!(sample(&text, name).is_some_and(|value| value > 4000.0), "{name}: {text}");
    }
    assert!(text.contains("content-type: application/openmetrics-text; version=1.0.0") && text.ends_with("# EOF\n"));
    for never in [ID, "brand_new", "127.0.0.1", "curl"] {
        assert!(!text.contains(never), "{never}");
    }
    // Of a database that is gone nothing is said, rather than something.
    assert!(text.contains("database_age_seconds"));
    listed(&text);
}

/// The names of all metrics, of which the table for operators has each, and no other.
fn listed(text: &str) {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE glassbox_collector_"));
    let named = |(name, kind): (&str, &str)| if kind == "counter" { format!("{name}_total") } else { name.to_string() };
    let found: BTreeSet<_> = types.filter_map(|line| line.split_once(' ')).map(named).collect();
    let readme = std::fs::read_to_string(workspace().join("examples/deploy/collector/README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `glassbox_collector_"));
    let table: BTreeSet<_> = rows.filter_map(|row| row.split(['`', '{']).next()).map(String::from).collect();
    assert_eq!(found, table);
}

#[test]
fn metrics_are_nobody_elses_business() {
    let folder = Folder::new("metrics-private");
    let collector = Collector::start(&folder, "metrics_listen = \"127.0.0.1:0\"\n");
    assert!(get(&collector.address, "/metrics").starts_with("HTTP/1.1 404 "), "not where everybody comes");
    for target in ["/", "/export/", "/privacy", "/healthz", &format!("/track/{ID}/ping/")] {
        assert!(get(&collector.metrics, target).starts_with("HTTP/1.1 404 "), "{target}");
    }
    let socket = Store::open(&collector.data).unwrap().status_socket();
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // Many who ask and wait keep nobody from reporting.
    let waiting: Vec<_> = (0..40).map(|_| TcpStream::connect(&collector.metrics).unwrap()).collect();
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    drop(waiting);
    assert!(get(&collector.metrics, "/metrics").contains(" 200 OK"));
    let data = collector.stop();
    assert!(!Store::open(&data).unwrap().status_socket().exists());
}

#[test]
fn status_says_what_a_crash_would_lose() {
    let folder = Folder::new("status-queue");
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    wait_for("the report", || status(&collector.data)["queue_reports"] == 0);
    // While another writes, as `forget` does in a large store, reports wait.
    let shared = rusqlite::Connection::open(Store::open(&collector.data).unwrap().shared()).unwrap();
    shared.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..3 {
        assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    }
    let found = status(&collector.data);
    assert_eq!((&found["running"], &found["queue_reports"]), (&true.into(), &3.into()), "{found}");
    assert!(found["store_bytes"].as_u64().unwrap() > 4000 && found["days"] == 1, "{found}");
    shared.execute_batch("ROLLBACK").unwrap();
    wait_for("the reports", || status(&collector.data)["queue_reports"] == 0);
    // One that was killed leaves its socket behind, which is no reason not to start again.
    let data = collector.kill();
    let found = status(&data);
    assert_eq!((&found["running"], &found["queue_reports"]), (&false.into(), &Value::Null), "{found}");
    let again = Collector::start(&folder, "");
    assert_eq!(status(&again.data)["running"], true);
}

#[test]
fn an_address_that_is_taken_is_named_with_its_key() {
    let folder = Folder::new("metrics-taken");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = folder.0.join("c.toml");
    let address = taken.local_addr().unwrap();
    std::fs::write(&config, format!("listen = \"127.0.0.1:0\"\ndata = \"data\"\nmetrics_listen = \"{address}\"\n"))
        .unwrap();
    let output = program().arg("run").arg("--config").arg(&config).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains(&format!("cannot listen on {address}")), "{said}");
    assert!(said.contains("name another address with metrics_listen"), "{said}");
}
