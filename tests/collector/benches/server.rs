//! Speed beside nginx, memory on a full day, and what it does while nothing happens.

use crate::Sheet;
use crate::load::{Load, send};
use crate::process::{Folder, Server, tests};
use serde_json::Value;
use std::time::Duration;

/// Rounds, of which the median counts: other programs disturb.
const ROUNDS: usize = 5;

/// Installations that send while its speed is measured.
const SENDERS: usize = 1000;

/// A request as OctoPrint sends it through a proxy that names its address: one of those that the test database knows.
pub fn request(method: &str, number: usize, event: &str, form: &str, version: &str) -> Vec<u8> {
    let (query, body) = if method == "GET" { (format!("?{form}"), "") } else { (String::new(), form) };
    let address = ["81.2.69.142", "89.160.20.113", "2.125.160.217", "216.160.83.57", "10.1.1.1"][number % 5];
    let length = if method == "GET" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!(
        "{method} /track/{number:08x}-2222-4333-8444-555555555555/{event}/{query} HTTP/1.1\r\nHost: tracking\r\n\
         User-Agent: OctoPrint/{version}\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n\
         Connection: keep-alive\r\nX-Forwarded-For: {address}\r\n{length}\r\n"
    );
    format!("{head}{body}").into_bytes()
}

/// All recorded requests of OctoPrints, of many installations; but for a NUL in a path, which nginx refuses.
pub fn recorded() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for file in ["octoprint-1.11.8", "octoprint-dev-744c8359"] {
        let text = std::fs::read_to_string(tests().join(format!("corpora/{file}.jsonl"))).unwrap();
        let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.extend(cases.flat_map(|case| case["expect"].as_array().unwrap().clone()));
    }
    let session = tests().join("../examples/sessions/octoprint-1.11.8.requests.jsonl");
    let session = std::fs::read_to_string(session).unwrap();
    all.extend(session.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    all.retain(|one| !one["path"].as_str().unwrap().contains("%00"));
    let made = all.iter().cycle().take(all.len().next_multiple_of(SENDERS) * 3).enumerate().map(|(number, one)| {
        let text = |key: &str| one[key].as_str().unwrap();
        let event = text("path").split('/').nth(3).unwrap();
        let version = text("user_agent").trim_start_matches("OctoPrint/");
        request(text("method"), number % SENDERS, event, &[text("query"), text("body")].concat(), version)
    });
    made.collect()
}

pub fn speed(sheet: &mut Sheet) {
    let folder = Folder::new("speed");
    let collector = Server::collector(&folder.0.join("data"));
    let nginx = Server::nginx(&folder.0);
    let requests = recorded();
    if nginx.is_none() {
        println!("skipped: nginx is not installed, so there is no ratio");
    }
    let mut best = 0.0_f64;
    for (kept, count, bound) in [(false, 10_000, 0.5), (true, 40_000, 0.35)] {
        let load = Load { connections: 16, kept, count, rate: None };
        let cost = |server: &Server| {
            let before = server.busy();
            let outcome = send(&server.address, &requests, load);
            // What waits in the queue is written.
            std::thread::sleep(Duration::from_millis(500));
            ((server.busy() - before).as_secs_f64() * 1e6 / count as f64, outcome.rate)
        };
        // In turn, so that what disturbs them disturbs both: our cost, our rate, and nginx's cost.
        let round = |_| {
            let (ours, rate) = cost(&collector);
            [ours, rate, nginx.as_ref().map_or(f64::NAN, |nginx| cost(nginx).0)]
        };
        let rounds: Vec<[f64; 3]> = (0..ROUNDS).map(round).collect();
        let median = |of: &dyn Fn(&[f64; 3]) -> f64| {
            let mut all: Vec<_> = rounds.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all[ROUNDS / 2]
        };
        println!(
            "{}",
            if kept { "kept alive, all recorded kinds" } else { "a new connection each, all recorded kinds" }
        );
        sheet.figure("  processor time of a request", median(&|round| round[0]), "us");
        if nginx.is_some() {
            sheet.figure("  the same of nginx", median(&|round| round[2]), "us");
            sheet.at_least("  nginx's time in parts of ours", median(&|round| round[2] / round[0]), "", bound);
        }
        let rate = median(&|round| round[1]);
        if kept {
            sheet.at_least("  requests a second, with the generator on 2 cores", rate, "/s", 10_000.0);
            best = rate;
        } else {
            sheet.figure("  requests a second, with the generator on 2 cores", rate, "/s");
        }
    }
    let late = |rate: f64| {
        let load = Load { connections: 16, kept: true, count: (rate * 10.0) as usize, rate: Some(rate) };
        send(&collector.address, &requests, load).p99().as_secs_f64() * 1e3
    };
    sheet.bound("  at 5,000 a second, 99 % are answered within", late(5000.0), "ms", 10.0);
    sheet.figure("  at half of what it can, 99 % are answered within", late(best / 2.0), "ms");
    sheet.figure("  memory", collector.memory()[0], "MB");
}

/// 91,000 installations in a day, each with its own list of seven plugins.
pub fn day(sheet: &mut Sheet) {
    let folder = Folder::new("day");
    let collector = Server::collector(&folder.0.join("data"));
    let pong = |number: usize| {
        let plugins: Vec<_> =
            (0..7).map(|at| format!("plugin_{}%3A1.{at}.{number}", number * 7919 % 500 + at)).collect();
        let form = format!(
            "version=1.11.8&os=linux&bits=64&python=3.11.2&cores=4&freq=1800.0&ram={}&plugins={}",
            4096 * (number % 300),
            plugins.join("%2C")
        );
        request("POST", number, "pong", &form, "1.11.8")
    };
    let before = collector.memory()[0];
    for what in [0, 1] {
        let requests: Vec<_> = (0..91_000)
            .map(|number| if what == 0 { request("GET", number, "ping", "", "1.11.8") } else { pong(number) })
            .collect();
        send(&collector.address, &requests, Load { connections: 16, kept: true, count: 91_000, rate: None });
    }
    std::thread::sleep(Duration::from_secs(1));
    let [now, most] = collector.memory();
    println!("91,000 installations in a day, with as many lists");
    sheet.figure("  memory after the start", before, "MB");
    sheet.figure("  memory after it", now, "MB");
    sheet.bound("  memory at most (and the database of places twice)", most, "MB", 150.0);
}

pub fn idle(sheet: &mut Sheet) {
    let folder = Folder::new("idle");
    let collector = Server::collector(&folder.0.join("data"));
    std::thread::sleep(Duration::from_secs(5));
    let (woken, busy) = (collector.woken(), collector.busy());
    std::thread::sleep(Duration::from_secs(119));
    println!("idle");
    sheet.bound("  wake-ups in two minutes", (collector.woken() - woken) as f64, "", 2.0);
    sheet.figure("  processor time in two minutes", (collector.busy() - busy).as_secs_f64() * 1e3, "ms");
}
