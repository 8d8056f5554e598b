//! Replays a recording with the component that it was made of, and finds the first place where it does
//! otherwise. Comparing with another version is in [`super::compare`].

use super::components::Components;
use super::crossing::{Asked, Back, Passage};
use super::format::{asked_value, back_value};
use super::reader::Recording;
use super::scenario::Scenarios;
use anyhow::{Context, Result};
use std::fmt;

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Calls that were made again.
    pub calls: usize,
    /// Of how many instances.
    pub instances: usize,
    /// Whether it began in the middle: then only its end is compared.
    pub from_the_middle: bool,
    /// How the last call ended, if it failed.
    pub failure: Option<String>,
    /// Where it first differed.
    pub divergence: Option<Divergence>,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The line of the recording.
    pub line: usize,
    /// In which call.
    pub call: String,
    /// What the recording says.
    pub recorded: String,
    /// What happened now.
    pub replayed: String,
}

/// Replay it, up to the first difference.
///
/// # Errors
/// When a component is not there or cannot be run.
pub fn replay(recording: &Recording, components: &mut Components) -> Result<Replay> {
    let starts = recording.starts();
    let from_the_middle = recording.passages.iter().any(|(_, passage)| passage.moment.made_up);
    let mut replay = Replay { calls: 0, instances: starts.len(), from_the_middle, failure: None, divergence: None };
    let mut scenarios = Scenarios::default();
    scenarios.foresee(recording.passages.iter().map(|(_, passage)| passage));
    let last = recording.passages.len().saturating_sub(1);
    for (i, (line, recorded)) in recording.passages.iter().enumerate() {
        let start = starts
            .get(&recorded.life)
            .with_context(|| format!("line {line}: instance {} was never started in this recording", recorded.life))?;
        let plugin = components.get(&start.plugin, &start.digest)?;
        let replayed = scenarios.perform(&plugin, recorded);
        replay.calls += 1;
        if from_the_middle && i < last || recorded.moment.made_up {
            continue;
        }
        let differs = match &replayed {
            None => Some((*line, recorded.call.to_string(), "the component does not see such events".into())),
            Some(replayed) if from_the_middle => back(*line, recorded, replayed),
            Some(replayed) => difference(*line, recorded, replayed),
        };
        if let Some((at, was, is)) = differs {
            let call = format!("{} of {}", recorded.call, start.who());
            replay.divergence = Some(Divergence { line: at, call, recorded: was, replayed: is });
            break;
        }
        if let Back::Failed(reason) = &recorded.back {
            replay.failure = Some(reason.clone());
        }
    }
    Ok(replay)
}

/// The first difference of two calls: its line, and both sides.
fn difference(line: usize, recorded: &Passage, replayed: &Passage) -> Option<(usize, String, String)> {
    let value = |asked: &Asked| asked_value(0, asked);
    for (i, was) in recorded.asked.iter().enumerate() {
        if matches!(was, Asked::Lost(_)) {
            // What came then nobody knows.
            return back(line, recorded, replayed);
        }
        match replayed.asked.get(i) {
            Some(is) if value(is) == value(was) => {}
            Some(is) => return Some((line + 1 + i, was.to_string(), is.to_string())),
            None => return Some((line + 1 + i, was.to_string(), replayed.back.to_string())),
        }
    }
    if let Some(more) = replayed.asked.get(recorded.asked.len()) {
        return Some((line + 1 + recorded.asked.len(), recorded.back.to_string(), more.to_string()));
    }
    back(line, recorded, replayed).or_else(|| work(line, recorded, replayed))
}

fn back(line: usize, recorded: &Passage, replayed: &Passage) -> Option<(usize, String, String)> {
    let value = |passage: &Passage| back_value(0, &passage.back, "");
    let at = line + 1 + recorded.asked.len();
    (value(recorded) != value(replayed)).then(|| (at, recorded.back.to_string(), replayed.back.to_string()))
}

/// Where nothing else differs, the work may: it took another way to the same end.
fn work(line: usize, recorded: &Passage, replayed: &Passage) -> Option<(usize, String, String)> {
    let at = line + 1 + recorded.asked.len();
    let (was, is) = recorded.fuel.zip(replayed.fuel).filter(|(was, is)| was != is)?;
    Some((at, format!("{} with {was} fuel", recorded.back), format!("{} with {is} fuel", replayed.back)))
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
            writeln!(f, "{calls} calls of {of}: all that was asked, answered and returned is the same")?;
        }
        match failure {
            Some(reason) => writeln!(f, "the failure is there again: {}", glassbox_sandbox::printable(reason, 500)),
            None => Ok(()),
        }
    }
}
