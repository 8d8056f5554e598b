//! What an audit of the bundled tracker takes, on all cores: measured with few trials and with more, and
//! calculated from that for the default number.

use crate::Sheet;
use glassbox::home::BUNDLED;
use glassbox_audit::flow::Options;
use glassbox_audit::{audit, observe};
use glassbox_sandbox::Sandbox;
use std::path::Path;
use std::time::{Duration, Instant};

/// Of each input of each event, if nothing else is said.
const TRIALS: usize = 200;

pub fn measure(sheet: &mut Sheet) {
    let (few, more) = (10, 40);
    let (short, _) = time(few);
    let (long, runs) = time(more);
    let each = (long - short) / (more - few) as f64;
    let all = short + each * (TRIALS - few) as f64;
    sheet.bound(&format!("an audit with {TRIALS} trials of each input of each event"), all, "s", 90.0);
    sheet.line("  of that before the first trial, and for secrets", &format!("{:.1} s", short - each * few as f64));
    sheet.line("  runs for each trial", &format!("{}", runs / more));
}

/// In seconds, and how many runs it were.
fn time(trials: usize) -> (f64, usize) {
    let began = Instant::now();
    let mut report = audit(&Sandbox::new(None).unwrap(), Path::new("tracking.wasm"), BUNDLED, &[]);
    let options = Options { trials, seed: 0, time: Duration::from_secs(3600) };
    observe(&mut report, BUNDLED, &[], options, &|_| ()).unwrap();
    assert!(report.passed(), "{report}");
    (began.elapsed().as_secs_f64(), report.flow.unwrap().runs)
}
