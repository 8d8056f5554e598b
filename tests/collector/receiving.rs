//! What is answered, and what costs whom what.

use crate::support::{Collector, Folder, ID, day, number, odd, refused, status, wait_for};
use std::io::{Read, Write};

#[test]
fn everything_below_track_is_answered_alike_and_refusals_are_counted() {
    let folder = Folder::new("receiving");
    let collector = Collector::start(&folder, "");
    let good = [
        format!("/track/{ID}/ping/?octoprint_uptime=1&printer_state=OFFLINE"),
        format!("/track/{ID}/ping?octoprint_uptime=nonsense&nonsense=%ZZ"),
        format!("/track/{}/ping/x/y/", ID.replace("1111", "ABCD")),
        format!("/track/{}/%70ing/", ID.replace("1111", "%61bcd")),
        format!("/track/{ID}/commerror_start%20print%2F-./?commerror_text=x"),
        format!("/track/{ID}/brand_new/?a=b"),
        format!("http://other.example/track/{ID}/shutdown/"),
    ];
    for target in &good {
        assert_eq!(collector.report(target), 204, "{target}");
    }
    for target in ["/track/", "/track/x", "/track/5/ping/", "/track/%00/ping/", &format!("/track/{ID}/")] {
        assert_eq!(collector.report(target), 204, "{target}");
    }
    assert_eq!(collector.send("GET", &good[0], "User-Agent: Mozilla/5.0\r\n", ""), 204);
    assert_eq!(collector.send("GET", &good[0], "", ""), 204);
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        assert_eq!(collector.send(method, &good[0], "User-Agent: OctoPrint/1.11.8\r\n", ""), 405, "{method}");
    }
    assert_eq!(collector.report("/elsewhere"), 404);
    assert_eq!(collector.report("/track"), 404);
    assert_eq!(collector.report("/healthz"), 200);
    // nginx's default to those behind it, and a connection that stays.
    let agent = "User-Agent: OctoPrint/1.11.8";
    let old = collector.raw(format!("GET {} HTTP/1.0\r\n{agent}\r\n\r\n", good[0]).as_bytes());
    assert!(old.starts_with("HTTP/1.0 204"), "{old}");
    let kept = format!("GET {} HTTP/1.1\r\nHost: c\r\n{agent}\r\n\r\n", good[0]).repeat(3);
    let last = format!("GET {} HTTP/1.1\r\nHost: c\r\nConnection: close\r\n{agent}\r\n\r\n", good[0]);
    assert_eq!(collector.raw(format!("{kept}{last}").as_bytes()).matches("HTTP/1.1 204").count(), 4);

    let data = collector.stop();
    let day = day(&data);
    assert_eq!(number(&day, "SELECT sum(pings) FROM ping"), 9);
    assert_eq!(number(&day, "SELECT count(*) FROM ping"), 2, "an id in capitals is the same");
    assert_eq!(number(&day, "SELECT count(*) FROM report"), 3);
    assert_eq!(number(&day, "SELECT count(*) FROM name WHERE text = 'commerror_start print/-.'"), 1);
    let counts = |list: &[(&str, i64)]| list.iter().map(|(name, n)| ((*name).into(), *n)).collect::<Vec<(String, _)>>();
    assert_eq!(refused(&data), counts(&[("id", 2), ("path", 3), ("user_agent", 2)]));
    assert_eq!(odd(&data), counts(&[("event brand_new", 1), ("field ping.nonsense", 1)]));
}

#[test]
fn bodies_have_limits_and_whatever_is_no_http_is_cut() {
    let folder = Folder::new("limits");
    let collector = Collector::start(&folder, "");
    let agent = "User-Agent: OctoPrint/1.11.8\r\n";
    let pong = format!("/track/{ID}/pong/");
    assert_eq!(collector.send("POST", &pong, agent, "plugins=a:1"), 204);
    assert_eq!(collector.send("POST", &pong, agent, &format!("plugins=b:{}", "x".repeat(65_000))), 204, "a field only");
    let answer = collector.raw(
        format!("POST {pong} HTTP/1.1\r\nHost: c\r\n{agent}Content-Length: 70000\r\n\r\n{}", "x".repeat(70_000))
            .as_bytes(),
    );
    assert!(answer.is_empty() || status(&answer) == 204, "{answer}");
    // In pieces without an end: it is cut, and does not fill the memory.
    let piece = format!("8000\r\n{}\r\n", "y".repeat(0x8000));
    let chunked =
        format!("POST {pong} HTTP/1.1\r\nHost: c\r\n{agent}Transfer-Encoding: chunked\r\n\r\n{}", piece.repeat(40));
    let answer = collector.raw(chunked.as_bytes());
    assert!(answer.is_empty() || status(&answer) == 204, "{answer}");
    // It breaks off.
    let mut stream = collector.connect();
    stream
        .write_all(format!("POST {pong} HTTP/1.1\r\nHost: c\r\n{agent}Content-Length: 50\r\n\r\nabc").as_bytes())
        .unwrap();
    drop(stream);
    let good = format!("/track/{ID}/shutdown/");
    for bytes in [
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"GET /track/\xff\xfe HTTP/9.9\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20),
        format!("GET {good} HTTP/1.1\r\nHost: c\r\n{}\r\n", "a: b\r\n".repeat(65)).into_bytes(),
        format!("GET {good}?{} HTTP/1.1\r\nHost: c\r\n\r\n", "x".repeat(20_000)).into_bytes(),
        format!("GET {good} HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000)).into_bytes(),
    ] {
        let answer = collector.raw(&bytes);
        assert!(answer.is_empty() || (400..500).contains(&status(&answer)), "{answer}");
    }
    // Invalid UTF-8 and NUL in a value are a value.
    let odd = [b"POST ", pong.as_bytes(), b" HTTP/1.1\r\nHost: c\r\nConnection: close\r\n", agent.as_bytes()].concat();
    let odd = [&odd[..], b"Content-Length: 15\r\n\r\nos=a\xff\0&pip=%00b"].concat();
    assert_eq!(status(&collector.raw(&odd)), 204);
    assert_eq!(collector.report(&good), 204, "everybody else is served");

    let data = collector.stop();
    let found = refused(&data);
    let count = |reason| found.iter().find(|(name, _)| name == reason).map_or(0, |(_, count)| *count);
    assert_eq!(count("body_size"), 2, "{found:?}");
    assert_eq!(count("body_broken"), 1, "{found:?}");
    assert!(count("malformed") >= 5, "{found:?}");
    assert_eq!(number(&day(&data), "SELECT count(*) FROM report"), 4);
    let shared = rusqlite::Connection::open(data.join("shared.sqlite")).unwrap();
    assert_eq!(
        number(
            &shared,
            "SELECT count(*) FROM environment WHERE text = '{\"os\":\"a\u{fffd}\\u0000\",\"pip\":\"\\u0000b\"}'"
        ),
        1
    );
}

#[test]
fn slow_clients_and_idle_ones_hold_up_nobody() {
    let folder = Folder::new("slow");
    let collector = Collector::start(&folder, "");
    let mut half: Vec<_> = (0..200).map(|_| collector.connect()).collect();
    for stream in &mut half[..100] {
        stream.write_all(b"GET /track/").unwrap();
    }
    let mut body = collector.connect();
    let head =
        format!("POST /track/{ID}/pong/ HTTP/1.1\r\nHost: c\r\nUser-Agent: OctoPrint/1\r\nContent-Length: 9\r\n\r\n");
    body.write_all(head.as_bytes()).unwrap();
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    // All of them are cut, and the body's sender too.
    for mut stream in half.into_iter().chain([body]) {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    let data = collector.stop();
    assert_eq!(refused(&data), [("body_time".to_string(), 1)]);
    assert_eq!(number(&day(&data), "SELECT sum(pings) FROM ping"), 1);
}

#[test]
fn a_socket_can_be_listened_to_and_is_removed_at_the_end() {
    let folder = Folder::new("socket");
    let socket = folder.0.join("s");
    let config = format!("listen = \"unix:{}\"\naddress_header = \"X-Real-IP\"", socket.display());
    let collector = Collector::start(&folder, &config);
    let ask = || {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        let head = format!("GET /track/{ID}/ping/ HTTP/1.0\r\nUser-Agent: OctoPrint/1\r\nX-Real-IP: 1.2.3.4\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        status(&answer)
    };
    assert_eq!(ask(), 204);
    // One that is left behind is no obstacle.
    collector.kill();
    assert!(socket.exists());
    let collector = Collector::start(&folder, &config);
    assert_eq!(ask(), 204);
    let data = collector.stop();
    assert!(!socket.exists());
    assert!(number(&day(&data), "SELECT sum(pings) FROM ping") >= 1);
}

#[test]
fn a_changed_manifest_that_is_wrong_is_refused_and_a_second_collector_too() {
    let folder = Folder::new("start");
    let collector = Collector::start(&folder, "");
    let run = |more: &[&str]| {
        let mut command = crate::support::program();
        let output = command.arg("run").args(more).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let data = folder.0.join("data");
    let said = run(&["--data", data.to_str().unwrap()]);
    assert!(said.contains("another collector uses") && said.contains("--data"), "{said}");
    let config = folder.0.join("wrong.toml");
    let other = folder.0.join("other");
    std::fs::write(&config, "retention = 5").unwrap();
    let said = run(&["--config", config.to_str().unwrap(), "--data", other.to_str().unwrap()]);
    assert!(said.contains("there is no key \"retention\""), "{said}");
    std::fs::write(&config, "manifest = \"wrong.toml\"").unwrap();
    let said = run(&["--config", config.to_str().unwrap(), "--data", other.to_str().unwrap()]);
    assert!(said.contains("wrong.toml") && said.contains("unknown field `manifest`"), "{said}");
    wait_for("the exports", || collector.data.join("exports/rpi_stats_30d.json").exists());
}
