//! Information flow, measured: each event is run twice in sandboxes that differ in exactly one input,
//! many times over, and what came out differently is counted. What this cannot find is said in
//! [`LIMITS`].

use super::difference::{Differences, differences};
use super::inputs::{Input, Inputs, UNSEEN};
use super::scenario::{Run, Scene, run};
use super::values::{get, machine_field};
use glassbox_sandbox::printable;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// For each trial so many of the component's words are tried on each payload field.
const WORDS: usize = 3;

/// What trials do not show, in words.
pub const LIMITS: [&str; 4] = [
    "A leak that waits for a value which nobody would guess, and of which only a hash is in the file, is not found; values that stand in the file, whole or in pieces that a compiler makes, are tried.",
    "A leak that needs two such values at once, or a long row of events, is found only by luck.",
    "What the length of time tells that a call takes is not counted as flow: a server sees it less exactly than the network's own hesitation. How often an input changed the work is told all the same.",
    "An influence that was not seen in N trials has, with 95 % certainty, an effect on fewer than 3 in N values like those that were tried.",
];

/// An audit of a component that mostly fails ends after so many failed runs.
const FAILURES: usize = 200;

/// The matrix.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flow {
    /// The seed: with it the same trials can be run again.
    pub seed: u64,
    /// Trials of each cell that were asked for.
    pub asked: usize,
    /// Trials that every cell got.
    pub reached: usize,
    /// Texts and numbers found in the component's bytes, and how many of them each payload field was given.
    pub words: Words,
    /// Pairs of runs.
    pub pairs: usize,
    /// Runs in all: pairs have one of theirs in common.
    pub runs: usize,
    /// Why it ended before all trials were made.
    pub ended_early: Option<String>,
    /// An input of an event, and what it can change.
    pub cells: Vec<Cell>,
    /// What was tried to be sent although the manifest does not declare it, and how often.
    pub undeclared: BTreeMap<String, usize>,
    /// Why runs failed, and how many.
    pub failed: BTreeMap<String, usize>,
    /// What this cannot find.
    pub limits: Vec<String>,
}

/// Mined values.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Words {
    /// There were so many.
    pub found: usize,
    /// So many were tried on each payload field.
    pub tried: usize,
}

/// One input of an event.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The event.
    pub event: String,
    /// The input.
    pub input: Input,
    /// Pairs of runs that differed in nothing else.
    pub trials: usize,
    /// Pairs in which the work, in fuel, was not the same.
    pub fuel: usize,
    /// What differed.
    pub outputs: BTreeMap<String, Influence>,
}

/// How often an output differed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Influence {
    /// In the event's own call.
    pub direct: usize,
    /// In a call after it.
    pub later: usize,
    /// The first time.
    pub example: Example,
}

/// How an output differed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Where it was seen, to have the first of all.
    #[serde(skip)]
    at: usize,
    /// The input, in both runs.
    pub input: (String, String),
    /// The output, in both runs.
    pub output: (String, String),
}

impl Influence {
    /// What was counted elsewhere as well.
    pub fn add(&mut self, other: &Self) {
        self.direct += other.direct;
        self.later += other.later;
    }

    /// In how many trials.
    #[must_use]
    pub fn count(&self) -> usize {
        self.direct.max(self.later)
    }

    /// As its name in a matrix says: at once, later, or both.
    #[must_use]
    pub fn when(&self) -> &'static str {
        match (self.direct, self.later) {
            (_, 0) => "at once",
            (0, _) => "later",
            _ => "at once and later",
        }
    }
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Trials of each cell.
    pub trials: usize,
    /// What all chance is made of.
    pub seed: u64,
    /// No longer than this.
    pub time: Duration,
}

struct Work<'a> {
    inputs: &'a Inputs<'a>,
    events: Vec<(String, Vec<Input>)>,
    options: Options,
    words: usize,
    next: AtomicUsize,
    done: AtomicUsize,
    runs: AtomicUsize,
    failed: AtomicUsize,
    stop: AtomicBool,
    began: Instant,
}

/// What one thread, or all of them, counted.
#[derive(Default)]
struct Counted {
    cells: BTreeMap<(usize, usize), Cell>,
    undeclared: BTreeMap<String, usize>,
    failed: BTreeMap<String, usize>,
    /// By event: the trials that were made.
    jobs: BTreeSet<usize>,
}

/// Measure. `progress` is told from 0 to 1000 how far it is.
#[must_use]
pub fn measure(inputs: &Inputs, options: Options, progress: &(dyn Fn(usize) + Sync)) -> Flow {
    let events: Vec<_> = inputs.events().into_iter().map(|event| (event.clone(), inputs.of(&event))).collect();
    let words = inputs.values.words.len().min(options.trials * WORDS);
    let [next, done, runs, failed] = [0; 4].map(AtomicUsize::new);
    let (stop, began) = (AtomicBool::new(false), Instant::now());
    let work = Work { inputs, events, options, words, next, done, runs, failed, stop, began };
    let all = Mutex::new(Counted::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(16);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let counted = work.run(progress);
                all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).merge(counted);
            });
        }
    });
    let all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    work.flow(all)
}

impl Work<'_> {
    /// Trials one after the other, each for all events, so that an early end leaves none without.
    fn jobs(&self) -> usize {
        (self.options.trials + self.words) * self.events.len()
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

    /// One scene, and the same with each input changed.
    fn trial(&self, trial: usize, event: usize, counted: &mut Counted) {
        let (name, inputs) = &self.events[event];
        let place = [trial as u64, event as u64];
        let scene = self.inputs.scene(&place, name);
        let Some(one) = self.perform(&scene, counted) else { return };
        let word = trial.checked_sub(self.options.trials).and_then(|at| self.inputs.values.words.get(at));
        for (i, input) in inputs.iter().enumerate().filter(|(_, input)| word.is_none() || input.takes_words()) {
            let place = [trial as u64, event as u64, i as u64];
            let Some(scene_2) = self.inputs.vary(&scene, input, &place, word) else { continue };
            let Some(other) = self.perform(&scene_2, counted) else { continue };
            let timed = *input != Input::Clock;
            let found = differences(&one, &other, self.inputs.plugin.policy.manifest(), timed);
            let fuel = |run: &Run| run.calls.iter().map(|call| call.fuel).collect::<Vec<_>>();
            let cell = counted.cells.entry((event, i)).or_insert_with(|| Cell::new(name, input));
            cell.trials += 1;
            cell.fuel += usize::from(fuel(&one) != fuel(&other));
            cell.add(trial, found, || (shown(&scene, input), shown(&scene_2, input)));
        }
    }

    fn mostly_fails(&self) -> bool {
        let failed = self.failed.load(Ordering::SeqCst);
        failed >= FAILURES && failed * 2 > self.runs.load(Ordering::SeqCst)
    }

    /// A run, unless the settings are not accepted or it does not start.
    fn perform(&self, scene: &Scene, counted: &mut Counted) -> Option<Run> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let (run, failed) = match run(self.inputs.plugin, scene) {
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
        for call in run.iter().flat_map(Run::all) {
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
            true => Some(format!("{} seconds were over", self.options.time.as_secs())),
        };
        Flow {
            seed: self.options.seed,
            asked: self.options.trials,
            reached: trials.min(self.options.trials),
            words: Words { found: self.inputs.values.words.len(), tried: trials.saturating_sub(self.options.trials) },
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

    /// Whether it is of an event that the manifest lists.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.event != UNSEEN
    }
}

/// The value of an input in a scene, cut short.
fn shown(scene: &Scene, input: &Input) -> String {
    let text = |value: Option<&Value>| value.map_or("(not there)".into(), Value::to_string);
    let all = match input {
        Input::Happens => if scene.event.is_some() { "yes" } else { "no" }.into(),
        Input::Payload(path) => text(scene.event.as_ref().and_then(|(_, payload)| get(payload, path))),
        Input::Setting(path) => text(scene.settings.get(path)),
        Input::Throttle => scene.mask.map_or("none".into(), |mask| format!("{mask:#x}")),
        Input::Random => format!("seed {:x}", scene.random),
        Input::Clock => format!("from {} ns on", scene.start),
        Input::Hardware(field) => machine_field(&scene.machine, field),
        Input::Unlisted => super::inputs::payload_text(scene),
        Input::Nothing => "the same".into(),
    };
    printable(&all, super::difference::SHOWN)
}
