//! Counts prints by how they ended, and the hours that they took; sends one small summary a day.
//!
//! Everything that has to be decided is in this file, in plain Rust, and is tested natively;
//! `glue.rs` connects it to the contract in `wit/`. What the plugin may see and say is in
//! `print-hours.toml`.

#[cfg(target_family = "wasm")]
mod glue;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

/// The JSON Schema (2020-12) of the settings.
pub const SCHEMA: &str = include_str!("settings.schema.json");

const SECOND: u64 = 1_000_000_000; // the clock is in nanoseconds
const DAY: u64 = 24 * 60 * 60; // settings and payloads are in seconds
const YEAR: u64 = 366 * DAY;

/// The plugin. It gets time and the means to send from its caller, so that tests can supply their
/// own.
#[derive(Debug, Default)]
pub struct PrintHours {
    enabled: bool,
    /// Nanoseconds from the first print that ends to the summary.
    interval: u64,
    /// What was counted since the last summary; none if no print has ended since then.
    open: Option<Counts>,
}

#[derive(Debug, PartialEq)]
struct Counts {
    done: u64,
    failed: u64,
    cancelled: u64,
    seconds: f64,
    /// When the summary is due, in nanoseconds of the clock.
    due: u64,
}

impl PrintHours {
    /// Check and apply the settings (JSON), of which the host shows those that the manifest lists.
    ///
    /// # Errors
    /// What is wrong with the document; the previous settings stay in force.
    pub fn load(&mut self, document: &str) -> Result<(), String> {
        let document: Value = serde_json::from_str(document).map_err(|error| error.to_string())?;
        let enabled = match &document["enabled"] {
            Value::Null => false,
            value => value.as_bool().ok_or("enabled must be true, false or null")?,
        };
        let interval = match &document["interval"] {
            Value::Null => DAY,
            value => value
                .as_u64()
                .filter(|seconds| (1..=YEAR).contains(seconds))
                .ok_or_else(|| format!("interval must be a whole number of seconds, 1 to {YEAR}"))?,
        } * SECOND;
        // From here on, nothing can fail: the settings are applied as a whole or not at all.
        match &mut self.open {
            Some(counts) if enabled => counts.due = counts.due.saturating_add(interval).saturating_sub(self.interval),
            // Off means that nothing is remembered either.
            _ => self.open = None,
        }
        (self.enabled, self.interval) = (enabled, interval);
        Ok(())
    }

    /// Count a print that ended. `now` is in nanoseconds. Returns when the next tick is wanted.
    ///
    /// # Errors
    /// When the payload is not JSON.
    pub fn on_event(&mut self, name: &str, payload: &str, now: u64) -> Result<Option<u64>, String> {
        let payload: Value = serde_json::from_str(payload).map_err(|error| error.to_string())?;
        let (done, failed, cancelled) = match name {
            "PrintDone" => (1, 0, 0),
            // OctoPrint fires two events for a cancelled print: PrintCancelled is counted.
            "PrintFailed" if payload["reason"] == "cancelled" => (0, 0, 0),
            "PrintFailed" => (0, 1, 0),
            "PrintCancelled" => (0, 0, 1),
            _ => (0, 0, 0),
        };
        if self.enabled && done + failed + cancelled > 0 {
            let due = now.saturating_add(self.interval);
            let counts = self.open.get_or_insert(Counts { done: 0, failed: 0, cancelled: 0, seconds: 0.0, due });
            // Saturating, as a restored state may have been edited by hand.
            counts.done = counts.done.saturating_add(done);
            counts.failed = counts.failed.saturating_add(failed);
            counts.cancelled = counts.cancelled.saturating_add(cancelled);
            // An impossible time counts as unknown; the print itself still counts.
            counts.seconds += payload["time"].as_f64().filter(|time| (0.0..=YEAR as f64).contains(time)).unwrap_or(0.0);
        }
        Ok(self.next_tick())
    }

    /// Send the summary if it is due. `send` returns whether the send queue was full; the counts then
    /// go into the next summary. Returns when the next tick is wanted.
    pub fn on_tick(&mut self, now: u64, send: impl FnOnce(&[(&str, String)]) -> bool) -> Option<u64> {
        if let Some(counts) = self.open.as_mut().filter(|counts| now >= counts.due) {
            // In the order that the manifest declares.
            let full = send(&[
                ("done", counts.done.to_string()),
                ("failed", counts.failed.to_string()),
                ("cancelled", counts.cancelled.to_string()),
                ("hours", format!("{:.1}", counts.seconds / 3600.0)),
            ]);
            counts.due = now.saturating_add(self.interval);
            if !full {
                self.open = None;
            }
        }
        self.next_tick()
    }

    /// Without a counted print, there is no need to wake up.
    fn next_tick(&self) -> Option<u64> {
        self.open.as_ref().map(|counts| counts.due)
    }

    /// The state for the next version, or the next run of the host, as JSON. The next clock may count
    /// from a different moment, so the state says how much time is left, not when the summary is due.
    pub fn save(&self, now: u64) -> String {
        let Some(Counts { done, failed, cancelled, seconds, due }) = &self.open else { return "null".into() };
        let left_ns = due.saturating_sub(now);
        json!({"done": done, "failed": failed, "cancelled": cancelled, "seconds": seconds, "left_ns": left_ns})
            .to_string()
    }

    /// Carry on from a state that was saved `age_ns` nanoseconds ago. Called at most once, after
    /// `load`.
    ///
    /// # Errors
    /// When the text is not a state that [`save`](Self::save) returned.
    pub fn restore(&mut self, state: &str, age_ns: u64, now: u64) -> Result<(), String> {
        let state: Value = serde_json::from_str(state).map_err(|error| error.to_string())?;
        if state.is_null() || !self.enabled {
            return Ok(());
        }
        let number = |key: &str| state[key].as_u64().ok_or_else(|| format!("the saved state has no {key}"));
        let left = number("left_ns")?.saturating_sub(age_ns).min(self.interval);
        self.open = Some(Counts {
            done: number("done")?,
            failed: number("failed")?,
            cancelled: number("cancelled")?,
            seconds: state["seconds"].as_f64().ok_or("the saved state has no seconds")?,
            due: now.saturating_add(left),
        });
        Ok(())
    }
}
