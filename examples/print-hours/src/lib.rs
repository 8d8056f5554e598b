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
        self.interval = match &document["interval"] {
            Value::Null => DAY,
            value => value
                .as_u64()
                .filter(|seconds| (1..=YEAR).contains(seconds))
                .ok_or_else(|| format!("interval must be a whole number of seconds, 1 to {YEAR}"))?,
        } * SECOND;
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
        if done + failed + cancelled > 0 {
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

    /// Send the summary if it is due. Returns when the next tick is wanted.
    pub fn on_tick(&mut self, now: u64, send: impl FnOnce(&[(&str, String)])) -> Option<u64> {
        if let Some(counts) = self.open.take_if(|counts| now >= counts.due) {
            // In the order that the manifest declares. What becomes of it is the host's affair.
            send(&[
                ("done", counts.done.to_string()),
                ("failed", counts.failed.to_string()),
                ("cancelled", counts.cancelled.to_string()),
                ("hours", format!("{:.1}", counts.seconds / 3600.0)),
            ]);
        }
        self.next_tick()
    }

    /// Without a counted print, there is no need to wake up.
    fn next_tick(&self) -> Option<u64> {
        self.open.as_ref().map(|counts| counts.due)
    }

    /// The state for the next version, or the next run of the host, as JSON: whole numbers, as the manifest lists them. The
    /// next clock may count from a different moment, so the state says how much time is left, not when the summary is
    /// due.
    pub fn save(&self, now: u64) -> String {
        let Some(Counts { done, failed, cancelled, seconds, due }) = &self.open else { return "{}".into() };
        // A cast from a float saturates.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let seconds = *seconds as u64;
        let left = due.saturating_sub(now) / SECOND;
        json!({"done": done, "failed": failed, "cancelled": cancelled, "seconds": seconds, "left": left}).to_string()
    }

    /// Carry on from a state that was saved `age` nanoseconds ago; from `{}` there is nothing to carry on. Called once,
    /// after `load`.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub fn restore(&mut self, state: &str, age: u64, now: u64) -> Result<(), String> {
        let state: Value = serde_json::from_str(state).map_err(|error| error.to_string())?;
        // The host drops what does not fit the manifest.
        let number = |key: &str| state[key].as_u64().unwrap_or_default();
        let Some(left) = state["left"].as_u64() else { return Ok(()) };
        let left = left.saturating_mul(SECOND).saturating_sub(age).min(self.interval);
        self.open = Some(Counts {
            done: number("done"),
            failed: number("failed"),
            cancelled: number("cancelled"),
            seconds: number("seconds") as f64,
            due: now.saturating_add(left),
        });
        Ok(())
    }
}
