//! The exports, compared with an independent computation in another language (`compute.py`), byte by byte.

use crate::skip::skip;
use crate::support::{Collector, Folder, fill, program};
use glassbox_collector::config::Config;
use glassbox_collector::exports::{names, publish, write};
use glassbox_collector::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }
}

fn seconds(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

fn request(at: i64, id: &str, event: &str, form: &str, version: &str) -> Value {
    let (method, query, body) = if event == "pong" { ("POST", "", form) } else { ("GET", form, "") };
    json!({"at": at, "method": method, "path": format!("/track/{id}/{event}/"), "query": query, "body": body,
           "user_agent": format!("OctoPrint/{version}")})
}

/// A fleet with every trap: values at the windows' edges, doubled keys, spellings, ties, numbers that are none, days
/// without anything, Python 2 and 3 on different days, versions of one's own, unknown events, and what comes later than now.
fn fleet(now: i64) -> Vec<Value> {
    let mut dice = Dice(7);
    let mut all = Vec::new();
    for number in 0..120_u64 {
        let id = format!("{number:08x}-aaaa-4bbb-8ccc-{:012x}", number * 977);
        let written = if number.is_multiple_of(3) { id.to_uppercase() } else { id };
        for day in (0..33).filter(|day| !(day + number).is_multiple_of(4)) {
            let start = now - i64::try_from(day).unwrap() * 86_400 - 50_000;
            let version =
                dice.pick(&["1.11.8", "1.10.3", "1.12.0rc1", "1.12.0.dev3+gabc.dirty", "2.0.0", "1.5.0+mine"]);
            let mut report = |dice: &mut Dice, event: &str, form: &str| {
                let at = start + i64::try_from(dice.roll(86_000)).unwrap();
                // Nothing in the quarter in which `now` is: of that pings may count whole.
                if at / 900 != now / 900 || event != "ping" {
                    all.push(request(at, &written, event, form, version));
                }
            };
            for _ in 0..dice.roll(5) {
                report(&mut dice, "ping", "octoprint_uptime=7&printer_state=OFFLINE");
            }
            let python =
                if day < 10 { dice.pick(&["3.11.2", "3.9.2"]) } else { dice.pick(&["2.7.16", "3.7.3", "2.7.18"]) };
            let environment = format!(
                "version={version}&os={}&bits={}&python={python}&cores={}&freq={}&ram={}&pi_model={}&octopi_version={}&octopiuptodate_build={}",
                dice.pick(&["linux", "windows", "macos", "fre%C3%BCbsd"]),
                dice.pick(&["32", "64", "unknown", "many"]),
                dice.pick(&["4", "04", "1", "unknown", "-1", "16"]),
                dice.pick(&["1500.0", "1500", "1800.5", "unknown", "fast"]),
                dice.pick(&["1000", "950", "8589934592", "unknown"]),
                dice.pick(&["", "Raspberry%20Pi%204+B", "[x]"]).trim_matches(['[', ']']),
                dice.pick(&["", "1.0.0", "0.18.0"]),
                dice.pick(&["", "2024.1"]),
            );
            let plugins = dice.pick(&[
                "",
                "Display:1.0,rare_one:1",
                "display:1:2.0,other",
                "display:1.0,DISPLAY:3.0,paid:1",
                "a%C3%B6:1,b:",
                ":7,c:?,display:?",
            ]);
            let achievements =
                dice.pick(&["", "&achievements=", "&achievements=the_wizard,one", "&achievements=one,,two"]);
            report(&mut dice, "pong", &format!("{environment}&plugins={plugins}{achievements}"));
            if dice.roll(3) == 0 {
                report(&mut dice, "startup", &environment);
            }
            let elapsed = dice.pick(&[
                "elapsed=3600",
                "elapsed=10&elapsed=20",
                "elapsed=12.7",
                "elapsed=-5",
                "",
                "elapsed=1000000001",
                "elapsed=0",
                "ELAPSED=77",
            ]);
            report(&mut dice, "print_done", &format!("origin=local&{elapsed}"));
            report(&mut dice, "print_failed", "elapsed=9999");
            let browser = dice.pick(&[
                "Firefox&browser_version=128",
                "Chrome&browser_version=1",
                "Chrome&browser_version=99.0",
                "Mobile%20Safari&browser_version=16.4",
                "Chrome&browser_name=Edge&browser_version=2",
                "Rare",
            ]);
            let form = format!("browser_name={browser}&os_name={}", dice.pick(&["Linux", "iOS"]));
            report(&mut dice, "webui_load", &form);
            let form = format!(
                "firmware_name={}",
                dice.pick(&["Marlin%201", "Marlin%202", "Klipper", "\u{fc}ber", "%20Ender-3"])
            );
            report(&mut dice, "printer_connected", &form);
            report(&mut dice, dice_event(number), &format!("plugin={}", dice_plugin(number)));
            report(&mut dice, "brand_new", "python=3.99&plugins=zzz:1");
        }
    }
    // One at each edge of both windows, and one second beyond.
    for (number, at) in [now, now + 1, now - 7 * 86_400, now - 7 * 86_400 - 1, now - 30 * 86_400, now - 30 * 86_400 - 1]
        .iter()
        .enumerate()
    {
        let id = format!("ffffff{number:02x}-aaaa-4bbb-8ccc-000000000000");
        all.push(request(*at, &id, "print_done", "elapsed=1", "9.9.9"));
        all.push(request(*at, &id, "pong", "python=2.0.0&plugins=edge:1&achievements=edge", "9.9.9"));
    }
    // More than a thousand values, many with the same number.
    for number in 0..1100 {
        let id = format!("eeee{number:04x}-aaaa-4bbb-8ccc-000000000000");
        all.push(request(
            now - 100_000 - number,
            &id,
            "printer_connected",
            &format!("firmware_name=F{}", number % 1050),
            "1.0",
        ));
        all.push(request(
            now - 100_000 - number,
            &id,
            "pong",
            &format!("ram={number}&plugins=p{}:1", number % 1080),
            "1.0",
        ));
    }
    // Not an OctoPrint, and no id.
    let mut other = request(now - 5, "eeeeeeee-aaaa-4bbb-8ccc-000000000000", "pong", "python=3.1", "1.0");
    other["user_agent"] = json!("Mozilla/5.0");
    all.push(other);
    all.push(request(now - 5, "5", "pong", "python=3.1", "1.0"));
    all.sort_by_key(|request| request["at"].as_i64());
    all
}

fn dice_event(number: u64) -> &'static str {
    if number.is_multiple_of(2) { "install_plugin" } else { "uninstall_plugin" }
}

fn dice_plugin(number: u64) -> &'static str {
    ["Display", "display", "never_seen", "paid"][usize::try_from(number % 4).unwrap()]
}

/// Whether the page's own file says of each chart what the other program says, in the same order.
fn compare_bars(store: &Store, theirs: &Path, what: &str) {
    for days in [7, 30] {
        let read = |file: &Path| -> Value { serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap() };
        let ours = &read(&store.page().join(format!("bars_stats_{days}d.json")))["charts"];
        let theirs = &read(&theirs.join(format!("bars_{days}d.json")));
        for (id, chart) in ours.as_object().unwrap() {
            assert_eq!(chart.to_string(), theirs[id].to_string(), "{what}: {id} of {days} days");
        }
        assert_eq!(ours.as_object().unwrap().len(), theirs.as_object().unwrap().len());
    }
}

/// Whether both folders hold the same 18 files.
fn compare(ours: &Path, theirs: &Path, what: &str) {
    for name in names() {
        let [one, other] = [ours, theirs].map(|folder| std::fs::read_to_string(folder.join(&name)).unwrap());
        for (line, (a, b)) in one.lines().zip(other.lines()).enumerate() {
            assert_eq!(a, b, "{what}: {name}:{}", line + 1);
        }
        assert_eq!(one, other, "{what}: {name}");
        serde_json::from_str::<Value>(&one).unwrap();
    }
    assert_eq!(std::fs::read_dir(ours).unwrap().count(), 18);
}

#[test]
fn another_program_computes_the_same_18_files() {
    if Command::new("python3")
        .args(["-c", "import zoneinfo; zoneinfo.ZoneInfo('Asia/Kolkata')"])
        .output()
        .map_or(true, |done| !done.status.success())
    {
        return skip("python3 with time zones is not installed");
    }
    // A week in which summer time begins; not on a full hour.
    let now = seconds("2026-04-01T13:37:12Z");
    let folder = Folder::new("exports");
    let requests = fleet(now);
    let lines = requests.iter().fold(String::new(), |mut lines, request| {
        let _ = writeln!(lines, "{request}");
        lines
    });
    let file = folder.0.join("requests.jsonl");
    std::fs::write(&file, lines).unwrap();
    let store = Store::open(&folder.0.join("data")).unwrap();
    fill(&store, &requests);
    for (round, (now, zone, threshold, excluded)) in [
        (now, "UTC", 1, ""),
        (now, "Europe/Berlin", 1, "Paid"),
        (now, "Asia/Kolkata", 10, ""),
        (now, "America/New_York", 3, "display"),
        // A week ago, and before and after everything.
        (now - 7 * 86_400, "Europe/Berlin", 1, ""),
        (now - 400 * 86_400, "Europe/Berlin", 1, ""),
        (now + 20 * 86_400, "Australia/Lord_Howe", 1, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let what = format!("{now} {zone} {threshold} {excluded}");
        let excluded_list = if excluded.is_empty() { String::new() } else { format!("{excluded:?}") };
        let config = format!("time_zone = {zone:?}\nk_threshold = {threshold}\nexclude_plugins = [{excluded_list}]");
        let [ours, theirs] = ["ours", "theirs"].map(|who| folder.0.join(format!("{who}-{round}")));
        let time = Timestamp::from_second(now).unwrap();
        let config = Config::parse(&config).unwrap();
        assert_eq!(write(&config, &store, &ours, time).unwrap(), [""; 0]);
        assert_eq!(publish(&config, &store, time).unwrap(), [""; 0]);
        let script = crate::support::workspace().join("tests/collector/compute.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(&file).arg(&theirs).args([&now.to_string(), zone, &threshold.to_string(), excluded]);
        assert!(command.status().unwrap().success());
        compare(&ours, &theirs, &what);
        compare_bars(&store, &theirs, &what);
    }
    // The fleet has what it is to test.
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(folder.0.join("ours-0").join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("plugin_stats_7d.json")["plugins"].as_object().unwrap().len(), 1000);
    assert!(read("instance_stats_30d.json")["histogram"].as_array().unwrap().len() > 700);
    assert!(read("python_stats_30d.json")["histogram"].as_array().unwrap().len() > 25);
    assert!(read("printing_stats_7d.json")["total"].is_f64());
}

#[test]
fn exports_are_served_whole_to_any_page_and_again_only_if_they_changed() {
    let folder = Folder::new("served");
    let collector = Collector::start(&folder, "");
    let file = collector.data.join("exports/rpi_stats_30d.json");
    crate::support::wait_for("the exports", || file.exists());
    let get = |name: &str, more: &str| {
        collector.raw(format!("GET /export/{name} HTTP/1.1\r\nHost: c\r\nConnection: close\r\n{more}\r\n").as_bytes())
    };
    let answer = get("rpi_stats_30d.json", "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: *") && answer.contains("application/json"), "{answer}");
    assert!(answer.ends_with(&std::fs::read_to_string(&file).unwrap()), "{answer}");
    let tag = answer.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    assert!(get("rpi_stats_30d.json", &format!("If-None-Match: \"x\", W/{tag}\r\n")).starts_with("HTTP/1.1 304"));
    assert!(get("rpi_stats_30d.json", "If-None-Match: \"x\"\r\n").starts_with("HTTP/1.1 200"));
    assert!(get("rpi_stats_30d.json", "Accept-Encoding: br, gzip;q=1\r\n").contains("content-encoding: gzip"));
    for none in ["../shared.sqlite", "%2e%2e/shared.sqlite", "rpi_stats_31d.json", "."] {
        assert!(get(none, "").starts_with("HTTP/1.1 404"), "{none}");
    }
    // By the command too, while it runs, to any folder.
    let out = folder.0.join("out");
    let mut command = program();
    command.args(["exports", "--now", "2026-01-01T00:00:00Z", "--data"]).arg(&collector.data).arg("--out").arg(&out);
    assert!(command.status().unwrap().success());
    let text = std::fs::read_to_string(out.join("firmware_stats_7d.json")).unwrap();
    let expected = "{\n  \"_since\": \"2025-12-25T00:00:00+00:00\",\n  \"_generated\": \"2026-01-01T00:00:00+00:00\",\n  \"names\": {}\n}";
    assert_eq!(text, expected);
}
