//! A puppet that says something by how long it takes: reports leave at multiples of a quarter of a second after the call
//! began, and one that leaves late for it is in the journal.

use super::{home, send};
use crate::support::{LONG, receiver};
use glassbox_contract::{Deliver, Prepare};
use glassbox_tests::{SANDBOX, bench, puppet, settings};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PRINT: (&str, &str) = ("PrintStarted", r#"{"path":"a.gcode","origin":"local"}"#);
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
    Ok((arrived, home.run(&["journal", "--json"]).good().contains(r#""what":"slow""#)))
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
