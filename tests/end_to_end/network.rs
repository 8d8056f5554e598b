//! Delivery over a bad network: what each fault costs, by what a real server received, in which order, and
//! by what the log and its summary say. The server is in `faulty.rs`, certificates in `tls.rs`.

use crate::faulty::{Act, Faulty, Heard, certificate_file, good, status};
use crate::support::{ENVIRONMENT, Home, LONG, Process, START, STARTED, names, receiver};
use std::ops::Range;
use std::time::Duration;

/// How an accepted request is answered.
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// How an outage is told.
pub const CANNOT: &str = "tracking: the tracking server cannot be reached; a report is tried up to four times within a minute, and then dropped: ";
const TIME_OUT: &str = "enable_plugin was not accepted: there was no answer within 3.05 s";

/// The program, opted in, sending there; and its home, which must outlive it.
fn start(server: &str) -> (Home, Process) {
    start_with("", server)
}

/// The same, with this configuration.
pub fn start_with(config: &str, server: &str) -> (Home, Process) {
    let home = Home::opted_in(server);
    home.0.write("home/glassbox.toml", config);
    let mut host = home.start();
    host.send(ENVIRONMENT);
    (home, host)
}

/// The configuration that trusts the authority of a file beside these tests.
pub fn ca_file(name: &str) -> String {
    format!("ca_file = \"{}\"\n", certificate_file(name).display())
}

/// Events that cause one report each, told apart by the plugin that they name; all are queued.
#[track_caller]
pub fn feed(host: &mut Process, numbers: Range<usize>) {
    for n in numbers.clone() {
        host.send(&format!(
            r#"{{"event":"plugin_pluginmanager_enable_plugin","payload":{{"id":"p{n}","version":"1"}}}}"#
        ));
    }
    host.wait_for_log(&format!("(\"plugin\", \"p{}\")", numbers.end - 1));
}

/// The plugins that were reported, as they were.
pub fn plugins(heard: &[Heard]) -> Vec<String> {
    heard.iter().map(|heard| heard.request.value("plugin").unwrap_or_default()).collect()
}

pub fn expected(numbers: Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("p{n}")).collect()
}

/// End it; what it said of delivery, and the tally: sent, failed, dropped.
#[track_caller]
pub fn end(host: Process) -> (Vec<String>, [u64; 3]) {
    host.signal("TERM");
    ended(host)
}

/// The same of one that is about to end.
#[track_caller]
pub fn ended(host: Process) -> (Vec<String>, [u64; 3]) {
    let log = host.wait(LONG).log();
    let mut said: Vec<_> = log
        .lines()
        .filter(|line| line.starts_with(" WARN ") || line.starts_with(" INFO "))
        .filter(|line| !line.contains(": reports are sent while the host runs: "))
        .map(|line| line.trim_start().to_string())
        .collect();
    let tally = said.pop().unwrap_or_default();
    let numbers: Vec<_> = tally.split(' ').filter_map(|word| word.parse().ok()).collect();
    (said, numbers.try_into().unwrap_or_else(|_| panic!("no tally: {log}")))
}

fn again(failed: u64, dropped: u64) -> String {
    format!("INFO tracking: reports get through again; not accepted: {failed}, dropped: {dropped}")
}

#[test]
fn no_answer_but_2xx_is_taken_for_yes_and_none_is_followed_or_repeated() {
    let elsewhere = receiver();
    let url = elsewhere.url();
    let redirect =
        |status| Act::Answer(format!("HTTP/1.1 {status}\r\nlocation: {url}\r\ncontent-length: 2\r\n\r\nno").into());
    let redirects = ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Redirect"];
    let mut script: Vec<_> = redirects.map(redirect).into();
    // The second one is what a POST hears.
    script.splice(0..0, [redirect("308 Redirect"), redirect("307 Temporary Redirect"), redirect("302 Found")]);
    script.extend(["404 Not Found", "410 Gone", "500 Oops", "503 Service Unavailable"].map(status));
    script.push(Act::Answer(b"HTTP/1.1 429 Slow Down\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".into()));
    let failed = script.len() as u64;
    let server = Faulty::http(0, script);
    let (_home, mut host) = start(&server.url());
    host.send(STARTED);
    feed(&mut host, 0..11);
    server.wait_for(14);
    let (said, tally) = end(host);
    let heard = server.heard();
    assert_eq!(names(&heard.iter().map(|heard| heard.request.clone()).collect::<Vec<_>>())[..3], START);
    assert_eq!((heard[1].request.method.as_str(), heard[14].request.kind()), ("POST", "shutdown"));
    assert_eq!(plugins(&heard[3..14]), expected(0..11));
    assert_eq!(elsewhere.requests(), []);
    let first = "WARN tracking: ping was not accepted: the server answered 308 Permanent Redirect";
    assert_eq!((said, tally), (vec![first.into(), again(failed, 0)], [2, failed, 0]));
}

#[test]
fn broken_answers_cost_no_request_but_their_own() {
    let answer = |text: &str| Act::Answer(text.into());
    let close = |text: &str| Act::Close(text.into());
    let headers = |count: usize, length: usize| {
        let header = format!("x: {}\r\n", "y".repeat(length)).repeat(count);
        Act::Answer(OK.replacen("\r\n", &format!("\r\n{header}"), 1).into())
    };
    let closed = Some("the connection was closed before the answer was there");
    // What the server does, and why that is no success, if it is none.
    let cases = [
        (close(""), closed),
        (close("HTTP/1.1 2"), closed),
        (close("HTTP/1.1 200 OK\r\nconte"), closed),
        // The server has said yes.
        (close("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"), None),
        (close("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nabc"), None),
        (answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n\r\n"), None),
        (close("HTTP/1.0 200 OK\r\n\r\nhello"), None),
        (answer("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello"), None),
        (answer("nonsense\r\n\r\n"), Some("protocol: http parse fail: invalid HTTP version")),
        (answer("\0\u{1}\u{2}\r\n\r\n"), Some("protocol: http parse fail: invalid HTTP version")),
        (answer("HTTP/1.1 99999 OK\r\n\r\n"), Some("protocol: http parse fail: invalid response status")),
        (answer("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), Some("protocol: content-length header not a number")),
        (headers(1, 1 << 20), Some("its answer has more than 96 KiB of headers")),
        (headers(120, 1), None),
        (headers(130, 1), Some("its answer has more than 128 headers, which is as many as can be read")),
        (answer(&format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n{OK}")), None),
        (answer("HTTP/1.1 101 Other Protocol\r\nupgrade: other\r\n\r\n"), Some("the server answered 101 ")),
        // Nobody must take the second one for the answer to the next request.
        (answer(&format!("{OK}HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n")), None),
    ];
    let script = cases.iter().flat_map(|(act, _)| [act.clone(), good()]).collect();
    let server = Faulty::http(0, script);
    let (_home, mut host) = start(&server.url());
    let count = 2 * cases.len();
    feed(&mut host, 0..count);
    server.wait_for(count);
    let (said, tally) = end(host);
    assert_eq!(plugins(&server.heard()), expected(0..count));
    let reasons: Vec<_> = cases.iter().filter_map(|(_, reason)| *reason).collect();
    let failed = reasons.len();
    assert_eq!(tally, [(count - failed) as u64, failed as u64, 0]);
    assert_eq!(said.len(), 2 * failed, "{said:#?}");
    for (lines, reason) in said.chunks(2).zip(reasons) {
        let begin = format!("WARN tracking: enable_plugin was not accepted: {reason}");
        assert!(lines[0].starts_with(&begin) && lines[1] == again(1, 0), "{reason}: {lines:#?}");
    }
}

#[test]
fn a_server_that_never_answers_costs_three_seconds_a_request() {
    let server = Faulty::http(0, vec![Act::Ignore, Act::Silence, good()]);
    let (_home, mut host) = start(&server.url());
    feed(&mut host, 0..3);
    let heard = server.wait_for(2);
    let (said, tally) = end(host);
    // The first one was written to a connection that nobody read from, and is not written again.
    assert_eq!(plugins(&server.heard()), expected(1..3));
    let waits = [heard[0].at - server.connections()[0], heard[1].at - heard[0].at];
    for wait in waits {
        assert!((Duration::from_millis(2900)..Duration::from_secs(10)).contains(&wait), "{waits:?}");
    }
    assert_eq!((said, tally), (vec![format!("WARN tracking: {TIME_OUT}"), again(2, 0)], [1, 2, 0]));
}

#[test]
fn an_answer_that_drips_costs_three_seconds_too() {
    let slow_head = Act::Drip(Vec::new(), OK.into());
    let slow_body = Act::Drip("HTTP/1.1 200 OK\r\n\r\n".into(), vec![b'0'; 300]);
    let server = Faulty::http(0, vec![slow_head, slow_body, good()]);
    let (_home, mut host) = start(&server.url());
    feed(&mut host, 0..3);
    let heard = server.wait_for(3);
    let (said, tally) = end(host);
    assert_eq!(plugins(&server.heard()), expected(0..3));
    for pair in heard.windows(2) {
        let wait = pair[1].at - pair[0].at;
        assert!((Duration::from_millis(2900)..Duration::from_secs(10)).contains(&wait), "{wait:?}");
    }
    // The second one was said yes to in time.
    assert_eq!((said, tally), (vec![format!("WARN tracking: {TIME_OUT}"), again(1, 0)], [2, 1, 0]));
}

/// The most memory that the process ever had, in KiB.
#[cfg(target_os = "linux")]
fn peak(host: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_of_a_gigabyte_is_not_taken_in() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    let zeros = vec![b'0'; 1 << 16];
    let chunk = [b"10000\r\n".as_slice(), &zeros, b"\r\n"].concat();
    let header = b"x: y\r\n".repeat(1000);
    let early = b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n".repeat(1000);
    // Begin, what comes again and again, and whether the server has said yes before it came.
    let floods = [
        (format!("{ok}content-length: 1073741824\r\n\r\n"), &zeros, true),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 1073741824\r\n\r\n".into(), &zeros, false),
        (format!("{ok}\r\n"), &zeros, true),
        (format!("{ok}{chunked}"), &chunk, true),
        (format!("{ok}{chunked}"), &zeros, true),
        (format!("{ok}{chunked}1;"), &zeros, true),
        (format!("{ok}{chunked}0\r\n"), &header, true),
        (ok.into(), &header, false),
        (format!("{ok}x: "), &zeros, false),
        (String::new(), &early, false),
    ];
    let failed = floods.iter().filter(|(_, _, yes)| !yes).count() as u64;
    let count = floods.len();
    let script = floods.into_iter().map(|(first, more, _)| Act::Flood(first.into(), more.clone()));
    let server = Faulty::http(0, std::iter::once(good()).chain(script).collect());
    let (_home, mut host) = start(&server.url());
    feed(&mut host, 0..1);
    server.wait_for(1);
    let before = peak(&host);
    feed(&mut host, 1..count + 2);
    server.wait_for(count + 2);
    let grown = peak(&host) - before;
    let (_, tally) = end(host);
    assert_eq!(plugins(&server.heard()), expected(0..count + 2));
    assert_eq!(tally, [count as u64 + 2 - failed, failed, 0]);
    assert!(grown < 8 << 10, "{grown} KiB");
    // Most of it was never taken from the sockets' buffers.
    assert!(server.flooded() < count * (32 << 20), "{}", server.flooded());
}

#[test]
fn connections_are_kept_for_a_burst_and_what_is_closed_meanwhile_is_made_anew() {
    let server = Faulty::http(0, vec![good(); 20]);
    let (_home, mut host) = start(&server.url());
    feed(&mut host, 0..20);
    let last = server.wait_for(20)[19].connection;
    assert!(last <= 3, "{last} connections for 20 requests at once");
    server.close_connections();
    feed(&mut host, 20..21);
    assert_eq!(server.wait_for(21)[20].connection, last + 1);
    // Longer than the program keeps one: it does not wait for the server to close it.
    std::thread::sleep(Duration::from_millis(1500));
    feed(&mut host, 21..22);
    assert_eq!(server.wait_for(22)[21].connection, last + 2);
    let (said, tally) = end(host);
    assert_eq!(plugins(&server.heard()), expected(0..22));
    assert_eq!((said, tally), (vec![], [22, 0, 0]));
}

#[test]
fn a_request_that_meets_the_closing_of_its_connection_is_counted_and_not_repeated() {
    // Nobody can know whether the server heard the second one.
    let server = Faulty::http(0, vec![good(), Act::Close(Vec::new()), good()]);
    let (_home, mut host) = start(&server.url());
    feed(&mut host, 0..3);
    let heard = server.wait_for(3);
    let (said, tally) = end(host);
    assert_eq!(plugins(&server.heard()), expected(0..3));
    assert_ne!(heard[1].connection, heard[2].connection);
    let closed = "WARN tracking: enable_plugin was not accepted: the connection was closed before the answer was there";
    assert_eq!((said, tally), (vec![closed.into(), again(1, 0)], [2, 1, 0]));
}

#[test]
fn a_server_that_was_away_for_a_moment_gets_everything_once() {
    let server = Faulty::http(0, Vec::new());
    let (port, url) = (server.port(), server.url());
    let (_home, mut host) = start(&url);
    feed(&mut host, 0..1);
    server.wait_for(1);
    assert_eq!(plugins(&server.stop()), expected(0..1));
    feed(&mut host, 1..4);
    host.wait_for_log(CANNOT);
    let server = Faulty::http(port, Vec::new());
    server.wait_for(3);
    let (said, tally) = end(host);
    assert_eq!(plugins(&server.heard()), expected(1..4));
    assert!(said[0].starts_with(&format!("WARN {CANNOT}Connection refused")), "{said:?}");
    assert_eq!((said.len(), &said[1], tally), (2, &again(0, 0), [4, 0, 0]));
}

#[test]
fn a_long_outage_is_two_lines_and_one_attempt_a_request() {
    // Four attempts for the first request, one for each of three more.
    let mut script = vec![Act::HangUp; 7];
    script.push(good());
    let server = Faulty::https("good.pem", script);
    let (_home, mut host) = start_with(&ca_file("authority.pem"), &server.url());
    feed(&mut host, 0..4);
    server.wait_for_connections(7, Duration::from_secs(60));
    feed(&mut host, 4..6);
    server.wait_for(2);
    let (said, tally) = end(host);
    assert_eq!(plugins(&server.heard()), expected(4..6));
    let at = server.connections();
    for (pair, pause) in at.windows(2).zip([1, 5, 20]) {
        assert!(pair[1] - pair[0] >= Duration::from_secs(pause), "{at:?}");
    }
    assert!(at[6] - at[0] < Duration::from_secs(60), "{at:?}");
    assert!(said[0].starts_with(&format!("WARN {CANNOT}")), "{said:?}");
    assert_eq!((said.len(), &said[1], tally), (2, &again(0, 4), [2, 0, 4]));
}

#[test]
fn order_is_kept_over_faults_of_all_kinds() {
    let cut = Act::Close("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut".into());
    let garbage = Act::Answer(b"garbage\r\n\r\n".into());
    let closed = || Act::Close(Vec::new());
    #[rustfmt::skip]
    let script = vec![
        good(), closed(), Act::HangUp, good(), status("500 Oops"), cut, Act::HangUp, garbage, Act::HangUp, good(), good(),
    ];
    let server = Faulty::https("good.pem", script);
    let (_home, mut host) = start_with(&ca_file("authority.pem"), &server.url());
    feed(&mut host, 0..8);
    server.wait_for(8);
    let (said, tally) = end(host);
    assert_eq!(plugins(&server.heard()), expected(0..8));
    assert_eq!(tally, [5, 3, 0]);
    // Closed and hung up, 500, hung up with garbage and hung up again: three outages.
    let ends: Vec<_> = said.iter().filter(|line| line.starts_with("INFO ")).collect();
    assert_eq!((said.len(), ends), (6, vec![&again(1, 0); 3]), "{said:#?}");
}

#[test]
fn a_name_that_does_not_resolve_is_an_outage() {
    let (_home, mut host) = start("http://does-not-exist.invalid/track/{id}/{event}/");
    feed(&mut host, 0..3);
    host.wait_for_log(CANNOT);
    let (said, tally) = end(host);
    assert_eq!((said.len(), tally), (1, [0, 0, 3]), "{said:?}");
}

#[test]
fn a_proxy_that_refuses_is_an_outage() {
    let proxy = Faulty::http(0, vec![Act::Close(b"HTTP/1.1 403 Forbidden\r\n\r\n".into()); 9]);
    let home = Home::opted_in("http://stats.invalid/{id}/{event}/");
    let variable = format!("http://127.0.0.1:{}", proxy.port());
    let mut host = home.command(&["run", "--events", "-", "-v"]).env("HTTP_PROXY", variable).start();
    host.send(ENVIRONMENT);
    feed(&mut host, 0..2);
    host.wait_for_log(CANNOT);
    let (said, tally) = end(host);
    assert!(proxy.heard().iter().all(|heard| heard.request.method == "CONNECT"), "{:?}", proxy.heard());
    assert!(!proxy.heard().is_empty(), "the proxy was not asked");
    assert_eq!((said.len(), tally), (1, [0, 0, 2]), "{said:?}");
    let through = format!(" (through the proxy 127.0.0.1:{}, which the environment names)", proxy.port());
    assert!(said[0].contains(&through), "{said:?}");
}

#[test]
fn what_is_meant_for_this_machine_goes_through_no_proxy() {
    let proxy = Faulty::http(0, vec![Act::Close(b"HTTP/1.1 403 Forbidden\r\n\r\n".into()); 9]);
    let receiver = receiver();
    for host in ["127.0.0.1", "localhost"] {
        let before = receiver.requests().len();
        let home = Home::opted_in(&receiver.url().replace("127.0.0.1", host));
        let variable = format!("http://127.0.0.1:{}", proxy.port());
        let run = home.command(&["run", "--events", "-"]).env("ALL_PROXY", &variable).env("https_proxy", &variable);
        run.run_with(format!("{ENVIRONMENT}\n{STARTED}\n").as_bytes()).log();
        assert_eq!(receiver.requests().len(), before + 4, "{host}");
        let looked = home.command(&["doctor"]).env("HTTPS_PROXY", &variable).run();
        assert!(looked.out.contains(": can be reached; nothing was reported by this check"), "{}", looked.out);
    }
    assert!(proxy.heard().is_empty(), "{:?}", proxy.heard());
}
