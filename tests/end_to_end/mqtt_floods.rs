//! Brokers that send as much as they can of what nobody asked for: the memory that a host takes is not theirs to decide.
//! Each has a host of its own, with little memory.
#![cfg(target_os = "linux")]

use crate::scripted_broker::{CONNACK, Client, SUBACK, ScriptedBroker, header, packet, publish};
use crate::support::{LONG, unix_seconds, wait_until, without_a_say};
use std::io::{ErrorKind, Write};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a host may have, in KiB: with Linux 4.7 and later that is all memory that it writes to.
const MEMORY: u32 = 100 << 10;

/// How much a broker sends, unless what it sends is not taken in this time: far more than the memory.
const FLOOD: usize = 400 << 20;
const TIME: Duration = Duration::from_secs(3);

/// When in a connection it begins.
#[derive(Clone, Copy, PartialEq)]
enum When {
    AtOnce,
    LetIn,
    Subscribed,
}

/// What a broker sends: the number-th piece of it.
type Next = fn(usize) -> Vec<u8>;

/// Send that again and again, and then let the client be one that listens.
fn flood(when: When, next: Next) -> (ScriptedBroker, Arc<AtomicBool>) {
    let over = Arc::new(AtomicBool::new(false));
    let is_over = over.clone();
    let broker = ScriptedBroker::start(move |client| {
        if when != When::AtOnce {
            client.read_and_answer(CONNACK);
        }
        if when == When::Subscribed {
            client.read_and_answer(SUBACK);
        }
        pour(client, next);
        is_over.store(true, Ordering::SeqCst);
        if when == When::LetIn {
            client.send(SUBACK);
        }
        client.stay();
    });
    (broker, over)
}

fn pour(client: &mut Client, next: Next) {
    let (start, mut sent) = (Instant::now(), 0);
    client.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    for number in 0.. {
        let bytes = next(number);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            if sent >= FLOOD || start.elapsed() >= TIME {
                return;
            }
            match client.stream.write(rest) {
                Ok(count) => {
                    sent += count;
                    rest = &rest[count..];
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// A host with little memory that follows such a broker lives on.
fn survives(what: &str, when: When, next: Next) {
    let (broker, over) = flood(when, next);
    let (home, _receiver) = broker.home("octoPrint/", "");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -d {MEMORY} && exec \"$@\""), "sh", env!("CARGO_BIN_EXE_glassbox"), "--home"]);
    command.arg(home.root()).args(["run", "-v"]);
    let mut host = without_a_say(command).start();
    wait_until("the flood is over", || over.load(Ordering::SeqCst) || !host.runs());
    assert!(host.runs(), "{what}: {}", host.log());
    host.signal("TERM");
    let log = host.wait(LONG).log();
    let longest = log.lines().map(str::len).max().unwrap_or(0);
    assert!(log.len() < 64 << 10 && longest < 4 << 10, "{what}: {} bytes, a line of {longest}", log.len());
}

/// All at once: they wait most of the time.
fn all_survive(when: When, floods: &[(&'static str, Next)]) {
    std::thread::scope(|scope| {
        let all: Vec<_> = floods.iter().map(|(what, next)| scope.spawn(move || survives(what, when, *next))).collect();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

/// A packet without end.
fn endless(kind: u8, number: usize) -> Vec<u8> {
    if number == 0 { header(kind, (256 << 20) - 1) } else { vec![b'x'; 64 << 10] }
}

fn large_event(number: usize) -> Vec<u8> {
    let (text, now) = ("x".repeat(900 << 10), unix_seconds());
    let payload = format!(r#"{{"path":"{number}{text}","origin":"local","_event":"PrintStarted","_timestamp":{now}}}"#);
    publish(0, "octoPrint/event/PrintStarted", payload.as_bytes())
}

#[test]
fn before_it_lets_us_in() {
    all_survive(
        When::AtOnce,
        &[
            ("messages", |_| publish(0, "octoPrint/mqtt", b"connected")),
            ("an endless CONNACK", |number| endless(0x20, number)),
            ("malformed CONNACKs", |_| packet(0x20, &[0])),
        ],
    );
}

#[test]
fn before_it_says_that_we_are_subscribed() {
    all_survive(
        When::LetIn,
        &[
            ("large events", large_event),
            ("small messages", |_| publish(1, "octoPrint/mqtt", b"connected").repeat(100)),
            ("an endless message", |number| endless(0x30, number)),
        ],
    );
}

#[test]
fn afterwards() {
    all_survive(
        When::Subscribed,
        &[
            ("large events", large_event),
            ("endless messages", |number| endless(0x30, number % 5000)),
            ("large lists of codes", |_| packet(0x90, &[0; 1 << 20])),
            ("many answers", |_| b"\xd0\x00".repeat(1000)),
        ],
    );
}

#[test]
fn afterwards_with_names_of_its_own() {
    all_survive(
        When::Subscribed,
        &[
            ("events of all names", |number| publish(0, &format!("octoPrint/event/{number}"), b"{}")),
            ("kept events of all names", |number| {
                publish(1, &format!("octoPrint/event/{number}{}", "x".repeat(60_000)), b"{}")
            }),
            ("topics of others", |number| publish(0, &format!("{number}/event/PrintDone"), b"{}")),
            ("other events' payloads", |number| {
                let other = format!(r#"{{"_event":"{number}{}"}}"#, "x".repeat(900 << 10));
                publish(0, "octoPrint/event/PrintDone", other.as_bytes())
            }),
            // It waits for an answer to each, and reads none.
            ("messages to be acknowledged", |_| publish(2, "octoPrint/event/PrintPaused", b"{}").repeat(100)),
        ],
    );
}
