//! A puppet that says something by how long it takes, or by when it has ticks of its own: reports leave at multiples of a
//! quarter of a second after that which they report came, or was due, and one that leaves late for it is in the journal.

use super::{home, send};
use crate::support::{LONG, receiver};
use glassbox_contract::{Deliver, Prepare};
use glassbox_tests::{SANDBOX, bench, puppet, settings};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PRINT: (&str, &str) = ("PrintStarted", r#"{"path":"a.gcode","origin":"local"}"#);
const START: (&str, &str) = ("octoprint_started", r#"{"uptime":1}"#);
const WEB: (&str, &str) =
    ("webui_load", r#"{"browser_name":"Firefox","browser_version":"1","os_name":"Linux","os_version":"2"}"#);
const ERROR: (&str, &str) = ("Error", r#"{"reason":"firmware","error":"halted"}"#);

/// Rounds of the puppet's work in a millisecond.
fn rounds() -> u64 {
    let plugin = Arc::new(SANDBOX.prepare("tracking", &puppet("always slow 50000000")).unwrap());
    let mut bench = bench(&plugin);
    bench.instance.load(&settings(&[])).unwrap().unwrap();
    bench.instance.restore(&[], "{}", 0).unwrap().unwrap();
    let began = Instant::now();
    bench.instance.on_event(PRINT.0, PRINT.1).unwrap().unwrap();
    50_000_000 / u64::try_from(began.elapsed().as_millis()).unwrap().max(1)
}

/// When the reports of these events arrive that come at once, and whether the journal has calls that were slow.
fn arrivals(script: &str, events: &[(&str, &str)]) -> Result<(Vec<Duration>, bool), String> {
    let receiver = receiver();
    let home = home(&puppet(script), &receiver.url(), &json!({}));
    let mut process = home.command(&["run", "--events", "-"]).start();
    process.wait_for_log(" tracking: ");
    // What belongs to the start is over: the longest call.
    std::thread::sleep(glassbox_sandbox::limits::CALL_TIME);
    let slow = || home.run(&["journal", "--json"]).good().matches(r#""what":"slow""#).count();
    // On a busy machine the start waits, so that the puppet makes its reports late by less than a quarter of a second.
    let before = slow();
    let began = Instant::now();
    send(&mut process, events);
    let arrived = (1..=events.len()).map(|count| {
        // A call that took longer than it may, on a busy machine, sends nothing.
        let all = receiver.wait_for(count, Duration::from_secs(5)).len() >= count;
        if all { Ok(began.elapsed()) } else { Err(process.log()) }
    });
    let arrived = arrived.collect::<Result<_, _>>()?;
    process.close();
    process.wait(LONG).log();
    Ok((arrived, slow() > before))
}

/// Try again where the machine is busy, which looks the same.
fn eventually(what: &str, is_so: impl Fn() -> Result<(), String>) {
    let tries = (0..4).map(|_| is_so());
    let wrong: Vec<_> = tries.take_while(Result::is_err).filter_map(Result::err).collect();
    assert!(wrong.len() < 4, "{what}: {wrong:?}");
}

/// How many quarters of a second it took; none if it is not at the beginning of one.
fn mark(took: Duration) -> Option<u128> {
    (took.as_millis() % 250 < 100).then_some(took.as_millis() / 250)
}

#[test]
fn how_long_a_call_takes_shows_only_in_quarters_of_a_second() {
    for bend in ["slow", "slow-save"] {
        for (took, at_least) in [(10, 1), (200, 1), (300, 2), (900, 4)] {
            eventually(&format!("{bend} for {took} ms"), || {
                // On a busy machine it takes longer, which is to be seen in the same way.
                let (arrived, slow) = arrivals(&format!("always {bend} {}", took * rounds()), &[PRINT])?;
                let is_so = mark(arrived[0]).is_some_and(|mark| mark >= at_least && slow == (mark > 1));
                if is_so { Ok(()) } else { Err(format!("{arrived:?}, slow: {slow}")) }
            });
        }
    }
}

#[test]
fn nor_does_it_show_in_the_time_between_two_reports() {
    eventually("two reports", || {
        let (arrived, _) = arrivals(&format!("always slow {}", 100 * rounds()), &[ERROR, PRINT])?;
        let apart = (arrived[1] - arrived[0]).as_millis() % 250;
        if !(25..=240).contains(&apart) { Ok(()) } else { Err(format!("{arrived:?}")) }
    });
}

/// How many milliseconds after the whole two seconds of their rhythm pings arrive: the second and the third.
fn pings(script: &str, events: &[(&str, &str)]) -> Result<Vec<u128>, String> {
    let receiver = receiver();
    let home = home(&puppet(script), &receiver.url(), &json!({"ping": 2, "pong": 0}));
    let mut process = home.command(&["run", "--events", "-"]).start();
    process.wait_for_log(" tracking: ");
    std::thread::sleep(glassbox_sandbox::limits::CALL_TIME);
    let began = Instant::now();
    send(&mut process, events);
    let (mut count, mut pings) = (0, Vec::new());
    while pings.last().is_none_or(|last| *last < Duration::from_secs(4)) {
        count += 1;
        let all = receiver.wait_for(count, Duration::from_secs(5));
        let last = all.get(count - 1).ok_or_else(|| process.log())?;
        pings.extend((last.kind() == "ping").then(|| began.elapsed()));
    }
    process.close();
    process.wait(LONG).log();
    let later = pings.iter().filter(|at| at.as_secs() >= 2);
    Ok(later.map(|at| at.as_millis() % 2000).collect())
}

/// Tries until pings arrive a quarter of a second after they were due, to the tenth.
fn keep_their_time(what: &str, script: &str, events: &[(&str, &str)]) {
    eventually(what, || {
        let at = pings(script, events)?;
        if at.len() == 2 && at.iter().all(|at| (245..320).contains(at)) { Ok(()) } else { Err(format!("{at:?}")) }
    });
}

#[test]
fn ticks_of_its_own_move_no_report() {
    // A tick 130 ms before each that is due, and one every 150 ms.
    for script in ["always tick-soon 1870", "always tick-soon 150"] {
        keep_their_time(script, script, &[START]);
    }
}

#[test]
fn calls_before_it_do_not_move_a_rhythm() {
    // It is busy for a tenth of a second before the start is heard of which all pings are counted.
    keep_their_time("busy before the start", &format!("always slow {}", 100 * rounds()), &[WEB, START]);
}

#[test]
fn a_call_that_fails_is_made_again_at_a_few_moments_and_each_is_told() {
    // It fails until so many milliseconds after the ping was due, and pauses last 0, 1 and 5 seconds.
    for (until, seconds, failures) in [(0, 0, 0), (500, 1, 2), (3000, 6, 3)] {
        eventually(&format!("failing for {until} ms"), || {
            let receiver = receiver();
            let home = home(&puppet(&format!("always fail {until}")), &receiver.url(), &json!({"ping": 8, "pong": 0}));
            let mut process = home.command(&["run", "--events", "-"]).start();
            process.wait_for_log(" tracking: ");
            let began = Instant::now();
            send(&mut process, &[START]);
            let all = receiver.wait_for(2, LONG);
            let took = began.elapsed();
            process.close();
            process.wait(LONG).log();
            let told = home.run(&["journal", "--json"]).good().matches(r#""what":"restarted""#).count();
            let is_so = all.len() == 2 && (250..600).contains(&(took.as_millis().saturating_sub(seconds * 1000)));
            if is_so && told == failures { Ok(()) } else { Err(format!("{all:?} after {took:?}, {told} failures")) }
        });
    }
}
