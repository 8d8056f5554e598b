//! Replays a recording with the same component, and finds the first place where it behaves differently. Comparing with
//! another version is in [`super::compare`].

use super::components::Components;
use super::crossing::{Call, HostCall, RecordedCall, Returned};
use super::format::{asked_value, returned_value};
use super::reader::Recording;
use super::scenario::Scenarios;
use anyhow::{Context, Result};
use std::fmt;

/// The result of a replay.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Number of calls that were made again.
    pub calls: usize,
    /// Number of instances in the recording.
    pub instances: usize,
    /// Whether the recording begins in the middle of a run: then only its end is compared.
    pub from_the_middle: bool,
    /// The failure that was recorded last and happened again, if any.
    pub failure: Option<String>,
    /// The first difference, if any.
    pub divergence: Option<Divergence>,
}

/// A difference between a recording and its replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The line of the recording, from 1.
    pub line: usize,
    /// The call in which it is.
    pub call: String,
    /// What was recorded.
    pub recorded: String,
    /// What happened in the replay.
    pub replayed: String,
}

/// Replay a recording up to the first difference.
///
/// # Errors
/// When a component is not there or cannot be run, or an instance is called that was never started.
pub fn replay(recording: &Recording, components: &mut Components) -> Result<Replay> {
    let starts = recording.starts();
    let from_the_middle = recording.calls.iter().any(|(_, recorded)| recorded.moment.made_up);
    let mut replay = Replay { calls: 0, instances: starts.len(), from_the_middle, failure: None, divergence: None };
    let mut scenarios = Scenarios::default();
    scenarios.look_ahead(recording.calls.iter().map(|(_, recorded)| recorded));
    let last = recording.calls.len().saturating_sub(1);
    for (i, (line, recorded)) in recording.calls.iter().enumerate() {
        let start = starts.get(&recorded.instance_id).with_context(|| {
            format!("line {line}: instance {} was never started in this recording", recorded.instance_id)
        })?;
        let plugin = components.get(&start.plugin, &start.digest)?;
        let replayed = scenarios.perform(&plugin, recorded);
        replay.calls += usize::from(!matches!(recorded.call, Call::Heard { .. }));
        if from_the_middle && i < last || recorded.moment.made_up {
            continue;
        }
        let differs = match &replayed {
            None => Some((*line, recorded.call.to_string(), "the component does not see such events".into())),
            Some(replayed) if from_the_middle => returned(*line, recorded, replayed),
            Some(replayed) => difference(*line, recorded, replayed),
        };
        if let Some((at, was, is)) = differs {
            let call = format!("{} of {}", recorded.call, start.who());
            replay.divergence = Some(Divergence { line: at, call, recorded: was, replayed: is });
            break;
        }
        if let Returned::Failed(reason) = &recorded.returned {
            replay.failure = Some(reason.clone());
        }
    }
    Ok(replay)
}

/// The first difference between two calls: its line, and both sides.
fn difference(line: usize, recorded: &RecordedCall, replayed: &RecordedCall) -> Option<(usize, String, String)> {
    if recorded.call != replayed.call {
        return Some((line, recorded.call.to_string(), replayed.call.to_string()));
    }
    let value = |asked: &HostCall| asked_value(0, asked);
    for (i, was) in recorded.asked.iter().enumerate() {
        if matches!(was, HostCall::Lost(_)) {
            // What was asked after that was not recorded.
            return returned(line, recorded, replayed);
        }
        match replayed.asked.get(i) {
            Some(is) if value(is) == value(was) => {}
            Some(is) => return Some((line + 1 + i, was.to_string(), is.to_string())),
            None => return Some((line + 1 + i, was.to_string(), replayed.returned.to_string())),
        }
    }
    if let Some(more) = replayed.asked.get(recorded.asked.len()) {
        return Some((line + 1 + recorded.asked.len(), recorded.returned.to_string(), more.to_string()));
    }
    returned(line, recorded, replayed).or_else(|| fuel(line, recorded, replayed))
}

fn returned(line: usize, recorded: &RecordedCall, replayed: &RecordedCall) -> Option<(usize, String, String)> {
    let value = |recorded: &RecordedCall| returned_value(0, &recorded.returned, "");
    let at = line + 1 + recorded.asked.len();
    (value(recorded) != value(replayed)).then(|| (at, recorded.returned.to_string(), replayed.returned.to_string()))
}

/// A difference in fuel, where nothing else differs: it took another way to the same result.
fn fuel(line: usize, recorded: &RecordedCall, replayed: &RecordedCall) -> Option<(usize, String, String)> {
    let at = line + 1 + recorded.asked.len();
    let (was, is) = recorded.fuel.zip(replayed.fuel).filter(|(was, is)| was != is)?;
    Some((at, format!("{} with {was} fuel", recorded.returned), format!("{} with {is} fuel", replayed.returned)))
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, instances, from_the_middle, failure, divergence } = self;
        let of = if *instances == 1 { "one instance".into() } else { format!("{instances} instances") };
        if let Some(Divergence { line, call, recorded, replayed }) = divergence {
            writeln!(f, "the first difference is in line {line}, in the call {call}")?;
            writeln!(f, "  recorded: {recorded}")?;
            writeln!(f, "  replayed: {replayed}")?;
            return writeln!(f, "{calls} calls of {of} were made until then");
        }
        if *from_the_middle {
            writeln!(f, "{calls} calls of {of}, from the last state that is known: it ends as recorded")?;
        } else {
            writeln!(f, "{calls} calls of {of}: everything asked, answered and returned is the same")?;
        }
        match failure {
            Some(reason) => writeln!(f, "the failure happened again: {}", glassbox_sandbox::printable(reason, 500)),
            None => Ok(()),
        }
    }
}
