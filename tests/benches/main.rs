//! What Glassbox costs, printed as ratios and medians of one run: `cargo bench`.
//!
//! Each line ends with the bound that the project holds itself to, and `ok` or `MISSED`; the exit
//! status is 1 if one is missed.
#![allow(missing_docs)]

mod audit;
mod component;
mod farm;
mod journal;
mod process;
mod record;
mod reload;
mod sending;
mod sheet;

pub use sheet::Sheet;
use sheet::run;
use std::time::{Duration, Instant};

fn main() {
    // The loading of a component is measured in a process that has done nothing else yet, as a host's; after an
    // audit's hundred thousands of instances it takes half as long again.
    run(&[
        ("component", component::measure),
        ("farm", farm::measure),
        ("journal", journal::measure),
        ("process", process::measure),
        ("record", record::measure),
        ("reload", reload::measure),
        ("sending", sending::measure),
        ("audit", audit::measure),
    ]);
}

/// The median of so many rounds, each the time of one call on average over `repeat` calls.
pub fn median(rounds: usize, repeat: u32, mut call: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..rounds)
        .map(|_| {
            let began = Instant::now();
            (0..repeat).for_each(|_| call());
            began.elapsed() / repeat
        })
        .collect();
    times.sort();
    times[rounds / 2]
}

pub fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
