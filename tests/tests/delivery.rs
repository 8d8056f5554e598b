//! The outbox over real sockets: order, bodies, redirects, time-outs, outages, TLS.
#![allow(missing_docs)]

use glassbox::delivery::{InstanceQueue, SendQueue};
use glassbox::home::instance_journal::InstanceJournal;
use glassbox::net::tls_trust::TlsTrust;
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_sandbox::capabilities::Http;
use glassbox_sandbox::limits::QUEUE;
use glassbox_sandbox::{Method, Outgoing};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

fn request(method: Method, url: &str, form: &str) -> Outgoing {
    Outgoing {
        shown: String::new(),
        method,
        name: "hello".into(),
        fields: Vec::new(),
        url: url.into(),
        form: form.into(),
        user_agent: "Test/1".into(),
    }
}

fn get(url: &str, form: &str) -> Outgoing {
    request(Method::Get, url, form)
}

/// A queue, and the part of it that a plugin has, whose requests may always leave.
fn send_queue() -> (SendQueue, InstanceQueue) {
    let queue = SendQueue::new("test", &InstanceJournal::new(None, "test"), TlsTrust::default());
    let plugin = queue.of_instance(Arc::new(|_: &Outgoing| Ok(())));
    (queue, plugin)
}

/// A server that answers each connection's first request with this, and tells what it read.
fn server(answer: &'static str) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, hear) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap_or(0);
            let _ = heard.send(buffer[..length].to_vec());
            let _ = stream.write_all(answer.as_bytes());
            if answer.is_empty() {
                // No answer at all: hold the connection open.
                std::thread::sleep(Duration::from_secs(20));
            }
        }
    });
    (address.to_string(), hear)
}

#[test]
fn requests_arrive_in_order_as_they_are() {
    let receiver = Receiver::start(0).unwrap();
    let url = receiver.url().replace("{id}", "me").replace("{event}", "hello");
    let (outbox, mut plugin) = send_queue();
    let requests = (0..100)
        .map(|i| request(if i % 3 == 0 { Method::Post } else { Method::Get }, &url, &format!("i={i}&x=%20%2B")));
    plugin.queue(requests.collect(), Instant::now());
    let tally = outbox.drain(Duration::from_secs(10));
    assert_eq!((tally.sent, tally.failed, tally.dropped), (100, 0, 0));
    for (i, got) in receiver.requests().iter().enumerate() {
        let form = format!("i={i}&x=%20%2B");
        let (query, body) = if i % 3 == 0 { ("", form.as_str()) } else { (form.as_str(), "") };
        assert_eq!((got.path.as_str(), got.query.as_str(), got.body.as_str()), ("/track/me/hello/", query, body));
        assert_eq!(got.user_agent, "Test/1");
    }
}

#[test]
fn large_ones_arrive_whole() {
    let receiver = Receiver::start(0).unwrap();
    let url = receiver.url();
    let form = |length: usize| "x".repeat(length);
    let lengths = [7_000, 7_100, 7_200, 8_000, 8_300, 60_000];
    let mut requests: Vec<_> = lengths.iter().map(|length| get(&url, &form(*length))).collect();
    requests.push(request(Method::Post, &url, &form(100_000)));
    let (outbox, mut plugin) = send_queue();
    plugin.queue(requests, Instant::now());
    assert_eq!(outbox.drain(Duration::from_secs(10)).sent, 7);
    let got: Vec<_> = receiver.requests().iter().map(|request| request.query.len() + request.body.len()).collect();
    assert_eq!(got, lengths.into_iter().chain([100_000]).collect::<Vec<_>>());
}

#[test]
fn a_worker_that_went_comes_back() {
    let receiver = Receiver::start(0).unwrap();
    let (outbox, mut plugin) = send_queue();
    for count in 1..=2 {
        plugin.queue(vec![get(&receiver.url(), "")], Instant::now());
        assert_eq!(receiver.wait_for(count, Duration::from_secs(10)).len(), count);
        // It goes when there was nothing to do for a while, and its connection with it.
        std::thread::sleep(Duration::from_millis(1500));
    }
    assert_eq!(outbox.drain(Duration::from_secs(10)).sent, 2);
}

#[test]
fn connections_are_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (count, counted) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = count.send(());
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|length| length > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
                }
            });
        }
    });
    let (outbox, mut plugin) = send_queue();
    plugin.queue((0..20).map(|i| get(&url, &format!("i={i}"))).collect(), Instant::now());
    assert_eq!(outbox.drain(Duration::from_secs(10)).sent, 20);
    assert_eq!(counted.try_iter().count(), 1);
}

#[test]
fn redirects_are_not_followed_and_errors_are_not_repeated() {
    let elsewhere = Receiver::start(0).unwrap();
    for answer in [
        format!(
            "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            elsewhere.url()
        ),
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into(),
        "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into(),
        "nonsense\r\n\r\n".into(),
    ] {
        let (address, heard) = server(answer.leak());
        let (outbox, mut plugin) = send_queue();
        plugin.queue(vec![get(&format!("http://{address}/"), "a=1")], Instant::now());
        let tally = outbox.drain(Duration::from_secs(5));
        assert_eq!((tally.sent, tally.failed, tally.dropped), (0, 1, 0));
        assert_eq!(heard.try_iter().count(), 1);
    }
    assert_eq!(elsewhere.requests(), []);
}

#[test]
fn a_server_that_never_answers_costs_three_seconds() {
    let (address, heard) = server("");
    let (outbox, mut plugin) = send_queue();
    let began = Instant::now();
    plugin.queue(vec![get(&format!("http://{address}/"), "a=1")], Instant::now());
    assert!(began.elapsed() < Duration::from_millis(100), "queueing waited for the network");
    let tally = outbox.drain(Duration::from_secs(10));
    assert_eq!((tally.failed, tally.dropped), (1, 0));
    let took = began.elapsed();
    assert!((Duration::from_millis(2900)..Duration::from_millis(4500)).contains(&took), "{took:?}");
    assert_eq!(heard.try_iter().count(), 1, "it may have been heard, so it must not be repeated");
}

#[test]
fn the_queue_is_bounded_and_can_be_emptied() {
    // A port that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/");
    let (outbox, mut plugin) = send_queue();
    plugin.queue((0..10).map(|_| get(&url, "")).collect(), Instant::now());
    assert!(plugin.room() >= QUEUE - 10);
    assert!(outbox.waiting() >= 9, "the first one is tried again before it is given up");
    let cleared = outbox.close("the user said no");
    assert!((9..=10).contains(&cleared), "{cleared}");
    assert_eq!(plugin.room(), 0);
    outbox.open();
    assert_eq!(plugin.room(), QUEUE);
}

#[test]
fn a_server_that_comes_back_in_time_gets_what_waited() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (outbox, mut plugin) = send_queue();
    plugin
        .queue((0..3).map(|i| get(&format!("http://127.0.0.1:{port}/"), &format!("i={i}"))).collect(), Instant::now());
    std::thread::sleep(Duration::from_millis(300));
    let receiver = Receiver::start(port).unwrap();
    assert_eq!(outbox.drain(Duration::from_secs(10)).sent, 3);
    let order: Vec<_> = receiver.requests().iter().map(|request| request.query.clone()).collect();
    assert_eq!(order, ["i=0", "i=1", "i=2"]);
}

#[test]
fn https_begins_with_a_handshake_that_shows_nothing() {
    let (address, heard) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let (outbox, mut plugin) = send_queue();
    plugin.queue(vec![get(&format!("https://{address}/"), "secret=1")], Instant::now());
    let hello = heard.recv_timeout(Duration::from_secs(5)).unwrap();
    // A TLS handshake record with a client hello; nothing of the request is in it.
    assert_eq!((hello[0], hello[1], hello[5]), (0x16, 0x03, 0x01));
    assert!(!String::from_utf8_lossy(&hello).contains("secret"));
    assert_eq!(outbox.drain(Duration::from_millis(500)).sent, 0);
}
