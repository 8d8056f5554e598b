//! Information flow, measured: each event is run twice, in sandboxes that differ in exactly one input, many
//! times over, and the outputs that differ are counted. [`LIMITS`] says what this cannot find. Here is what comes of it;
//! the trials are in [`measurement`], how a run is made in [`super::scenario`], which inputs there are in [`super::inputs`].

mod measurement;

pub use measurement::measure;

use super::difference::Differences;
use super::inputs::{DAY, DAYS, EVENTS, Input, UNSEEN};
use super::scenario::Trace;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Constants from the component's bytes that are tried on each payload field, for each trial.
const CONSTANTS_PER_TRIAL: usize = 3;

/// What trials do not show, in sentences.
pub const LIMITS: [&str; 4] = [
    "A leak that waits for a value which nobody would guess, and of which only a hash is in the file, is not found; values that are in the file, whole or in the pieces that a compiler makes of them, are tried.",
    "A leak that needs two such values at once, certain events in a certain order, or more of them than were tried, is found only by luck.",
    "How long a call takes is not counted as flow: seen from a server, it disappears in the network's own delays. How often an input changed the amount of work is reported all the same.",
    "An influence that was not seen in N trials affects, with 95 % certainty, fewer than 3 in N values like those that were tried.",
];

/// The trials of each cell that make an audit a full one: as many as are made where nothing else is asked for.
pub const FULL_TRIALS: usize = 200;

/// The trials of a component that mostly fails end after so many failed runs.
const FAILURES: usize = 200;

/// The flow matrix: which input can change which output.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flow {
    /// The seed with which the same trials can be run again.
    pub seed: u64,
    /// The trials of each cell that were asked for.
    pub asked: usize,
    /// The trials that every cell got.
    pub reached: usize,
    /// Texts and numbers found in the component's bytes, and how many of them each payload field was given.
    #[serde(rename = "words")]
    pub constants: Constants,
    /// The pairs of runs that were compared.
    pub pairs: usize,
    /// All runs. The pairs of one event share one of their runs.
    pub runs: usize,
    /// Those in which it was handed the state of another version, made up here.
    pub runs_with_foreign_state: usize,
    /// Why it stopped before all trials were done, if it did.
    pub ended_early: Option<String>,
    /// For each event and each of its inputs, what it can change.
    pub cells: Vec<Cell>,
    /// What the component tried to send although its manifest does not declare it, and how often.
    pub undeclared: BTreeMap<String, usize>,
    /// The same in runs with the state of another version, made up here: it may be told of a report that waits no more.
    pub undeclared_with_foreign_state: BTreeMap<String, usize>,
    /// Why runs failed, and how often.
    pub failed: BTreeMap<String, usize>,
    /// Which reports were sent in all runs, by their names in the manifest, and how often.
    pub sent: BTreeMap<String, usize>,
    /// Which settings and states the component refused, by its reason, and how often.
    pub refused: BTreeMap<String, usize>,
    /// The runs in which a long time came before the event.
    pub long: Long,
    /// Inputs that were never changed, as `PrintDone: time`.
    pub not_varied: Vec<String>,
    /// [`LIMITS`], for whoever reads the report.
    pub limits: Vec<String>,
}

/// How many constants from the component's bytes were used as input.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Constants {
    /// How many were found.
    pub found: usize,
    /// How many of them were tried on each payload field.
    pub tried: usize,
}

/// Runs in which a long time came before the event.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Long {
    /// A hundred events.
    pub events: usize,
    /// Thirty days, with everything that was due in them.
    pub days: usize,
    /// Runs in which more was due in a day than was tried.
    pub cut_short: usize,
}

impl Long {
    fn count(&mut self, run: &Trace) {
        self.events += usize::from(run.events_before >= EVENTS);
        self.days += usize::from(run.time_before >= DAYS as u64 * DAY);
        self.cut_short += usize::from(run.cut_short);
    }

    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.days += other.days;
        self.cut_short += other.cut_short;
    }
}

/// A cell of the matrix: one input of one event.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The event's name.
    pub event: String,
    /// The input.
    pub input: Input,
    /// The pairs of runs that differed in this input only.
    pub trials: usize,
    /// The pairs in which the amount of work, counted in fuel, differed.
    pub fuel: usize,
    /// The outputs that differed, by name.
    pub outputs: BTreeMap<String, Influence>,
}

/// In how many pairs of runs an output differed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Influence {
    /// In the event's own call.
    pub direct: usize,
    /// In a later call.
    pub later: usize,
    /// The first of them.
    pub example: Example,
}

/// How an output differed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Example {
    /// In which trial it was seen: threads are merged, and the first of all is kept.
    #[serde(skip)]
    at: usize,
    /// The value of the input in both runs, cut short.
    pub input: (String, String),
    /// The value of the output in both runs, cut short.
    pub output: (String, String),
}

impl Influence {
    /// Add what was counted elsewhere; the example stays.
    pub fn add(&mut self, other: &Self) {
        self.direct += other.direct;
        self.later += other.later;
    }

    /// In how many trials it differed, at least.
    pub fn count(&self) -> usize {
        self.direct.max(self.later)
    }
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Trials for each cell; 0 measures nothing.
    pub trials: usize,
    /// The seed of all pseudo-random choices.
    pub seed: u64,
    /// When to stop, finished or not. The search for canaries may take as long again.
    pub time: Duration,
}

impl Cell {
    fn new(event: &str, input: &Input) -> Self {
        Self { event: event.into(), input: input.clone(), trials: 0, fuel: 0, outputs: BTreeMap::new() }
    }

    fn add(&mut self, at: usize, found: (Differences, Differences), input: impl Fn() -> (String, String)) {
        let each = found.0.into_iter().map(|one| (one, true)).chain(found.1.into_iter().map(|one| (one, false)));
        for ((output, values), direct) in each {
            let influence = self.outputs.entry(output).or_insert_with(|| Influence {
                example: Example { at, input: input(), output: values },
                ..Influence::default()
            });
            influence.direct += usize::from(direct);
            influence.later += usize::from(!direct);
        }
    }

    fn merge(&mut self, other: Self) {
        self.trials += other.trials;
        self.fuel += other.fuel;
        for (output, new) in other.outputs {
            let known = self
                .outputs
                .entry(output)
                .or_insert_with(|| Influence { example: new.example.clone(), ..Influence::default() });
            known.add(&new);
            if new.example.at < known.example.at {
                known.example = new.example;
            }
        }
    }

    /// Whether the component sees this event: its manifest lists it.
    pub fn is_seen(&self) -> bool {
        self.event != UNSEEN
    }
}
