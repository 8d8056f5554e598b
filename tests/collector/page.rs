//! The page says what the exports say, whatever they are, and asks nobody for anything. How it looks, and what a browser
//! makes of it, is tried in `browser/`.

use crate::support::{Collector, Folder, wait_for};
use glassbox_collector::config::Config;
use glassbox_collector::exports::{names, publish};
use glassbox_collector::fleet::{Plan, fill};
use glassbox_collector::geo::Place;
use glassbox_collector::id::Id;
use glassbox_collector::page::charts::{CHARTS, Shown};
use glassbox_collector::page::data::Data;
use glassbox_collector::page::{View, html};
use glassbox_collector::store::Store;
use glassbox_collector::store::day::Pings;
use glassbox_collector::store::writer::Writer;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// A store of a made-up fleet, with its exports.
fn fleet(folder: &Path, now: Timestamp) -> Store {
    let store = Store::open(folder).unwrap();
    let mut writer = Writer::new(&store);
    fill(&mut writer, &Plan { seed: 3, installations: 300, days: 30, now, everything: true }).unwrap();
    writer.commit().unwrap();
    publish(&Config::default(), &store, now).unwrap();
    store
}

fn view(query: &str) -> View {
    View::of(query)
}

/// The sum of a map's numbers.
fn sum(map: &Value) -> f64 {
    let number = |value: &Value| value.as_f64().or_else(|| value["instances"].as_f64()).unwrap();
    map.as_object().unwrap().values().map(number).sum()
}

/// For a browser to look at, where it is asked for.
fn put(name: &str, page: &str) {
    if let Some(folder) = std::env::var_os("GLASSBOX_TEST_PAGES") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.html")), page).unwrap();
    }
}

#[test]
fn every_chart_adds_up_to_its_export() {
    let folder = Folder::new("page");
    let store = fleet(&folder.0, Timestamp::now());
    for days in [7, 30] {
        let data = Data::read(&store, days);
        let file = |kind: &str| data.file(kind).unwrap();
        let candidates = |rc: bool| -> f64 {
            let all = file("instance")["versions"].as_object().unwrap().iter();
            all.filter(|(version, _)| version.contains("rc") == rc).map(|(_, count)| count.as_f64().unwrap()).sum()
        };
        let pythons = |major: &str| -> f64 {
            let all = file("python")["versions"].as_object().unwrap().iter();
            all.filter(|(version, _)| version.starts_with(major))
                .map(|(_, count)| count["instances"].as_f64().unwrap())
                .sum()
        };
        let sums = HashMap::from([
            ("versions", sum(&file("instance")["versions"])),
            ("stable", candidates(false)),
            ("candidates", candidates(true)),
            ("places", sum(&file("places")["countries"])),
            ("python", sum(&file("python")["versions"])),
            ("python-versions", sum(&file("python")["versions"])),
            ("python2", pythons("2.")),
            ("python3", pythons("3.")),
            ("os", sum(&file("server_environment")["os"])),
            ("bits", sum(&file("server_environment")["bits"])),
            ("cores", sum(&file("server_environment")["cores"])),
            ("browsers", sum(&file("client_environment")["browser"])),
            ("es9", sum(&file("client_environment")["browser_version"])),
            ("client-os", sum(&file("client_environment")["os"])),
            ("models", sum(&file("rpi")["models"])),
            ("octopi", sum(&file("rpi")["octopi_versions"])),
            ("uptodate", sum(&file("rpi")["octopiuptodate_builds"])),
            ("firmware", sum(&file("firmware")["names"])),
            ("firmware-groups", sum(&file("firmware")["names"])),
            ("achievements", sum(&file("achievements")["unlocked"])),
        ]);
        for chart in &CHARTS {
            match chart.shown(&data).unwrap_or_else(|| panic!("{} is not known", chart.id)) {
                Shown::Bars(rows) => {
                    let found: f64 = rows.iter().map(|(_, count)| count).sum();
                    assert!(found > 0.0 && (found - sums[chart.id]).abs() < 0.5, "{}: {found}", chart.id);
                }
                Shown::Lines(_, points) => {
                    assert!(points.len() >= usize::try_from(days).unwrap() - 2, "{}: {}", chart.id, points.len());
                    assert!(points.iter().all(|(_, numbers)| numbers.iter().all(|number| number.is_finite())));
                }
            }
        }
        // Curves have all points of the histogram but the first and the last.
        let Some(Shown::Lines(_, points)) = CHARTS[0].shown(&data) else { panic!() };
        let histogram = file("instance")["histogram"].as_array().unwrap();
        assert_eq!(points.len(), histogram.len() - 2);
        assert_eq!(
            (&points[0].0[..], points[0].1[0]),
            (histogram[1]["start"].as_str().unwrap(), histogram[1]["count"].as_f64().unwrap())
        );
        put(&format!("fleet-{days}"), &html(&data, &view(&format!("days={days}")), Timestamp::now()));
    }
}

#[test]
fn whatever_is_missing_old_or_strange_costs_its_charts_and_says_so() {
    let folder = Folder::new("page-strange");
    let (store, now) = (Store::open(&folder.0).unwrap(), Timestamp::now());
    let page = |query: &str, at: Timestamp| html(&Data::read(&store, 30), &view(query), at);
    let empty = page("", now);
    assert!(empty.contains("There are no exports yet") && empty.matches("<figure").count() == CHARTS.len(), "{empty}");
    put("none", &empty);
    // An empty store has all files, and nothing in them.
    publish(&Config::default(), &store, now).unwrap();
    let nothing = page("", now);
    assert!(!nothing.contains("There are no exports yet") && !nothing.contains("Not known"), "{nothing}");
    assert!(nothing.contains("Nothing was reported.") && nothing.contains("<dd>0</dd>"));
    put("nothing", &nothing);
    let old = page("", now + 5.hours());
    assert!(old.contains("These numbers are 5 hours old"), "{old}");
    assert!(!page("", now + 2.hours()).contains("hours old"));
    put("old", &old);

    let put_file = |kind: &str, content: &Value| {
        let made = json!({"_since": "2026-11-01T00:00:00+00:00", "_generated": now.to_string()});
        let mut all = made.as_object().unwrap().clone();
        all.extend(content.as_object().unwrap().clone());
        std::fs::write(store.exports().join(format!("{kind}_stats_30d.json")), Value::Object(all).to_string()).unwrap();
    };
    // One value; a thousand; names as strangers write them; a key that is missing; a file that is gone, or is no JSON.
    put_file("instance", &json!({"count": 1, "versions": {"1.11.8": 1}, "histogram": []}));
    let thousand: serde_json::Map<_, _> =
        (0..1000).map(|n| (format!("Pi {n}"), json!({"instances": 1000 - n}))).collect();
    put_file("rpi", &json!({"models": thousand, "octopi_versions": {}}));
    let hostile =
        ["<img src=x onerror=alert(1)>", "\u{202e}desrever", &"long".repeat(2500), "=1+1", "", "\u{0}\n\u{1b}[31m"];
    let names: serde_json::Map<_, _> =
        hostile.iter().map(|name| ((*name).to_string(), json!({"instances": 3}))).collect();
    put_file("firmware", &json!({"names": names}));
    let plugins: serde_json::Map<_, _> = hostile.iter().map(|name| ((*name).to_string(), json!({"instances": 3, "versions": {*name: {"instances": 2}}, "install_events": 1, "uninstall_events": 0}))).collect();
    put_file("plugin", &json!({"plugins": plugins}));
    std::fs::remove_file(store.exports().join("python_stats_30d.json")).unwrap();
    std::fs::write(store.exports().join("client_environment_stats_30d.json"), "{\"browser\": 3, ").unwrap();
    put_file("server_environment", &json!({"os": {"linux": "many"}, "bits": [], "cores": {"4": {"instances": 2}}}));
    let strange = page("", now);
    put("strange", &strange);
    for never in [
        "<img",
        "\u{202e}",
        "\u{1b}",
        "longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong",
    ] {
        assert!(!strange.contains(never), "{never}");
    }
    for said in ["&lt;img", "\\u{202e}", "(empty)", "Pi 999", "Nothing was reported."] {
        assert!(strange.contains(said), "{said}: {strange}");
    }
    // Five of Python, three of browsers, builds of the Pi, os and bits.
    assert_eq!(strange.matches("Not known: the file").count(), 5 + 3 + 1 + 2, "{strange}");
    assert!(page("q=desrever", now).contains("1 of 6 plugins") && page("q=nobody", now).contains("0 of 6 plugins"));
    assert!(page("q=%22%3E%3Cscript%3E", now).contains("value=\"&quot;&gt;&lt;script&gt;\""));
    let data = Data::read(&store, 30);
    let surprise = |query: &str| html(&data, &view(query), now).contains("Night owl");
    put_file("achievements", &json!({"instances": 4, "unlocked": {"night_owl": 2, "the_wizard": 4}}));
    let data_with = Data::read(&store, 30);
    assert!(!surprise("") && !html(&data_with, &view(""), now).contains("Night owl"));
    let named = html(&data_with, &view("hidden=yes"), now);
    assert!(named.contains("Night owl") && named.contains("50.0 %") && named.contains("100.0 %"), "{named}");
}

/// Head and body of an answer.
fn get(collector: &Collector, target: &str, more: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(&collector.address).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: c\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
}

#[test]
fn the_page_is_served_small_and_asks_nobody_for_anything() {
    let folder = Folder::new("page-served");
    drop(fleet(&folder.0.join("data"), Timestamp::now()));
    let collector = Collector::start(&folder, "");
    let exports = Store::open(&collector.data).unwrap().exports();
    wait_for("the exports", || names().all(|name| exports.join(name).exists()));
    for target in ["/", "/?days=7", "/?days=7&q=a&hidden=yes", "/page.css"] {
        let (head, body) = get(&collector, target, "Accept-Encoding: br, gzip;q=1\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("content-encoding: gzip"), "{head}");
        assert!(head.contains("default-src 'self'; script-src 'none'"), "{head}");
        assert!(body.len() < 150_000, "{target}: {}", body.len());
    }
    let (_, body) = get(&collector, "/", "");
    let page = String::from_utf8(body).unwrap();
    for never in ["http:", "https:", "//", "<script", "style=", "onclick", "NaN", "undefined"] {
        assert!(!page.contains(never), "{never}");
    }
    for link in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let (head, _) = get(&collector, &link.replace("&amp;", "&").replace("#achievements", ""), "");
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{link}: {head}");
    }
    let (head, body) = get(&collector, "/chart/versions.json?days=7", "");
    let rows: Vec<Value> = serde_json::from_slice(&body).unwrap();
    assert!(head.contains("application/json") && rows.iter().any(|row| row["value"] == "1.11.7"), "{rows:?}");
    let (head, body) = get(&collector, "/chart/installations.csv", "");
    assert!(head.contains("text/csv") && body.starts_with(b"\"from\",\"installations\"\r\n\"20"), "{head}");
    for none in
        ["/chart/", "/chart/versions", "/chart/versions.xml", "/chart/../x.csv", "/chart/none.csv", "/index.html"]
    {
        assert!(get(&collector, none, "").0.starts_with("HTTP/1.1 404 "), "{none}");
    }
    assert_eq!(collector.send("POST", "/", "", ""), 405);
}

#[test]
fn countries_are_counted_as_another_computation_does() {
    let (folder, now) = (Folder::new("page-places"), Timestamp::now());
    let store = fleet(&folder.0, now);
    // Some that only ping, from where nobody else is.
    let mut writer = Writer::new(&store);
    let (today, place) = (now.to_zoned(TimeZone::UTC).date(), Place { country: "IS".into(), ..Place::default() });
    for number in 0..12 {
        let id = Id::parse(&format!("{number:08x}-0000-4000-8000-000000000000")).unwrap();
        writer.write_pings(today, id, "1.11.8", &Pings::one(0), &place).unwrap();
    }
    writer.commit().unwrap();
    publish(&Config::default(), &store, now).unwrap();
    let since = now.as_second() - 7 * 86_400;
    let mut expected: HashMap<String, HashSet<i64>> = HashMap::new();
    for day in store.days().unwrap() {
        let start = day.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
        let connection = Connection::open(store.day(day)).unwrap();
        let sql = "SELECT country, installation, first, last FROM ping JOIN place p ON p.number = place UNION ALL
            SELECT country, installation, second, second FROM report JOIN place p ON p.number = place";
        let mut statement = connection.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (first, last): (i64, i64) = (row.get(2).unwrap(), row.get(3).unwrap());
            if start + last >= since && start + first <= now.as_second() {
                expected.entry(row.get(0).unwrap()).or_default().insert(row.get(1).unwrap());
            }
        }
    }
    let threshold = usize::try_from(Config::default().k_threshold).unwrap();
    let expected: HashMap<_, _> = expected
        .into_iter()
        .map(|(country, who)| (country, who.len()))
        .filter(|(_, count)| *count >= threshold)
        .collect();
    let data = Data::read(&store, 7);
    let shown = data.file("places").unwrap()["countries"].as_object().unwrap();
    let shown: HashMap<_, _> = shown
        .iter()
        .map(|(country, count)| (country.clone(), usize::try_from(count["instances"].as_u64().unwrap()).unwrap()))
        .collect();
    assert!(shown.len() > 3 && shown["IS"] == 12, "{shown:?}");
    assert_eq!(shown, expected);
}
