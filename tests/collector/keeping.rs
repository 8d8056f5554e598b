//! What is kept through crashes, damage and time.

use crate::support::{Collector, Folder, ID, day, fill, number, pings, refused, wait_for};
use glassbox_collector::config::Config;
use glassbox_collector::exports::write;
use glassbox_collector::store::Store;
use glassbox_collector::store::writer::Writer;
use jiff::Timestamp;
use jiff::civil::date;
use rusqlite::Connection;
use serde_json::json;

fn ping(at: &str, id: &str) -> serde_json::Value {
    json!({"at": at.parse::<Timestamp>().unwrap().as_second(), "method": "GET", "path": format!("/track/{id}/ping/"),
           "query": "", "body": "", "user_agent": "OctoPrint/1.11.8"})
}

#[test]
fn pings_of_a_day_are_one_row() {
    let folder = Folder::new("pings");
    let store = Store::open(&folder.0).unwrap();
    let times = ["00:00:00", "11:59:59", "12:00:00", "23:59:59", "12:14:00"];
    fill(&store, &times.map(|time| ping(&format!("2026-03-04T{time}Z"), ID)));
    let day = Connection::open(store.day(date(2026, 3, 4))).unwrap();
    assert_eq!(number(&day, "SELECT count(*) FROM ping"), 1);
    let expected =
        format!("1 + (1 << 47) = early AND late = 1 + (1 << 47) AND pings = 5 AND first = 0 AND last = {}", 86_399);
    assert_eq!(number(&day, &format!("SELECT {expected} FROM ping")), 1);
}

#[test]
fn sigterm_loses_nothing() {
    let folder = Folder::new("term");
    let collector = Collector::start(&folder, "");
    for number in 0..200 {
        assert_eq!(collector.report(&format!("/track/{number:08x}{}/ping/", &ID[8..])), 204);
    }
    let data = collector.stop();
    assert_eq!(number(&day(&data), "SELECT count(*) FROM ping"), 200);
    let leftover = |end: &str| {
        std::fs::read_dir(data.join("days")).unwrap().flatten().any(|e| e.file_name().to_str().unwrap().ends_with(end))
    };
    assert!(!leftover("-wal"), "all is in one file");
}

#[test]
fn a_damaged_day_costs_that_day() {
    let folder = Folder::new("damaged");
    let data = folder.0.join("data");
    let store = Store::open(&data).unwrap();
    let id = |number: usize| format!("{number:08x}{}", &ID[8..]);
    let days = ["2026-03-04", "2026-03-05", "2026-03-06"];
    let requests: Vec<_> = days.iter().enumerate().map(|(n, day)| ping(&format!("{day}T10:00:00Z"), &id(n))).collect();
    fill(&store, &requests);
    let damaged = store.day(date(2026, 3, 5));
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[100..].fill(0x55);
    std::fs::write(&damaged, bytes).unwrap();
    let now = "2026-03-07T00:00:00Z".parse().unwrap();
    let out = folder.0.join("out");
    let problems = write(&Config::default(), &store, &out, now).unwrap();
    assert!(problems.len() == 1 && problems[0].contains("2026-03-05"), "{problems:?}");
    let exported = std::fs::read_to_string(out.join("instance_stats_7d.json")).unwrap();
    assert!(exported.contains("\"count\": 2"), "{exported}");
    // It starts, and if the damaged day is today's, begins it anew beside the damaged file.
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    std::fs::copy(&damaged, store.day(today)).unwrap();
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    let data = collector.stop();
    assert_eq!(number(&day(&data), "SELECT count(*) FROM ping"), 1);
    assert!(data.join(format!("days/{today}.sqlite.damaged-1")).exists());
}

#[test]
fn old_days_go_with_what_only_they_referred_to_and_their_totals_stay() {
    let folder = Folder::new("retention");
    let store = Store::open(&folder.0).unwrap();
    let other = ID.replace('1', "2");
    let mut requests =
        vec![ping("2026-01-01T10:00:00Z", ID), ping("2026-01-01T11:00:00Z", ID), ping("2026-03-01T10:00:00Z", &other)];
    let mut done = ping("2026-01-01T12:00:00Z", ID);
    done["path"] = json!(format!("/track/{ID}/print_done/"));
    done["query"] = json!("elapsed=60&elapsed=40");
    requests.insert(2, done);
    fill(&store, &requests);
    let mut writer = Writer::new(&store);
    writer.retain(date(2026, 3, 2), 0).unwrap();
    writer.retain(date(2026, 3, 2), 60).unwrap();
    assert_eq!(store.days().unwrap().len(), 2, "60 days before are kept");
    writer.retain(date(2026, 3, 3), 60).unwrap();
    assert_eq!(store.days().unwrap(), [date(2026, 3, 1)]);
    let shared = Connection::open(store.shared()).unwrap();
    assert_eq!(number(&shared, "SELECT count(*) FROM installation"), 1);
    let totals = "SELECT installations = 1 AND pings = 2 AND reports = 1 AND print_seconds = 100 FROM total WHERE day = '2026-01-01'";
    assert_eq!(number(&shared, totals), 1);
    drop(writer);
    // Not in a byte of a file.
    let id: Vec<u8> = ID
        .replace('-', "")
        .as_bytes()
        .chunks(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect();
    shared.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let bytes = std::fs::read(store.shared()).unwrap();
    assert!(!bytes.windows(16).any(|window| window == id));
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let folder = Folder::new("newer");
    let store = Store::open(&folder.0.join("data")).unwrap();
    fill(&store, &[ping("2026-03-04T10:00:00Z", ID)]);
    Connection::open(store.shared()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let mut command = crate::support::program();
    let output = command.args(["run", "--listen", "127.0.0.1:0", "--data"]).arg(store.folder()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("made by a newer version"), "{said}");
}

#[test]
fn what_cannot_be_written_is_counted_and_then_it_goes_on() {
    let folder = Folder::new("blocked");
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    // Every page that is new is one too many: the disk is full.
    let store = Store::open(&collector.data).unwrap();
    wait_for("the ping", || pings(&collector.data) == 1);
    let shared = Connection::open(store.shared()).unwrap();
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON installation BEGIN SELECT RAISE(FAIL, 'no space'); END";
    shared.execute_batch(trigger).unwrap();
    let other = ID.replace('1', "2");
    assert_eq!(collector.report(&format!("/track/{other}/ping/")), 204);
    let log = || std::fs::read_to_string(folder.0.join("log")).unwrap();
    wait_for("the complaint", || log().contains("reports cannot be kept"));
    assert!(!log().contains(&other));
    shared.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(collector.report(&format!("/track/{other}/ping/")), 204);
    let data = collector.stop();
    assert_eq!(number(&day(&data), "SELECT count(*) FROM ping"), 2);
    assert_eq!(refused(&data), [("lost".to_string(), 1)]);
}

#[test]
fn a_day_that_ended_while_nothing_ran_gets_its_totals() {
    let folder = Folder::new("totals");
    let data = folder.0.join("data");
    let store = Store::open(&data).unwrap();
    let day = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().checked_sub(jiff::ToSpan::days(3)).unwrap();
    let other = ID.replace('1', "2");
    fill(
        &store,
        &[(ID, "10:00:00"), (ID, "11:00:00"), (&other, "12:00:00")]
            .map(|(id, time)| ping(&format!("{day}T{time}Z"), id)),
    );
    let collector = Collector::start(&folder, "");
    let totals = || -> Option<(i64, i64)> {
        let shared = Connection::open(store.shared()).unwrap();
        let sql = "SELECT installations, pings FROM total WHERE day = ?";
        shared.query_row(sql, [day.to_string()], |row| Ok((row.get(0)?, row.get(1)?))).ok()
    };
    wait_for("its totals", || totals().is_some());
    assert_eq!(totals(), Some((2, 3)));
    collector.stop();
    assert!(store.day(day).exists(), "it is kept");
}

#[test]
fn old_days_go_at_the_start_but_not_all_at_once_after_a_long_time() {
    let (folder, now) = (Folder::new("retention-start"), Timestamp::now());
    let store = Store::open(&folder.0.join("data")).unwrap();
    let day = |before: i64| now.to_zoned(jiff::tz::TimeZone::UTC).date().saturating_sub(jiff::ToSpan::days(before));
    let fill_day = |before: i64| fill(&store, &[ping(&format!("{}T10:00:00Z", day(before)), ID)]);
    fill_day(100);
    fill_day(70);
    // The clock may be wrong: until it has been believed for an hour, nothing that was there is lost.
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    wait_for("the report", || store.days().unwrap().contains(&day(0)));
    collector.stop();
    assert!(store.day(day(100)).exists() && store.day(day(70)).exists());
    // Whoever ran yesterday knows the time.
    std::fs::remove_file(store.day(day(0))).unwrap();
    fill_day(1);
    let collector = Collector::start(&folder, "");
    wait_for("the old days to go", || !store.day(day(100)).exists() && !store.day(day(70)).exists());
    collector.stop();
    assert!(store.day(day(1)).exists());
}
