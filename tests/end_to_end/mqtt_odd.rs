//! Brokers, and settings of OctoPrint-MQTT, that are not as the standard or the defaults have them: what the user wants
//! is heard all the same, and what is old or broken costs itself.

use crate::scripted_broker::{CONNACK, SUBACK, ScriptedBroker, header, packet, publish};
use crate::support::{LONG, Process, SILENCE, START, kinds, names, unix_seconds};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Some time in 2020.
const LONG_AGO: u64 = 1_600_000_000;

/// The flags of a PUBLISH packet.
const RETAIN: u8 = 1;
const QUALITY_1: u8 = 2;
const QUALITY_2: u8 = 4;
const DUPLICATE: u8 = 8;

fn stop(host: Process) -> String {
    host.signal("TERM");
    host.wait(LONG).log()
}

#[test]
fn old_and_new_are_told_apart_by_their_time() {
    // Older versions of the plugin have events retained, and there are bridges that leave that flag on.
    let broker = ScriptedBroker::start(|client| {
        client.begin();
        client.send(&publish(RETAIN, "octoPrint/mqtt", b"connected"));
        client.event(RETAIN, "octoPrint/event/PrintDone", LONG_AGO);
        client.event(RETAIN, "octoPrint/event/PrintStarted", unix_seconds());
        // And some lose it.
        client.event(0, "octoPrint/event/PrintPaused", LONG_AGO);
        client.event(0, "octoPrint/event/PrintDone", unix_seconds());
        client.stay();
    });
    let (home, receiver) = broker.home("octoPrint/", "");
    let host = home.command(&["run", "-v"]).start();
    assert_eq!(kinds(&receiver, 5), [&START[..], &["print_started", "print_done"]].concat());
    host.wait_for_log("passing over what the broker had kept from before we listened, so far 2, the first a PrintDone");
    host.wait_for_log(
        "the broker says that it had kept what is new, so far 1, the first a PrintStarted; it is reported",
    );
    let log = stop(host);
    assert_eq!((log.matches("passing over").count(), log.matches("kept what is new").count()), (1, 1), "{log}");
    assert_eq!(receiver.requests().len(), 5, "{:?}", names(&receiver.requests()));
}

#[test]
fn a_broker_without_the_flag_brings_nothing_old() {
    let broker = ScriptedBroker::start(|client| {
        client.begin();
        client.send(&publish(0, "octoPrint/mqtt", b"connected"));
        client.event(0, "octoPrint/event/PrintDone", LONG_AGO);
        client.event(0, "octoPrint/event/PrintStarted", unix_seconds());
        client.stay();
    });
    let (home, receiver) = broker.home("octoPrint/", "");
    let host = home.command(&["run", "-v"]).start();
    assert_eq!(kinds(&receiver, 4), [&START[..], &["print_started"]].concat());
    host.wait_for_log("so far 1, the first a PrintDone");
    stop(host);
}

#[test]
fn an_octoprint_whose_clock_is_years_behind_is_heard() {
    let broker = ScriptedBroker::start(|client| {
        client.begin();
        client.send(&publish(RETAIN, "octoPrint/mqtt", b"connected"));
        client.event(0, "octoPrint/event/PrintStarted", LONG_AGO);
        client.stay();
    });
    let (home, receiver) = broker.home("octoPrint/", "");
    let host = home.command(&["run", "-v"]).start();
    assert_eq!(kinds(&receiver, 4), [&START[..], &["print_started"]].concat());
    stop(host);
}

#[test]
fn a_base_topic_is_a_prefix_as_it_is_written() {
    let broker = ScriptedBroker::start(|client| {
        client.begin();
        client.send(&publish(RETAIN, "AuroraA4mqtt", b"connected"));
        client.event(0, "AuroraA4event/PrintStarted", unix_seconds());
        // Another one's.
        client.event(0, "AuroraA4/event/PrintDone", unix_seconds());
        client.stay();
    });
    let (home, receiver) = broker.home("AuroraA4", "");
    let host = home.command(&["run", "-v"]).start();
    assert_eq!(kinds(&receiver, 4), [&START[..], &["print_started"]].concat());
    stop(host);
    let subscribed = &broker.heard_of(8)[0];
    assert_eq!(subscribed[4..], b"\x00\x0fAuroraA4event/+\x00\x00\x0cAuroraA4mqtt\x00"[..]);
    assert_eq!(receiver.requests().len(), 4, "{:?}", names(&receiver.requests()));
}

#[test]
fn a_slash_that_was_forgotten_is_asked_for() {
    let broker = ScriptedBroker::start(|client| {
        client.begin();
        client.stay();
    });
    let (home, _receiver) = broker.home("farm/mk4", "");
    let out = home.run(&["doctor"]).out;
    assert!(out.contains("do: compare farm/mk4 with the base topic in the settings"), "{out}");
    assert!(out.contains("; if there is a slash at its end, write farm/mk4/ here too\n"), "{out}");
}

#[test]
fn a_user_may_have_no_password_or_an_empty_one() {
    for (more, flags, rest) in [
        ("user = \"TOKEN\"", 0x82, &b"\x00\x05TOKEN"[..]),
        ("user = \"TOKEN\"\npassword_file = \"empty\"", 0xc2, b"\x00\x05TOKEN\x00\x00"),
        ("user = \"\"\npassword_file = \"secret\"", 0xc2, b"\x00\x00\x00\x02pw"),
        ("", 0x02, b""),
    ] {
        let broker = ScriptedBroker::start(|client| {
            client.begin();
            client.send(&publish(RETAIN, "octoPrint/mqtt", b"connected"));
            client.stay();
        });
        let (home, receiver) = broker.home("octoPrint/", more);
        for (name, password) in [("empty", ""), ("secret", "pw\n")] {
            let file = home.0.write(&format!("home/{name}"), password);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let host = home.command(&["run"]).start();
        assert_eq!(kinds(&receiver, 3), START);
        stop(host);
        let connect = &broker.heard_of(1)[0];
        // After the header, the protocol and its version; and after the keep-alive and our name of 20 bytes.
        assert_eq!((connect[9], &connect[34..]), (flags, rest), "{more}: {connect:x?}");
    }
}

#[test]
fn what_a_broker_does_wrong_costs_that_message() {
    let broker = ScriptedBroker::start(|client| {
        client.read_and_answer(CONNACK);
        client.read().unwrap();
        // As if it were subscribed already, with flags that it should not set, and packets that make no sense.
        client.event(DUPLICATE, "octoPrint/event/PrintStarted", unix_seconds());
        client.send(SUBACK);
        client.event(QUALITY_1, "octoPrint/event/PrintDone", unix_seconds());
        client.event(QUALITY_2 | DUPLICATE, "octoPrint/event/PrintStarted", unix_seconds());
        client.send(b"\x62\x02\x00\x07");
        let octoprint = "octoPrint/event/PrintDone";
        client.send(&publish(QUALITY_1 | QUALITY_2, octoprint, b"{}"));
        client.send(&publish(0, octoprint, b"\xff\xfe"));
        client.send(&publish(0, octoprint, b""));
        client.send(b"\x30\x01\x00\x30\x04\x00\x02\xff\xff");
        client.send(&packet(0x20, b"\x00\x00"));
        client.send(&packet(0x90, b"\x00\x02\x80"));
        client.send(&packet(0xb0, b"\x00\x02"));
        client.send(&packet(0xd0, b"more than nothing"));
        // Larger than what is kept.
        client.send(&header(0x30, 5 << 20));
        client.send(&vec![b'x'; 5 << 20]);
        client.event(0, octoprint, unix_seconds());
        client.stay();
    });
    let (home, receiver) = broker.home("octoPrint/", "");
    let host = home.command(&["run", "-v"]).start();
    let prints = ["print_started", "print_done", "print_started", "print_done"];
    assert_eq!(kinds(&receiver, 7), [&START[..], &prints].concat());
    std::thread::sleep(SILENCE);
    let log = stop(host);
    assert!(log.contains("should not send, and more of that kind: a malformed packet (0x36)"), "{log}");
    assert_eq!((log.matches("WARN").count(), broker.heard_of(1).len()), (2, 1), "one connection: {log}");
    let answers: Vec<_> = broker.heard().into_iter().filter(|packet| [0x40, 0x50, 0x70].contains(&packet[0])).collect();
    assert_eq!(answers, [b"\x40\x02\x00\x07", b"\x50\x02\x00\x07", b"\x70\x02\x00\x07"]);
}
