//! What `startup`, `pong` and the user agent say about the installation.
#![allow(missing_docs)]

mod common;

use common::{Bench, START};
use glassbox_tracker::Machine;
use serde_json::{Value, json};

fn environment() -> Value {
    json!({
        "octoprint": {"version": "1.11.8"},
        "python": {"version": "3.11.2", "pip": "23.0.1"},
        "os": {"id": "linux", "platform": "linux-6.1", "bits": 64},
        "hardware": {"cores": 4, "freq": 1500.0, "ram": 4_000_000_000_u64},
        "pi_support": {"model": "Pi 4", "octopi_version": "1.0.0", "octopiuptodate_build": "1.0.0-1.11.8"},
    })
}

fn machine() -> Machine {
    Machine {
        os: Some("freebsd".into()),
        platform: Some("FreeBSD-14".into()),
        bits: Some(32),
        cores: Some(2),
        frequency_mhz: Some(800.25),
        memory_bytes: Some(1_000_000),
        pi_model: Some("Pi 1".into()),
        octopi_version: Some("0.18.0".into()),
        octopiuptodate_build: Some("0.18.0-1".into()),
    }
}

/// What `startup` says after these `environment` events.
fn startup(machine: Machine, environments: &[Value]) -> String {
    let mut bench = Bench::on();
    *bench.world.machine.borrow_mut() = machine;
    for environment in environments {
        bench.event("environment", environment.clone());
    }
    bench.event("octoprint_started", json!({"uptime": 0}));
    bench.tick(&["startup"]);
    bench.said().pop().unwrap()
}

/// The `pong` after these events.
fn pong(events: &[(&str, Value)]) -> String {
    let mut bench = Bench::on();
    for (name, payload) in events {
        bench.event(name, payload.clone());
    }
    bench.event("octoprint_started", json!({"uptime": 0}));
    bench.tick(&["pong"]);
    bench.said().pop().unwrap()
}

#[test]
fn startup_says_what_the_environment_says() {
    let expected = "startup version=1.11.8 os=linux platform=linux-6.1 bits=64 python=3.11.2 pip=23.0.1 cores=4 \
                    freq=1500.0 ram=4000000000 pi_model=Pi 4 octopi_version=1.0.0 octopiuptodate_build=1.0.0-1.11.8";
    assert_eq!(startup(Machine::default(), &[environment()]), expected);
    assert_eq!(startup(machine(), &[environment()]), expected);
}

#[test]
fn what_the_environment_lacks_comes_from_the_machine() {
    let expected = "startup os=freebsd platform=FreeBSD-14 bits=32 cores=2 freq=800.25 ram=1000000 pi_model=Pi 1 \
                    octopi_version=0.18.0 octopiuptodate_build=0.18.0-1";
    assert_eq!(startup(machine(), &[]), expected);
    let some =
        json!({"os": {"id": "linux", "bits": null}, "hardware": {"freq": 1200.5}, "pi_support": {"model": null}});
    let expected = "startup os=linux platform=FreeBSD-14 bits=32 cores=2 freq=1200.5 ram=1000000 pi_model=Pi 1 \
                    octopi_version=0.18.0 octopiuptodate_build=0.18.0-1";
    assert_eq!(startup(machine(), &[some]), expected);
    assert_eq!(startup(Machine::default(), &[]), "startup");
}

#[test]
fn a_later_environment_replaces_just_the_parts_it_has() {
    let later = json!({"os": {"id": "windows"}, "hardware": {"cores": 8}, "python": null, "unheard_of": {"x": 1}});
    let expected = "startup version=1.11.8 os=windows python=3.11.2 pip=23.0.1 cores=8 pi_model=Pi 4 \
                    octopi_version=1.0.0 octopiuptodate_build=1.0.0-1.11.8";
    assert_eq!(startup(Machine::default(), &[environment(), later]), expected);
}

#[test]
fn hardware_may_be_the_word_unknown() {
    let unknown = json!({"hardware": {"cores": "unknown", "freq": "unknown", "ram": "unknown"}});
    let own = Machine { cores: Some(4), frequency_mhz: Some(800.0), memory_bytes: Some(9), ..Machine::default() };
    assert_eq!(startup(own, &[unknown]), "startup cores=unknown freq=unknown ram=unknown");
}

#[test]
fn values_of_the_wrong_kind_are_not_known() {
    let wrong = json!({
        "octoprint": {"version": ["1.11.8"]},
        "python": {"version": {}, "pip": null},
        "os": {"id": [], "platform": "x".repeat(257), "bits": "sixty-four"},
        "hardware": {"cores": -1, "freq": 1500, "ram": 1.5},
        "pi_support": "none",
    });
    assert_eq!(startup(Machine::default(), &[wrong]), "startup");
}

#[test]
fn the_user_agent_tells_octoprints_version() {
    let mut bench = Bench::on();
    bench.event("SlicingStarted", json!({}));
    bench.event("environment", environment());
    bench.event("SlicingStarted", json!({}));
    bench.event("environment", json!({"octoprint": {"version": "2.1.0.dev1+g744c8359"}}));
    bench.event("SlicingStarted", json!({}));
    bench.event("environment", json!({"octoprint": {"version": "1.11\r\nX-Header: yes"}}));
    bench.event("SlicingStarted", json!({}));
    let agents: Vec<_> = bench.world.sent.take().into_iter().map(|request| request.user_agent).collect();
    let expected = ["OctoPrint/unknown", "OctoPrint/1.11.8", "OctoPrint/2.1.0.dev1+g744c8359", "OctoPrint/unknown"];
    assert_eq!(agents, expected);
}

#[test]
fn plugins_are_said_as_the_host_shows_them() {
    for shown in ["zeta:1.0rc1,alpha:?", ""] {
        assert_eq!(pong(&[("environment", json!({"third_party_plugins": shown}))]), format!("pong plugins={shown}"));
    }
    for unknown in [json!(null), json!([]), json!("x".repeat(16_385))] {
        assert_eq!(pong(&[("environment", json!({"third_party_plugins": unknown}))]), "pong");
    }
    assert_eq!(pong(&[]), "pong");
}

#[test]
fn pong_says_what_startup_says_and_more() {
    let mut bench = Bench::on();
    bench.event("environment", environment());
    bench.event("environment", json!({"third_party_plugins": "a:?", "achievements": "the_wizard,b"}));
    bench.event("octoprint_started", json!({"uptime": 0}));
    bench.tick(&START);
    let said = bench.said();
    let startup = said[2].strip_prefix("startup").unwrap();
    assert_eq!(said[1], format!("pong{startup} plugins=a:? achievements=the_wizard,b"));
}

#[test]
fn achievements_unlocked_later_are_added() {
    let unlocked = "plugin_achievements_achievement_unlocked";
    let listed = ("environment", json!({"achievements": "the_wizard,adventurer"}));
    let events = [
        listed,
        (unlocked, json!({"key": "One_Small_Step"})),
        (unlocked, json!({"key": "adventurer"})),
        (unlocked, json!({"key": null})),
        (unlocked, json!({"key": ["x"]})),
    ];
    assert_eq!(pong(&events), "pong achievements=the_wizard,adventurer,one_small_step");
    assert_eq!(pong(&events[1..]), "pong achievements=one_small_step,adventurer");
    assert_eq!(pong(&[("environment", json!({"achievements": ""}))]), "pong achievements=");
}

#[test]
fn achievements_are_remembered_while_their_switch_is_off() {
    let mut bench = Bench::with(json!({"events": {"achievements": false}}));
    bench.event("plugin_achievements_achievement_unlocked", json!({"key": "early"}));
    bench.start("1.11.8");
    assert_eq!(bench.said()[1], "pong version=1.11.8");
    bench.change(json!({}));
    bench.tick(&["pong"]);
    assert_eq!(bench.said(), ["pong version=1.11.8 achievements=early"]);
}
