//! Compares the flow matrices of two versions: which input can now change which output, and could not before.

use super::Changes;
use crate::flow::Flow;
use crate::rows;
use serde::Serialize;
use std::fmt;

/// The difference between two flow matrices. Both hold what was seen in trials: an influence that shows in one of a
/// thousand trials may be seen in one version and not in the other by luck.
#[derive(Debug, Serialize)]
pub struct Influences {
    /// How many trials each input of each event got in both versions.
    pub trials: usize,
    /// The influences, each as `event: input -> output`.
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
    let general = [("any event".to_string(), general)];
    let rows = events.iter().chain(&general).flat_map(|(event, rows)| rows.iter().map(move |row| (event, row)));
    let arrows = rows
        .flat_map(|(event, row)| row.outputs.keys().map(move |output| format!("{event}: {} -> {output}", row.input)));
    arrows.collect()
}

impl fmt::Display for Influences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::report_text::changes(f, "flow", &format!("no other influence in {} trials", self.trials), &self.changes)
    }
}
