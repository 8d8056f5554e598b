//! What another version would have sent, had it run in place of the one that was recorded.
//!
//! It hears the same events at the same times, with the same settings. Everything else is its own: it
//! carries on from what it saved itself, ticks come when it asked for them, and one that fails is started
//! again as a host would. Host calls are answered as [`super::script`] says.

use super::crossing::{Asked, Back, Call, Moment, Passage, SHOWN, Sent, Start};
use super::reader::Recording;
use super::report::Comparison;
use super::scenario::Scenarios;
use glassbox_sandbox::{Plugin, Request, printable};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A tick is late by as much; one that was recorded so late is the one that was asked for.
const LATE: u64 = 1_000_000_000;

/// Between two ticks, as in a running host.
const SHORTEST_TICK: u64 = 100_000_000;

/// So many ticks are made between two events at most.
const TICKS: usize = 10_000;

/// Run the other version through the recording.
#[must_use]
pub fn compare(recording: &Recording, other: &Arc<Plugin>) -> Comparison {
    let starts = recording.starts();
    let ours = |life: &u64| starts.get(life).filter(|start| start.plugin == other.name).copied();
    let mut scenarios = Scenarios::default();
    scenarios.foresee(recording.passages.iter().map(|(_, passage)| passage));
    let report = Comparison { other: other.digest.clone(), ..Comparison::default() };
    let mut run = Run { other, scenarios, seats: BTreeMap::new(), report };
    for (line, passage) in &recording.passages {
        if let Some(start) = ours(&passage.life) {
            run.report.recorded.insert(start.digest.clone());
            run.pass(*line, start, passage);
        }
    }
    for mut seat in std::mem::take(&mut run.seats).into_values() {
        seat.settle(&mut run.report);
    }
    run.report
}

struct Run<'a> {
    other: &'a Arc<Plugin>,
    scenarios: Scenarios,
    /// By whose events they hear.
    seats: BTreeMap<Option<String>, Seat>,
    report: Comparison,
}

/// One plugin at one OctoPrint.
#[derive(Default)]
struct Seat {
    /// The calls that made it what it is: start and settings.
    start: Option<Passage>,
    load: Option<Passage>,
    /// What both versions saved last.
    saved: (Option<String>, Option<String>),
    /// When the other version wants a tick.
    tick: Option<u64>,
    /// Sent in an event and the ticks after it: by the recorded one, with the line, and by the other.
    sent: (Vec<(usize, Request)>, Vec<Request>),
    /// The event's line and name.
    event: (usize, String),
}

impl Run<'_> {
    fn pass(&mut self, line: usize, start: &Start, passage: &Passage) {
        let mut seat = self.seats.remove(&start.octoprint).unwrap_or_default();
        let clock = passage.moment.clock;
        match &passage.call {
            Call::Start(_) => {
                seat.begin(line, "start", &mut self.report);
                seat.start = Some(passage.clone());
                let started = self.perform(&mut seat, passage);
                self.note_failure(line, started.as_ref());
            }
            Call::Load(_) => {
                self.make_ticks(&mut seat, passage);
                seat.begin(line, "settings.load", &mut self.report);
                seat.load = Some(passage.clone());
                self.perform(&mut seat, passage);
                seat.tick = Some(clock);
            }
            Call::Restore { state, age } => {
                let own = seat.saved.1.clone().filter(|_| seat.saved.0.as_ref() == Some(state));
                let call = Call::Restore { state: own.unwrap_or_else(|| state.clone()), age: *age };
                self.perform(&mut seat, &Passage { call, ..passage.clone() });
            }
            Call::Event { name, .. } => {
                self.make_ticks(&mut seat, passage);
                seat.begin(line, name, &mut self.report);
                seat.recorded(line, passage);
                self.report.events += 1;
                self.turn(&mut seat, passage);
            }
            Call::Tick => {
                self.report.ticks.0 += 1;
                seat.recorded(line, passage);
                if seat.tick.is_some_and(|at| at <= clock) {
                    self.turn(&mut seat, passage);
                }
            }
            Call::Save => {
                if let Back::Saved(state) = &passage.back {
                    seat.saved.0 = Some(state.clone());
                }
            }
        }
        self.seats.insert(start.octoprint.clone(), seat);
    }

    /// The ticks that it asked for, and that the recorded one did not have.
    fn make_ticks(&mut self, seat: &mut Seat, next: &Passage) {
        for _ in 0..TICKS {
            let Some(at) = seat.tick.filter(|at| at.saturating_add(LATE) <= next.moment.clock) else { return };
            let moment = Moment { clock: at, made_up: true, ..next.moment };
            let tick = Passage {
                moment,
                call: Call::Tick,
                asked: Vec::new(),
                back: Back::Started,
                life: next.life,
                fuel: None,
            };
            self.turn(seat, &tick);
            seat.tick = seat.tick.map(|wanted| wanted.max(at.saturating_add(SHORTEST_TICK)));
        }
        self.report.notes.insert(format!("it asked for more than {TICKS} ticks between two events; no more were made"));
    }

    /// An event or a tick, and what a host does after it.
    fn turn(&mut self, seat: &mut Seat, passage: &Passage) {
        if matches!(passage.call, Call::Tick) {
            self.report.ticks.1 += 1;
            seat.tick = None;
        }
        let Some(made) = self.perform(seat, passage) else { return };
        match &made.back {
            Back::Done { message, next_tick } => {
                // After an error what was asked for before still holds.
                seat.tick = if message.is_none() { *next_tick } else { seat.tick };
                self.report.notes.extend(message.as_ref().map(|text| format!("it says: {}", printable(text, SHOWN))));
            }
            _ => return self.revive(seat, passage, &made),
        }
        let save = Passage { call: Call::Save, asked: Vec::new(), ..passage.clone() };
        match self.perform(seat, &save) {
            Some(Passage { back: Back::Saved(state), .. }) => seat.saved.1 = Some(state),
            Some(failed) => return self.revive(seat, passage, &failed),
            None => {}
        }
        for asked in made.asked {
            match asked {
                Asked::Send(Sent { request, refused: None, .. }) => seat.sent.1.push(request),
                Asked::Send(Sent { request, refused: Some((_, why)), .. }) => {
                    let name = printable(&request.name, SHOWN);
                    *self.report.refused.entry((name, why)).or_default() += 1;
                }
                _ => {}
            }
        }
    }

    /// It failed: what it was about to send has not left, and a fresh one carries on.
    fn revive(&mut self, seat: &mut Seat, passage: &Passage, failed: &Passage) {
        self.note_failure(seat.event.0, Some(failed));
        let moment = Moment { made_up: true, ..passage.moment };
        let again = [seat.start.clone(), seat.load.clone()].into_iter().flatten();
        let mut again: Vec<_> = again.map(|call| Passage { moment, life: passage.life, ..call }).collect();
        let restore = |state: &String| Call::Restore { state: state.clone(), age: 0 };
        let call = seat.saved.1.as_ref().map(restore);
        again.extend(call.map(|call| Passage { moment, call, asked: Vec::new(), ..passage.clone() }));
        for call in &again {
            self.perform(seat, call);
        }
        seat.tick = Some(passage.moment.clock.saturating_add(LATE));
    }

    fn note_failure(&mut self, line: usize, made: Option<&Passage>) {
        if let Some(Passage { back: Back::Failed(reason), .. }) = made {
            let count = self.report.failures.entry(printable(reason, SHOWN)).or_insert((line, 0));
            count.1 += 1;
        }
    }

    fn perform(&mut self, seat: &mut Seat, passage: &Passage) -> Option<Passage> {
        let made = self.scenarios.perform(self.other, passage);
        if let Some(Passage { back: Back::Loaded(Err(reason)), .. }) = &made {
            let reason = printable(reason, SHOWN);
            self.report.failures.entry(format!("it does not accept the settings: {reason}")).or_insert((0, 0)).1 += 1;
        }
        if made.is_none() {
            self.report.unseen.insert(seat.event.1.clone());
        }
        made
    }
}

impl Seat {
    /// Something new happens: what was sent until now belongs to what was before.
    fn begin(&mut self, line: usize, event: &str, report: &mut Comparison) {
        self.settle(report);
        self.event = (line, printable(event, SHOWN));
    }

    fn settle(&mut self, report: &mut Comparison) {
        let (recorded, other) = std::mem::take(&mut self.sent);
        report.add(&self.event.1, &recorded, &other);
    }

    /// What the recorded version sent; nothing, if the call failed.
    fn recorded(&mut self, line: usize, passage: &Passage) {
        let left = !matches!(passage.back, Back::Failed(_));
        for (i, asked) in passage.asked.iter().enumerate().filter(|_| left) {
            if let Asked::Send(Sent { request, refused: None, .. }) = asked {
                self.sent.0.push((line + 1 + i, request.clone()));
            }
        }
    }
}
