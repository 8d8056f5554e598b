//! How information flow is measured: the trials, on all cores, and how they are counted.

use super::super::difference::{SHOWN, declared, differences};
use super::super::inputs::{Input, Inputs, payload_text};
use super::super::scenario::{Scenario, Trace, run};
use super::super::value_generator::{get, machine_field};
use super::{CONSTANTS_PER_TRIAL, Cell, Constants, FAILURES, Flow, LIMITS, Long, Options};
use glassbox_sandbox::printable;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

struct Measurement<'a> {
    inputs: &'a Inputs<'a>,
    events: Vec<(String, Vec<Input>)>,
    options: Options,
    constants: usize,
    next: AtomicUsize,
    done: AtomicUsize,
    runs: AtomicUsize,
    foreign: AtomicUsize,
    failed: AtomicUsize,
    stop: AtomicBool,
    began: Instant,
}

/// What one thread has counted, or all together.
#[derive(Default)]
struct Counted {
    cells: BTreeMap<(usize, usize), Cell>,
    undeclared: BTreeMap<String, usize>,
    undeclared_with_foreign_state: BTreeMap<String, usize>,
    failed: BTreeMap<String, usize>,
    sent: BTreeMap<String, usize>,
    refused: BTreeMap<String, usize>,
    long: Long,
    /// The jobs that were done.
    jobs: BTreeSet<usize>,
}

/// Measure, on all cores. `progress` is called with how much is done, from 0 to 1000.
pub fn measure(inputs: &Inputs, options: Options, progress: &(dyn Fn(usize) + Sync)) -> Flow {
    let events: Vec<_> = inputs.events().into_iter().map(|event| (event.clone(), inputs.of(&event))).collect();
    let constants = inputs.values.constants.len().min(options.trials * CONSTANTS_PER_TRIAL);
    let [next, done, runs, foreign, failed] = [0; 5].map(AtomicUsize::new);
    let (stop, began) = (AtomicBool::new(false), Instant::now());
    let measurement =
        Measurement { inputs, events, options, constants, next, done, runs, foreign, failed, stop, began };
    let all = Mutex::new(Counted::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(16);
    let work = || {
        let counted = measurement.run(progress);
        all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).merge(counted);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // One that the system does not give us is one less.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
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

    /// Run a scenario, and count how it went. None where the settings are refused or it does not start.
    fn perform(&self, scenario: &Scenario, counted: &mut Counted) -> Option<Trace> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.foreign.fetch_add(usize::from(scenario.has_foreign_state()), Ordering::SeqCst);
        let (run, failed) = match run(self.inputs.plugin, scenario) {
            Ok(Err(reason)) => {
                *counted.refused.entry(printable(&format!("settings: {reason}"), 200)).or_default() += 1;
                return None;
            }
            Ok(Ok(run)) => {
                for reason in &run.refused {
                    *counted.refused.entry(printable(reason, 200)).or_default() += 1;
                }
                counted.long.count(&run);
                let failed = run.all().find_map(|call| call.failed.clone());
                (Some(run), failed)
            }
            Err(error) => (None, Some(error.reasons.join("; "))),
        };
        if let Some(reason) = failed {
            self.failed.fetch_add(1, Ordering::SeqCst);
            *counted.failed.entry(reason).or_default() += 1;
        }
        let manifest = self.inputs.plugin.policy.manifest();
        let undeclared = if scenario.has_foreign_state() {
            &mut counted.undeclared_with_foreign_state
        } else {
            &mut counted.undeclared
        };
        for call in run.iter().flat_map(Trace::all) {
            for sent in &call.sent {
                *counted.sent.entry(declared(&sent.name, manifest).0.into()).or_default() += 1;
            }
            call.undeclared().for_each(|what| *undeclared.entry(what).or_default() += 1);
        }
        run
    }

    fn flow(&self, all: Counted) -> Flow {
        let events = self.events.len();
        let missing = (0..self.jobs()).find(|job| !all.jobs.contains(job)).unwrap_or(self.jobs());
        let trials = missing / events;
        let cells = &all.cells;
        let early = match self.stop.load(Ordering::SeqCst) {
            false => None,
            true if self.mostly_fails() => Some("most of its runs failed".into()),
            true => Some(format!("{} seconds had passed", self.options.time.as_secs())),
        };
        let not_varied = self.events.iter().enumerate().flat_map(|(e, (event, inputs))| {
            let missing = inputs.iter().enumerate().filter(move |(i, _)| !cells.contains_key(&(e, *i)));
            missing.map(move |(_, input)| format!("{event}: {input}"))
        });
        let not_varied = not_varied.collect();
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
            runs_with_foreign_state: self.foreign.load(Ordering::SeqCst),
            ended_early: early,
            cells: all.cells.into_values().collect(),
            undeclared: all.undeclared,
            undeclared_with_foreign_state: all.undeclared_with_foreign_state,
            failed: all.failed,
            sent: all.sent,
            refused: all.refused,
            long: all.long,
            not_varied,
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
        for (all, others) in [
            (&mut self.undeclared, other.undeclared),
            (&mut self.undeclared_with_foreign_state, other.undeclared_with_foreign_state),
            (&mut self.failed, other.failed),
            (&mut self.sent, other.sent),
            (&mut self.refused, other.refused),
        ] {
            for (what, count) in others {
                *all.entry(what).or_default() += count;
            }
        }
        self.long.add(other.long);
        self.jobs.extend(other.jobs);
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
        Input::Unlisted => payload_text(scenario),
        Input::Handover | Input::Two => "another".into(),
        Input::Nothing => "the same".into(),
    };
    printable(&all, SHOWN)
}
