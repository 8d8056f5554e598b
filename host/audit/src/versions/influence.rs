//! Which input can change which output now, and could not before, as both were measured.

use super::Changes;
use crate::flow::Flow;
use crate::rows;
use serde::Serialize;
use std::fmt;

/// The difference of two matrices. It is one of what was seen: an influence that shows in one of a thousand
/// trials may be seen in one version by luck.
#[derive(Debug, Serialize)]
pub struct Influences {
    /// Trials of each input of each event: those that both versions got.
    pub trials: usize,
    /// As `event: input -> output`.
    #[serde(flatten)]
    pub changes: Changes,
}

impl Influences {
    pub(super) fn of(old: &Flow, new: &Flow) -> Self {
        Self { trials: old.reached.min(new.reached), changes: Changes::of(&arrows(old), &arrows(new)) }
    }
}

fn arrows(flow: &Flow) -> Vec<String> {
    let (events, general) = rows(flow);
    let general = [("whatever the event".to_string(), general)];
    let rows = events.iter().chain(&general).flat_map(|(event, rows)| rows.iter().map(move |row| (event, row)));
    let arrows = rows
        .flat_map(|(event, row)| row.outputs.keys().map(move |output| format!("{event}: {} -> {output}", row.input)));
    arrows.collect()
}

impl fmt::Display for Influences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::text::changes(f, "flow", &format!("no other influence in {} trials", self.trials), &self.changes)
    }
}
