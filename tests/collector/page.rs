//! The page says what the exports say, whatever they are, and asks nobody for anything. How it looks, and what a browser
//! makes of it, is tried in `browser/`; what is counted for its bars, in `exports.rs` too.

use crate::support::{Collector, Folder, fill, wait_for};
use glassbox_collector::config::Config;
use glassbox_collector::exports::{names, publish};
use glassbox_collector::fleet::{self, Plan};
use glassbox_collector::geo::Place;
use glassbox_collector::id::Id;
use glassbox_collector::page::charts::{CHARTS, Shown};
use glassbox_collector::page::data::Data;
use glassbox_collector::page::{View, html};
use glassbox_collector::store::Store;
use glassbox_collector::store::day::Pings;
use glassbox_collector::store::writer::Writer;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// A store of a made-up fleet, with its exports.
fn made_up(folder: &Path, now: Timestamp) -> Store {
    let store = Store::open(folder).unwrap();
    let mut writer = Writer::new(&store);
    fleet::fill(&mut writer, &Plan { seed: 3, installations: 300, days: 30, now, everything: true }).unwrap();
    writer.commit().unwrap();
    publish(&Config::default(), &store, now).unwrap();
    store
}

/// For a browser to look at, where it is asked for.
pub fn put(name: &str, page: &str) {
    if let Some(folder) = std::env::var_os("GLASSBOX_TEST_PAGES") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.html")), page).unwrap();
    }
}

/// A chart of bars.
fn bars(data: &Data, id: &str) -> (Vec<(String, f64)>, f64) {
    match CHARTS.iter().find(|chart| chart.id == id).unwrap().shown(data) {
        Some(Shown::Bars(rows, of)) => (rows, of),
        other => panic!("{id}: {other:?}"),
    }
}

#[test]
fn every_chart_says_what_its_export_says() {
    let folder = Folder::new("page");
    let store = made_up(&folder.0, Timestamp::now());
    for days in [7, 30] {
        let data = Data::read(&store, days);
        let file = |kind: &str| data.file(kind).unwrap();
        for chart in &CHARTS {
            match chart.shown(&data).unwrap_or_else(|| panic!("{} is not known", chart.id)) {
                Shown::Bars(rows, of) => {
                    // Everybody who counts at all is in one of the bars, and in none twice.
                    let sum: f64 = rows.iter().map(|(_, count)| count).sum();
                    let largest = rows.iter().map(|(_, count)| *count).fold(0.0, f64::max);
                    assert!(largest <= of && (sum >= of || chart.id == "achievements"), "{}: {rows:?} {of}", chart.id);
                }
                Shown::Lines(_, points) => {
                    assert!(points.len() >= usize::try_from(days).unwrap() - 2, "{}: {}", chart.id, points.len());
                    assert!(points.iter().all(|(_, numbers)| numbers.iter().all(|number| number.is_finite())));
                }
            }
        }
        // Bars that stand for one value each are those of the exports.
        for (id, kind, map) in [
            ("versions", "instance", "versions"),
            ("python-versions", "python", "versions"),
            ("browsers", "client_environment", "browser"),
            ("client-os", "client_environment", "os"),
            ("octopi", "rpi", "octopi_versions"),
            ("firmware", "firmware", "names"),
            ("achievements", "achievements", "unlocked"),
        ] {
            let exported = &file(kind)[map];
            let (rows, _) = bars(&data, id);
            for (name, count) in rows.iter().filter(|(name, _)| name != "Others") {
                let number = exported[name].as_f64().or_else(|| exported[name]["instances"].as_f64());
                assert_eq!(number, Some(*count), "{id}: {name}");
            }
            assert!(rows.len() > 1, "{id}: {rows:?}");
        }
        assert_eq!(Some(bars(&data, "versions").1), file("instance")["count"].as_f64());
        assert_eq!(Some(bars(&data, "achievements").1), file("achievements")["instances"].as_f64());
        // Curves have all points of the histogram but the first and the last.
        let Some(Shown::Lines(_, points)) = CHARTS[0].shown(&data) else { panic!() };
        let histogram = file("instance")["histogram"].as_array().unwrap();
        assert_eq!(points.len(), histogram.len() - 2);
        assert_eq!(
            (&points[0].0[..], points[0].1[0]),
            (histogram[1]["start"].as_str().unwrap(), histogram[1]["count"].as_f64().unwrap())
        );
        put(&format!("fleet-{days}"), &html(&data, &View::of(&format!("days={days}")), Timestamp::now()));
    }
}

#[test]
fn an_installation_counts_once_whatever_it_has_and_few_are_not_named() {
    let (folder, now) = (Folder::new("page-once"), Timestamp::now());
    let store = Store::open(&folder.0).unwrap();
    let mut requests = Vec::new();
    let mut report = |number: u32, event: &str, form: String| {
        requests.push(json!({"at": now.as_second() - 9, "method": "GET", "query": form, "body": "",
            "path": format!("/track/{number:08x}-0000-4000-8000-000000000000/{event}/"), "user_agent": "OctoPrint/1.11.8"}));
    };
    // Five with nine browsers each that know ES9, and five with one that does not.
    for number in 0..10 {
        let versions = if number < 5 { 100..109 } else { 60..61 };
        let name = if number < 5 { "Chrome" } else { "Firefox" };
        for version in versions {
            report(number, "webui_load", format!("browser_name={name}&browser_version={version}.0"));
        }
        report(number, "pong", format!("pi_model=Word{number}&python=3.{number}.1&octopi_version=1.0"));
    }
    fill(&store, &requests);
    publish(&Config::default(), &store, now).unwrap();
    let data = Data::read(&store, 7);
    let both = vec![("not supported".to_string(), 5.0), ("supported".to_string(), 5.0)];
    assert_eq!(bars(&data, "es9"), (both, 10.0));
    assert_eq!(bars(&data, "models"), (vec![("Others".to_string(), 10.0)], 10.0));
    assert_eq!(bars(&data, "octopi"), (vec![("1.0".to_string(), 10.0)], 10.0));
    let page = html(&data, &View::of("days=7"), now);
    assert!(!page.contains("Word") && page.contains("50.0 %") && page.contains("those that fewer than 10"), "{page}");
    assert!(page.contains("Plugins and versions that fewer than 10 installations share are left out"), "{page}");
    // Exports have them (RECEIVING.md, 8.10), and the page too where it is configured so.
    assert!(data.file("rpi").unwrap()["models"].as_object().unwrap().len() == 10);
    let config = Config::parse("k_threshold = 1\ntime_zone = \"Asia/Kathmandu\"").unwrap();
    publish(&config, &store, now).unwrap();
    let here = now.to_zoned(TimeZone::get("Asia/Kathmandu").unwrap()).strftime("as of %Y-%m-%d %H:%M Asia/Kathmandu");
    let page = html(&Data::read(&store, 7), &View::of("days=7"), now);
    assert!(page.contains(&format!("last 7 days, {here}; of 10 installations")), "{page}");
    assert!(page.contains("Word9") && !page.contains("those that fewer than") && !page.contains("left out"), "{page}");
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
    drop(made_up(&folder.0.join("data"), Timestamp::now()));
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
    assert!(
        head.contains("content-disposition: inline; filename=\"versions-7d-20") && head.contains("Z.json\""),
        "{head}"
    );
    let csv =
        |query: &str| String::from_utf8(get(&collector, &format!("/chart/achievements.csv{query}"), "").1).unwrap();
    assert!(
        csv("").contains("\"a_surprise\"")
            && !csv("").contains("night_owl")
            && csv("?hidden=yes").contains("night_owl")
    );
    assert!(!get(&collector, "/", "Accept-Encoding: gzip;q=0\r\n").0.contains("content-encoding"));
    let (_, list) = get(&collector, "/export/", "");
    let list = String::from_utf8(list).unwrap();
    assert!(names().all(|name| list.contains(&format!("<a href=\"/export/{name}\">"))), "{list}");
    assert!(get(&collector, "/export/rpi_stats_7d.json", "If-None-Match: *\r\n").0.starts_with("HTTP/1.1 304 "));
    let (head, body) = get(&collector, "/chart/installations.csv", "");
    assert!(head.contains("text/csv") && body.starts_with(b"\"from\",\"installations\"\r\n\"20"), "{head}");
    for none in [
        "/chart/",
        "/chart/versions",
        "/chart/versions.xml",
        "/chart/../x.csv",
        "/chart/none.csv",
        "/index.html",
        "/export",
        "/export/x",
    ] {
        let (head, body) = get(&collector, none, "");
        assert!(head.starts_with("HTTP/1.1 404 ") && body.starts_with(b"There is nothing here."), "{none}: {head}");
    }
    assert_eq!(collector.send("POST", "/", "", ""), 405);
}

#[test]
fn countries_are_counted_as_another_computation_does() {
    let (folder, now) = (Folder::new("page-places"), Timestamp::now());
    let store = made_up(&folder.0, now);
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
    let (rows, of) = bars(&Data::read(&store, 7), "places");
    let all: HashSet<i64> = expected.values().flatten().copied().collect();
    assert_eq!(whole(of), all.len());
    let mut others: HashSet<i64> = HashSet::new();
    for (country, who) in &expected {
        let name = match &country[..] {
            "US" => "United States",
            "GB" => "Britain (UK)",
            "DE" => "Germany",
            "IS" => "Iceland",
            _ => continue,
        };
        let shown = rows.iter().find(|(shown, _)| shown == name).map(|(_, count)| whole(*count));
        assert_eq!(shown, (who.len() >= threshold).then_some(who.len()), "{name}");
    }
    expected.values().filter(|who| who.len() < threshold).for_each(|who| others.extend(who));
    let shown = rows.iter().find(|(shown, _)| shown == "Others").map(|(_, count)| whole(*count));
    assert_eq!(shown, (!others.is_empty()).then_some(others.len()));
    assert!(rows.len() > 3 && rows.contains(&("Iceland".into(), 12.0)), "{rows:?}");
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // of a count
fn whole(count: f64) -> usize {
    count as usize
}
