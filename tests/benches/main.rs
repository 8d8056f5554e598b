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

use std::time::{Duration, Instant};

/// A part of it, by its name.
type Part = (&'static str, fn(&mut Sheet));

fn main() {
    // `cargo test --benches` asks for one quick look, not for figures.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    // Those that are named, or all: `cargo bench -- farm`.
    let named: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    // The loading of a component is measured in a process that has done nothing else yet, as a host's; after an
    // audit's hundred thousands of instances it takes half as long again.
    let all: [Part; 8] = [
        ("component", component::measure),
        ("farm", farm::measure),
        ("journal", journal::measure),
        ("process", process::measure),
        ("record", record::measure),
        ("reload", reload::measure),
        ("sending", sending::measure),
        ("audit", audit::measure),
    ];
    let mut sheet = Sheet::default();
    for (name, measure) in all {
        if named.is_empty() || named.iter().any(|named| named == name) {
            measure(&mut sheet);
        }
    }
    if sheet.missed > 0 {
        std::process::exit(1);
    }
}

/// Prints figures, and counts those that miss their bound.
#[derive(Default)]
pub struct Sheet {
    missed: usize,
}

impl Sheet {
    pub fn line(&mut self, what: &str, figure: &str) {
        println!("{what:58} {figure:>12}");
    }

    pub fn bound(&mut self, what: &str, value: f64, unit: &str, most: f64) {
        let verdict = if value <= most { "ok" } else { "MISSED" };
        self.missed += usize::from(value > most);
        println!("{what:58} {:>12}  at most {most} {unit}: {verdict}", format!("{value:.2} {unit}"));
    }
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
