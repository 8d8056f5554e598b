//! Information flow, measured: each event is run twice, in sandboxes that differ in exactly one input, many
//! times over, and the outputs that differ are counted. [`LIMITS`] says what this cannot find. How a run is
//! made is in [`super::scenario`], which inputs there are in [`super::inputs`].

use super::difference::{Differences, differences};
use super::inputs::{Input, Inputs, UNSEEN};
use super::scenario::{Scenario, Trace, run};
use super::value_generator::{get, machine_field};
use glassbox_sandbox::printable;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Constants from the component's bytes that are tried on each payload field, for each trial.
const CONSTANTS_PER_TRIAL: usize = 3;

/// What trials do not show, in sentences.
pub const LIMITS: [&str; 4] = [
    "A leak that waits for a value which nobody would guess, and of which only a hash is in the file, is not found; values that are in the file, whole or in the pieces that a compiler makes of them, are tried.",
    "A leak that needs two such values at once, or a long sequence of events, is found only by luck.",
    "How long a call takes is not counted as flow: seen from a server, it disappears in the network's own delays. How often an input changed the amount of work is reported all the same.",
    "An influence that was not seen in N trials affects, with 95 % certainty, fewer than 3 in N values like those that were tried.",
];

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
    /// Why it stopped before all trials were done, if it did.
    pub ended_early: Option<String>,
    /// For each event and each of its inputs, what it can change.
    pub cells: Vec<Cell>,
    /// What the component tried to send although its manifest does not declare it, and how often.
    pub undeclared: BTreeMap<String, usize>,
    /// Why runs failed, and how often.
    pub failed: BTreeMap<String, usize>,
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
    #[must_use]
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

struct Measurement<'a> {
    inputs: &'a Inputs<'a>,
    events: Vec<(String, Vec<Input>)>,
    options: Options,
    constants: usize,
    next: AtomicUsize,
    done: AtomicUsize,
    runs: AtomicUsize,
    failed: AtomicUsize,
    stop: AtomicBool,
    began: Instant,
}

/// What one thread has counted, or all together.
#[derive(Default)]
struct Counted {
    cells: BTreeMap<(usize, usize), Cell>,
    undeclared: BTreeMap<String, usize>,
    failed: BTreeMap<String, usize>,
    /// The jobs that were done.
    jobs: BTreeSet<usize>,
}

/// Measure, on all cores. `progress` is called with how much is done, from 0 to 1000.
#[must_use]
pub fn measure(inputs: &Inputs, options: Options, progress: &(dyn Fn(usize) + Sync)) -> Flow {
    let events: Vec<_> = inputs.events().into_iter().map(|event| (event.clone(), inputs.of(&event))).collect();
    let constants = inputs.values.constants.len().min(options.trials * CONSTANTS_PER_TRIAL);
    let [next, done, runs, failed] = [0; 4].map(AtomicUsize::new);
    let (stop, began) = (AtomicBool::new(false), Instant::now());
    let measurement = Measurement { inputs, events, options, constants, next, done, runs, failed, stop, began };
    let all = Mutex::new(Counted::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(16);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let counted = measurement.run(progress);
                all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).merge(counted);
            });
        }
    });
    let all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    measurement.flow(all)
}

impl Measurement<'_> {
    /// How many jobs there are. A job is one trial of one event; trials come one after the other, each for all
    /// events, so that stopping early leaves no event without.
    fn jobs(&self) -> usize {
        (self.options.trials + self.constants) * self.events.len()
    }

    fn run(&self, progress: &(dyn Fn(usize) + Sync)) -> Counted {
        let mut counted = Counted::default();
        loop {
            let job = self.next.fetch_add(1, Ordering::SeqCst);
            if job >= self.jobs() || self.mostly_fails() || self.began.elapsed() > self.options.time {
                self.stop.fetch_or(job < self.jobs(), Ordering::SeqCst);
                return counted;
            }
            self.trial(job / self.events.len(), job % self.events.len(), &mut counted);
            counted.jobs.insert(job);
            let done = self.done.fetch_add(1, Ordering::SeqCst) + 1;
            progress(done * 1000 / self.jobs());
        }
    }

    /// One scenario, and the same again with each input changed.
    fn trial(&self, trial: usize, event: usize, counted: &mut Counted) {
        let (name, inputs) = &self.events[event];
        let place = [trial as u64, event as u64];
        let scenario = self.inputs.scenario(&place, name);
        let Some(one) = self.perform(&scenario, counted) else { return };
        let constant = trial.checked_sub(self.options.trials).and_then(|at| self.inputs.values.constants.get(at));
        for (i, input) in inputs.iter().enumerate().filter(|(_, input)| constant.is_none() || input.takes_constants()) {
            let place = [trial as u64, event as u64, i as u64];
            let Some(changed) = self.inputs.vary(&scenario, input, &place, constant) else { continue };
            let Some(other) = self.perform(&changed, counted) else { continue };
            let timed = *input != Input::Clock;
            let found = differences(&one, &other, self.inputs.plugin.policy.manifest(), timed);
            let fuel = |run: &Trace| run.calls.iter().map(|call| call.fuel).collect::<Vec<_>>();
            let cell = counted.cells.entry((event, i)).or_insert_with(|| Cell::new(name, input));
            cell.trials += 1;
            cell.fuel += usize::from(fuel(&one) != fuel(&other));
            cell.add(trial, found, || (shown(&scenario, input), shown(&changed, input)));
        }
    }

    fn mostly_fails(&self) -> bool {
        let failed = self.failed.load(Ordering::SeqCst);
        failed >= FAILURES && failed * 2 > self.runs.load(Ordering::SeqCst)
    }

    /// Run a scenario, and count how it went. None where the settings are not accepted or it does not start.
    fn perform(&self, scenario: &Scenario, counted: &mut Counted) -> Option<Trace> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let (run, failed) = match run(self.inputs.plugin, scenario) {
            Ok(run) => {
                let run = run?;
                let failed = run.all().find_map(|call| call.failed.clone());
                (Some(run), failed)
            }
            Err(error) => (None, Some(error.reasons.join("; "))),
        };
        if let Some(reason) = failed {
            self.failed.fetch_add(1, Ordering::SeqCst);
            *counted.failed.entry(reason).or_default() += 1;
        }
        for call in run.iter().flat_map(Trace::all) {
            call.undeclared().for_each(|what| *counted.undeclared.entry(what).or_default() += 1);
        }
        run
    }

    fn flow(&self, all: Counted) -> Flow {
        let events = self.events.len();
        let missing = (0..self.jobs()).find(|job| !all.jobs.contains(job)).unwrap_or(self.jobs());
        let trials = missing / events;
        let early = match self.stop.load(Ordering::SeqCst) {
            false => None,
            true if self.mostly_fails() => Some("most of its runs failed".into()),
            true => Some(format!("{} seconds had passed", self.options.time.as_secs())),
        };
        Flow {
            seed: self.options.seed,
            asked: self.options.trials,
            reached: trials.min(self.options.trials),
            constants: Constants {
                found: self.inputs.values.constants.len(),
                tried: trials.saturating_sub(self.options.trials),
            },
            pairs: all.cells.values().map(|cell| cell.trials).sum(),
            runs: self.runs.load(Ordering::SeqCst),
            ended_early: early,
            cells: all.cells.into_values().collect(),
            undeclared: all.undeclared,
            failed: all.failed,
            limits: LIMITS.map(Into::into).into(),
        }
    }
}

impl Counted {
    fn merge(&mut self, other: Self) {
        for (place, cell) in other.cells {
            match self.cells.get_mut(&place) {
                Some(known) => known.merge(cell),
                None => drop(self.cells.insert(place, cell)),
            }
        }
        for (what, count) in other.undeclared {
            *self.undeclared.entry(what).or_default() += count;
        }
        for (why, count) in other.failed {
            *self.failed.entry(why).or_default() += count;
        }
        self.jobs.extend(other.jobs);
    }
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
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.event != UNSEEN
    }
}

/// The value of an input in a scenario, as it is shown, cut short.
fn shown(scenario: &Scenario, input: &Input) -> String {
    let text = |value: Option<&Value>| value.map_or("(not there)".into(), Value::to_string);
    let all = match input {
        Input::Happens => if scenario.event.is_some() { "yes" } else { "no" }.into(),
        Input::Payload(path) => text(scenario.event.as_ref().and_then(|(_, payload)| get(payload, path))),
        Input::Setting(path) => text(scenario.settings.get(path)),
        Input::Throttle => scenario.mask.map_or("none".into(), |mask| format!("{mask:#x}")),
        Input::Salt => scenario.salt.clone(),
        Input::Clock => format!("from {} ns on", scenario.start),
        Input::Hardware(field) => machine_field(&scenario.machine, field),
        Input::Unlisted => super::inputs::payload_text(scenario),
        Input::Nothing => "the same".into(),
    };
    printable(&all, super::difference::SHOWN)
}
