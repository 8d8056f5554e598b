//! Logs of another server: taken as if they had come in live, and once.

use crate::forgetting::occurrences;
use crate::support::{Collector, Folder, ID, fill, number, program, workspace};
use glassbox_collector::store::Store;
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const DAY: i64 = 86_400;

/// Requests of some installations in the days before `now`, as `fill` takes them.
fn requests(now: i64, count: i64) -> Vec<Value> {
    let request = |at: i64| {
        let id = format!("{:08x}{}", at % 50, &ID[8..]);
        let (method, path, query, body) = match at % 4 {
            0 => ("POST", format!("/track/{id}/pong/"), "", "plugins=\"Käse\":1.0,b:2&os=linux&python=3.11.2"),
            1 => ("GET", format!("/track/{}/print_done/", id.to_uppercase()), "elapsed=7&origin=local", ""),
            2 => ("GET", format!("/track/{id}/startup"), "python=3.11.2&os=windows&cores=4", ""),
            _ => ("GET", format!("/track/{id}/ping/"), "", ""),
        };
        // Over three days, in order.
        let at = now - 4 * DAY + at * 3 * DAY / count;
        json!({"at": at, "method": method, "path": path, "query": query, "body": body, "user_agent": "OctoPrint/1.11.8"})
    };
    (0..count).map(request).collect()
}

/// As nginx writes it.
fn line(request: &Value) -> String {
    let text = |key: &str| request[key].as_str().unwrap();
    let escaped = |text: &str| -> String {
        let plain = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
        text.bytes().map(|byte| if plain(byte) { char::from(byte).into() } else { format!("\\x{byte:02X}") }).collect()
    };
    let at = Timestamp::from_second(request["at"].as_i64().unwrap()).unwrap();
    let time = at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(2))).strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
    let mark = if text("query").is_empty() { "" } else { "?" };
    let body = if text("body").is_empty() { "-".into() } else { escaped(text("body")) };
    format!(
        "89.160.20.112 [{time}] \"{} {}{mark}{} HTTP/1.1\" 204 0 \"{body}\" \"{}\"\n",
        text("method"),
        text("path"),
        text("query"),
        text("user_agent")
    )
}

fn import(data: &Path, log: &Path, more: &[&str]) -> (bool, String) {
    let mut command = program();
    command.args(["import", "--format", "octoprint-nginx"]).args(more).arg(log).arg("--data").arg(data);
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// All that is in a store's days, but for the numbers of what it shares.
fn sums(data: &Path) -> Vec<(i64, i64, i64)> {
    let store = Store::open(data).unwrap();
    let sums = |day| {
        let day = Connection::open(store.day(day)).unwrap();
        let sum = |sql: &str| number(&day, sql);
        (
            sum("SELECT coalesce(sum(pings * (1 + first + last)), 0) FROM ping"),
            sum("SELECT count(*) FROM report"),
            sum("SELECT coalesce(sum(second), 0) FROM report"),
        )
    };
    store.days().unwrap().into_iter().map(sums).collect()
}

fn exports(data: &Path, out: &Path) -> Vec<(String, Vec<u8>)> {
    let now = Timestamp::now().as_second() / 3600 * 3600;
    let now = Timestamp::from_second(now).unwrap().to_string();
    let status = program().args(["exports", "--now", &now, "--out"]).arg(out).arg("--data").arg(data).status().unwrap();
    assert!(status.success());
    let mut files: Vec<_> = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().to_string();
    files.iter().map(|file| (name(file), fs::read(file).unwrap())).collect()
}

#[test]
fn a_log_counts_as_what_came_in_live_and_once() {
    let folder = Folder::new("import");
    let (live, data, log) = (folder.0.join("live"), folder.0.join("data"), folder.0.join("access.log"));
    let requests = requests(Timestamp::now().as_second(), 400);
    fill(&Store::open(&live).unwrap(), &requests);
    let lines: Vec<_> = requests.iter().map(line).collect();
    // At first there is only a part of it, whose last line is being written.
    fs::write(&log, lines[..250].concat() + &lines[250][..40]).unwrap();
    let (ok, said) = import(&data, &log, &[]);
    assert!(ok && said.contains(": 250 reports\n") && said.contains("which has no end yet"), "{said}");
    fs::write(&log, lines.concat()).unwrap();
    let (ok, said) = import(&data, &log, &[]);
    assert!(ok && said.contains(": 150 reports\n") && said.contains("250 were taken before"), "{said}");
    // Under another name it is the same log.
    let rotated = folder.0.join("access.log.1");
    fs::copy(&log, &rotated).unwrap();
    let (ok, said) = import(&data, &rotated, &[]);
    assert!(ok && said.contains(": 0 reports\n") && said.contains("400 were taken before"), "{said}");
    // And gzip makes no other of it.
    let packed = folder.0.join("access.log.2.gz");
    let (half, rest) = lines.split_at(200);
    fs::write(&packed, [gzip(&half.concat()), gzip(&rest.concat())].concat()).unwrap();
    let (ok, said) = import(&data, &packed, &[]);
    assert!(ok && said.contains(": 0 reports\n") && said.contains("400 were taken before"), "{said}");
    assert_eq!(sums(&data), sums(&live));
    let (of_log, of_live) = (exports(&data, &folder.0.join("a")), exports(&live, &folder.0.join("b")));
    assert_eq!((of_log.len(), of_log == of_live), (18, true));
    let shared = Connection::open(Store::open(&data).unwrap().shared()).unwrap();
    assert!(number(&shared, "SELECT count(*) FROM total") >= 3, "days that are over have totals");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_log_that_only_begins_like_another_is_not_taken_for_it() {
    let folder = Folder::new("import-edited");
    let (data, log) = (folder.0.join("data"), folder.0.join("access.log"));
    let lines: Vec<_> = requests(Timestamp::now().as_second(), 100).iter().map(line).collect();
    fs::write(&log, lines[..50].concat()).unwrap();
    assert!(import(&data, &log, &[]).0);
    let before = sums(&data);
    let shorter = [&lines[..1], &lines[2..]].concat();
    let swapped = [&lines[..1], &lines[2..3], &lines[1..2], &lines[3..]].concat();
    let longer = [&lines[..2], &lines[1..]].concat();
    let other =
        lines.concat().replacen("89.160.20.112", "89.160.20.113", 3).replacen("89.160.20.113", "89.160.20.112", 1);
    for (what, text) in
        [("shorter", shorter.concat()), ("swapped", swapped.concat()), ("longer", longer.concat()), ("other", other)]
    {
        fs::write(&log, text).unwrap();
        let (ok, said) = import(&data, &log, &[]);
        assert!(
            !ok && said.contains("is not what this one begins with") && said.contains("access.log"),
            "{what}: {said}"
        );
        assert_eq!(sums(&data), before, "{what}");
    }
    // One that is cut off takes what there is, and says so.
    let packed = gzip(&lines.concat());
    fs::write(&log, &packed[..packed.len() - 20]).unwrap();
    let (ok, said) = import(&data, &log, &[]);
    assert!(!ok && said.contains("reading the log"), "{said}");
    fs::write(&log, packed).unwrap();
    assert!(import(&data, &log, &[]).0);
    let (live, all) = (folder.0.join("live"), requests(Timestamp::now().as_second(), 100));
    fill(&Store::open(&live).unwrap(), &all);
    assert_eq!(sums(&data).iter().map(|day| day.1).sum::<i64>(), sums(&live).iter().map(|day| day.1).sum::<i64>());
}

#[test]
fn places_come_from_the_logs_addresses_which_are_kept_nowhere() {
    let folder = Folder::new("import-places");
    let (data, log, config) = (folder.0.join("data"), folder.0.join("log"), folder.0.join("collector.toml"));
    let database = workspace().join("tests/collector/places/GeoLite2-City-Test.mmdb");
    fs::write(&config, format!("geo_database = {database:?}\n")).unwrap();
    fs::write(&log, line(&requests(Timestamp::now().as_second(), 4)[2])).unwrap();
    let (ok, said) = import(&data, &log, &["--config", config.to_str().unwrap()]);
    assert!(ok && said.contains("1 startup"), "{said}");
    assert!(occurrences(&data, "Linköping".as_bytes()) > 0);
    for address in [&b"89.160.20.112"[..], &[89, 160, 20, 112]] {
        assert_eq!(occurrences(&data, address), 0);
    }
}

#[test]
fn what_is_no_report_is_counted_by_its_kind() {
    let folder = Folder::new("import-others");
    let (data, log) = (folder.0.join("data"), folder.0.join("log"));
    let now = Timestamp::now().as_second();
    let good = line(&requests(now, 4)[3]);
    let browser = good.replace("OctoPrint/1.11.8", "Mozilla/5.0");
    let scanner = good.replace("/track/", "/wp-login/");
    let nobody = good.replace(&ID[8..], "");
    let future = line(&requests(now + 30 * DAY, 4)[3]);
    let long = format!("1.2.3.4 {}\n", "x".repeat(3 << 20));
    let failed = good.replace(" 204 ", " 404 ");
    let old = line(&requests(now - 70 * DAY, 4)[3]);
    let text = [
        &failed,
        &old,
        &good,
        &browser,
        &scanner,
        "garbage\r\n",
        &long,
        &nobody,
        &future,
        "\r\n",
        &good.replace('\n', "\r\n"),
    ];
    let mut bytes = text.concat().into_bytes();
    bytes.extend(b"\xff\xfe\x00\n");
    bytes.extend(good.as_bytes());
    fs::write(&log, bytes).unwrap();
    let (ok, said) = import(&data, &log, &[]);
    assert!(ok && said.contains(": 3 reports\n"), "{said}");
    for (count, why) in [
        (1, "not from OctoPrint"),
        (1, "another request"),
        (3, "not a line of this log"),
        (1, "too long"),
        (1, "no id"),
        (1, "no time, or one in the future"),
        (1, "not answered with 204"),
        (1, "older than retention_days"),
    ] {
        assert!(said.contains(&format!("{count:9} lines are no reports: {why}\n")), "{why}: {said}");
    }
    assert!(!said.contains(ID) && !said.contains("89.160"), "{said}");
    assert_eq!(Store::open(&data).unwrap().days().unwrap().len(), 1, "no day of what was left out");
    let (ok, said) = import(&data, &folder.0.join("nowhere"), &[]);
    assert!(!ok && said.contains("opening") && said.contains("nowhere"), "{said}");
}

#[test]
fn a_day_with_live_reports_wants_a_yes() {
    let folder = Folder::new("import-merge");
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    let data = collector.stop();
    let log = folder.0.join("log");
    let mut request = requests(Timestamp::now().as_second(), 4)[3].clone();
    request["at"] = json!(Timestamp::now().as_second());
    fs::write(&log, line(&request)).unwrap();
    let before = sums(&data);
    let (ok, said) = import(&data, &log, &[]);
    assert!(!ok && said.contains("has reports that did not come from a log") && said.contains("--merge"), "{said}");
    assert_eq!(sums(&data), before);
    let (ok, said) = import(&data, &log, &["--merge"]);
    assert!(ok && said.contains(": 1 reports"), "{said}");
    assert_ne!(sums(&data), before);
}

#[test]
fn two_imports_at_once_are_one() {
    let folder = Folder::new("import-two");
    let (data, log) = (folder.0.join("data"), folder.0.join("log"));
    fs::write(&log, requests(Timestamp::now().as_second(), 4000).iter().map(line).collect::<String>()).unwrap();
    let one = Store::open(&data).unwrap().importing().unwrap();
    let (ok, said) = import(&data, &log, &[]);
    assert!(!ok && said.contains("another import into"), "{said}");
    drop(one);
    let both = std::thread::scope(|scope| {
        let one = scope.spawn(|| import(&data, &log, &[]));
        let other = import(&data, &log, &[]);
        [one.join().unwrap(), other]
    });
    assert!(both.iter().any(|(ok, _)| *ok), "{both:?}");
    assert!(import(&data, &log, &[]).0);
    let rows: i64 = sums(&data).iter().map(|day| day.1).sum();
    assert_eq!(rows, 3000, "three of four are no pings");
}

#[test]
fn an_import_that_is_killed_goes_on_and_counts_nothing_twice() {
    let folder = Folder::new("import-killed");
    let (live, data, log) = (folder.0.join("live"), folder.0.join("data"), folder.0.join("log"));
    let requests = requests(Timestamp::now().as_second(), 40_000);
    fs::write(&log, requests.iter().map(line).collect::<String>()).unwrap();
    let mut kills = 0;
    for round in 1..200_u64 {
        let mut command = program();
        command.args(["import", "--format", "octoprint-nginx"]).arg(&log).arg("--data").arg(&data);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_millis(150 * round);
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "it was never killed");
    fill(&Store::open(&live).unwrap(), &requests);
    assert_eq!(sums(&data), sums(&live));
}
