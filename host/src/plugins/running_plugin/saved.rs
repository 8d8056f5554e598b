//! What is stored of a plugin that runs: what the host remembers of OctoPrint and is due, and what the component handed
//! over. Where it is stored is in `home/state.rs`.

use glassbox_sandbox::Memory;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// More than is usually stored.
const USUAL_BYTES: usize = 4096;

/// What was stored.
#[derive(Debug)]
pub struct Saved {
    /// What was heard and is due.
    pub memory: Memory,
    /// What the component handed over, as a JSON object.
    pub state: String,
    /// When it did, in milliseconds of the clock in force now.
    pub state_at: i64,
    /// Whether OctoPrint has reported throttling, so that the host need not look at it.
    pub octoprint_reports_throttling: bool,
}

/// What is stored, as it is written.
#[derive(Serialize)]
struct Document<'a, M> {
    #[serde(flatten)]
    memory: M,
    state: &'a RawValue,
    state_age_ms: i64,
    octoprint_reports_throttling: bool,
}

impl Default for Saved {
    fn default() -> Self {
        Self { memory: Memory::default(), state: "{}".into(), state_at: 0, octoprint_reports_throttling: false }
    }
}

impl Saved {
    /// Read what was stored `age` milliseconds ago. What cannot be read is not known.
    pub fn read(text: &str, now: i64, age: i64) -> Self {
        let saved: Value = serde_json::from_str(text).unwrap_or_default();
        let state_age = saved["state_age_ms"].as_i64().unwrap_or_default();
        Self {
            memory: Memory::restore(&saved, now, age),
            state: saved.get("state").filter(|state| state.is_object()).map_or("{}".into(), Value::to_string),
            state_at: now.saturating_sub(age).saturating_sub(state_age),
            octoprint_reports_throttling: saved["octoprint_reports_throttling"] == true,
        }
    }

    /// As JSON text. `memory`: as [`Memory::save`] says; `state`: what the component handed over, and when.
    pub fn write(
        memory: impl Serialize,
        (state, state_at): (&str, i64),
        octoprint_reports_throttling: bool,
        now: i64,
    ) -> String {
        let saved = Document {
            memory,
            state: serde_json::from_str(state).unwrap_or(RawValue::NULL),
            state_age_ms: now.saturating_sub(state_at),
            octoprint_reports_throttling,
        };
        let mut text = Vec::with_capacity(USUAL_BYTES);
        // Its keys are texts, and its numbers whole: it can always be written.
        let written = serde_json::to_writer(&mut text, &saved).ok();
        written.and_then(|()| String::from_utf8(text).ok()).unwrap_or_default()
    }
}
