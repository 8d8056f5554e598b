//! What another version would have sent, had it run in place of the one that was recorded.
//!
//! It is given the same events at the same times, with the same settings. Everything else is its own: it continues from
//! its own state and with what it has heard, gets ticks when it asked for them or a report of its own is due, and is
//! restarted when it fails, as by a host. What it asks of the
//! host is answered by [`super::script`]. The comparison as people read it is in [`super::report`].

use super::crossing::{Call, HostCall, Moment, RecordedCall, Restore, Returned, SHOWN, SentRequest, Start};
use super::reader::Recording;
use super::report::Comparison;
use super::scenario::Scenarios;
use glassbox_sandbox::{Plugin, Request, printable};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A tick comes at most this much too late, in nanoseconds: one that was recorded within that time is the one that was
/// asked for.
const LATE: u64 = 1_000_000_000;

/// The shortest time between two ticks, in nanoseconds, as in a running host.
const SHORTEST_TICK: u64 = 100_000_000;

/// The most ticks that are made between two events.
const TICKS: usize = 10_000;

/// Run the other version through a recording, and compare what it sends.
pub fn compare(recording: &Recording, other: &Arc<Plugin>) -> Comparison {
    let starts = recording.starts();
    let ours = |instance_id: &u64| starts.get(instance_id).filter(|start| start.plugin == other.name).copied();
    let mut scenarios = Scenarios::of_another_version();
    scenarios.look_ahead(recording.calls.iter().map(|(_, recorded)| recorded));
    let report = Comparison { other: other.digest.clone(), ..Comparison::default() };
    let mut run = Run { other, scenarios, pairs: BTreeMap::new(), report };
    for (line, recorded) in &recording.calls {
        if let Some(start) = ours(&recorded.instance_id) {
            run.report.recorded.insert(start.digest.clone());
            run.pass(*line, start, recorded);
        }
    }
    for mut pair in std::mem::take(&mut run.pairs).into_values() {
        pair.settle(&mut run.report);
    }
    run.report
}

struct Run<'a> {
    other: &'a Arc<Plugin>,
    scenarios: Scenarios,
    /// By the name of the OctoPrint.
    pairs: BTreeMap<Option<String>, VersionPair>,
    report: Comparison,
}

/// Both versions of a plugin, for one OctoPrint.
#[derive(Default)]
struct VersionPair {
    /// The last start and the last settings, for restarting the other version.
    start: Option<RecordedCall>,
    load: Option<RecordedCall>,
    /// The last states of the recorded and of the other version.
    saved: (Option<String>, Option<String>),
    /// When the other version wants a tick.
    tick: Option<u64>,
    /// The number of its instance.
    instance_id: u64,
    /// Requests of an event and the ticks after it: of the recorded version, each with its line, and of the other.
    sent: (Vec<(usize, Request)>, Vec<Request>),
    /// The event's line and name.
    event: (usize, String),
}

impl Run<'_> {
    fn pass(&mut self, line: usize, start: &Start, recorded: &RecordedCall) {
        let mut pair = self.pairs.remove(&start.octoprint).unwrap_or_default();
        let clock = recorded.moment.clock;
        match &recorded.call {
            Call::Start(_) => {
                // No ticks are made until now: it may be that none ran since the last call, as tracking was off.
                pair.begin(line, "start", &mut self.report);
                pair.start = Some(recorded.clone());
                let started = self.perform(&mut pair, recorded);
                self.note_failure(line, started.as_ref());
            }
            Call::Load(_) => {
                pair.begin(line, "settings.load", &mut self.report);
                pair.load = Some(recorded.clone());
                self.perform(&mut pair, recorded);
                pair.tick = Some(clock);
            }
            Call::Restore(restore) => {
                let own = pair.saved.1.clone().filter(|_| pair.saved.0.as_ref() == Some(&restore.state));
                let state = own.unwrap_or_else(|| restore.state.clone());
                let call = Call::Restore(Restore { state, ..restore.clone() });
                self.perform(&mut pair, &RecordedCall { call, ..recorded.clone() });
            }
            Call::Event { name, .. } => {
                self.make_ticks(&mut pair, recorded);
                pair.begin(line, name, &mut self.report);
                pair.recorded(line, recorded);
                self.report.events += 1;
                self.dispatch(&mut pair, recorded);
            }
            Call::Heard { .. } => {
                self.make_ticks(&mut pair, recorded);
                self.perform(&mut pair, recorded);
            }
            Call::Tick { .. } => {
                self.report.ticks.0 += 1;
                pair.recorded(line, recorded);
                if self.next_tick(&pair).is_some_and(|at| at <= clock) {
                    self.dispatch(&mut pair, recorded);
                }
            }
            Call::Save => {
                if let Returned::Saved(handover) = &recorded.returned {
                    pair.saved.0 = Some(handover.state.clone());
                }
            }
        }
        pair.instance_id = recorded.instance_id;
        self.pairs.insert(start.octoprint.clone(), pair);
    }

    /// When the other version is to have its next tick: when it wants one, or a report is due.
    fn next_tick(&self, pair: &VersionPair) -> Option<u64> {
        pair.tick.into_iter().chain(self.scenarios.next_due(pair.instance_id)).min()
    }

    /// Make the ticks that the other version asked for and the recorded one did not have.
    fn make_ticks(&mut self, pair: &mut VersionPair, next: &RecordedCall) {
        for _ in 0..TICKS {
            let at = self.next_tick(pair).filter(|at| at.saturating_add(LATE) <= next.moment.clock);
            let Some(at) = at else { return };
            let moment = Moment { clock: at, made_up: true, ..next.moment };
            let tick = RecordedCall {
                moment,
                call: Call::Tick { due: Vec::new() },
                asked: Vec::new(),
                returned: Returned::Started,
                instance_id: pair.instance_id,
                fuel: None,
            };
            self.dispatch(pair, &tick);
            pair.tick = pair.tick.map(|wanted| wanted.max(at.saturating_add(SHORTEST_TICK)));
        }
        self.report.notes.insert(format!("it asked for more than {TICKS} ticks between two events; no more were made"));
    }

    /// Make the call of an event or a tick, and do what a host does after it.
    fn dispatch(&mut self, pair: &mut VersionPair, recorded: &RecordedCall) {
        let mut recorded = recorded.clone();
        if let Call::Tick { due } = &mut recorded.call {
            self.report.ticks.1 += 1;
            pair.tick = None;
            *due = self.scenarios.due(recorded.instance_id, &recorded.moment);
        }
        let recorded = &recorded;
        let Some(made) = self.perform(pair, recorded) else { return };
        match &made.returned {
            Returned::Done { message, next_tick } => {
                // After an error the tick that was asked for before still counts.
                pair.tick = if message.is_none() { *next_tick } else { pair.tick };
                self.report.notes.extend(message.as_ref().map(|text| format!("it says: {}", printable(text, SHOWN))));
            }
            _ => return self.restart(pair, recorded, &made),
        }
        let save = RecordedCall { call: Call::Save, asked: Vec::new(), ..recorded.clone() };
        match self.perform(pair, &save) {
            Some(RecordedCall { returned: Returned::Saved(handover), .. }) => pair.saved.1 = Some(handover.state),
            Some(failed) => return self.restart(pair, recorded, &failed),
            None => {}
        }
        for asked in made.asked {
            match asked {
                HostCall::Send(SentRequest { request, refused: None, .. }) => pair.sent.1.push(request),
                HostCall::Send(SentRequest { request, refused: Some(why), .. }) => {
                    let name = printable(&request.name, SHOWN);
                    *self.report.refused.entry((name, why)).or_default() += 1;
                }
                _ => {}
            }
        }
    }

    /// A call failed: what it was about to send has not left. Start a new instance from the last state.
    fn restart(&mut self, pair: &mut VersionPair, recorded: &RecordedCall, failed: &RecordedCall) {
        self.note_failure(pair.event.0, Some(failed));
        let moment = Moment { made_up: true, ..recorded.moment };
        let again = [pair.start.clone(), pair.load.clone()].into_iter().flatten();
        let mut again: Vec<_> =
            again.map(|call| RecordedCall { moment, instance_id: recorded.instance_id, ..call }).collect();
        // What it has heard, it carries on with.
        let state = pair.saved.1.clone().unwrap_or_else(|| "{}".into());
        let call = Call::Restore(Restore { state, ..Restore::default() });
        again.push(RecordedCall { moment, call, asked: Vec::new(), ..recorded.clone() });
        for call in &again {
            self.perform(pair, call);
        }
        pair.tick = Some(recorded.moment.clock.saturating_add(LATE));
    }

    fn note_failure(&mut self, line: usize, made: Option<&RecordedCall>) {
        if let Some(RecordedCall { returned: Returned::Failed(reason), .. }) = made {
            let count = self.report.failures.entry(printable(reason, SHOWN)).or_insert((line, 0));
            count.1 += 1;
        }
    }

    fn perform(&mut self, pair: &mut VersionPair, recorded: &RecordedCall) -> Option<RecordedCall> {
        let made = self.scenarios.perform(self.other, recorded);
        if let Some(RecordedCall { returned: Returned::Loaded(Err(reason)), .. }) = &made {
            let reason = printable(reason, SHOWN);
            self.report.failures.entry(format!("it does not accept the settings: {reason}")).or_insert((0, 0)).1 += 1;
        }
        if made.is_none() {
            self.report.unseen.insert(pair.event.1.clone());
        }
        made
    }
}

impl VersionPair {
    /// Something new happens: compare what was sent because of the event before.
    fn begin(&mut self, line: usize, event: &str, report: &mut Comparison) {
        self.settle(report);
        self.event = (line, printable(event, SHOWN));
    }

    fn settle(&mut self, report: &mut Comparison) {
        let (recorded, other) = std::mem::take(&mut self.sent);
        report.add(&self.event.1, &recorded, &other);
    }

    /// Note what the recorded version sent; nothing, if the call failed.
    fn recorded(&mut self, line: usize, recorded: &RecordedCall) {
        let left = !matches!(recorded.returned, Returned::Failed(_));
        for (i, asked) in recorded.asked.iter().enumerate().filter(|_| left) {
            if let HostCall::Send(SentRequest { request, refused: None, .. }) = asked {
                self.sent.0.push((line + 1 + i, request.clone()));
            }
        }
    }
}
