//! Whether OctoPrint's server is the one that was heard before, or was started anew: by its own
//! count of its starts where that may be read, else by what was seen of it. What was known is kept
//! on disk, so that it outlives the host.

use crate::home::Home;
use crate::system::Now;
use anyhow::{Context, Result};
use glassbox_util::files::write_without_sync;
use serde::{Deserialize, Serialize};
use std::fs;

/// OctoPrint's Achievements plugin counts the server's starts, for good.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Starts {
    /// Since when it counts, which tells one installation from another.
    pub created: i64,
    /// How often the server was started since.
    pub count: u64,
}

/// A run of the server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ServerRun {
    /// Which OctoPrint.
    url: String,
    starts: Option<Starts>,
    /// Which start of our own machine.
    boot: Option<String>,
}

/// How the run that is heard now relates to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunChange {
    /// None is known from before.
    First,
    /// It is the same.
    Same,
    /// It is another; the one before has ended.
    New,
}

impl ServerRun {
    /// The run that is heard now.
    pub fn now(url: String, starts: Option<Starts>) -> Self {
        Self { url, starts, boot: Now::system().boot.map(|(id, _)| id) }
    }

    /// How this one relates to the one before. `down`: since that was heard, the server was seen not
    /// to run.
    #[must_use]
    pub fn after(&self, before: Option<&Self>, down: bool) -> RunChange {
        let Some(before) = before else { return RunChange::First };
        let same = match (&before.starts, &self.starts) {
            _ if before.url != self.url => false,
            (Some(before), Some(now)) => before == now,
            // Without a count: nobody saw it end, and our own machine was not started again.
            _ => !down && before.boot == self.boot,
        };
        if same { RunChange::Same } else { RunChange::New }
    }

    /// The run that was heard last, if anything of use is kept.
    #[must_use]
    pub fn recall(home: &Home, name: &str) -> Option<Self> {
        serde_json::from_slice(&fs::read(file(home, name)).ok()?).ok()
    }

    /// Keep it for the next host.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, home: &Home, name: &str) -> Result<()> {
        fs::create_dir_all(home.state()).with_context(|| format!("making {}", home.state().display()))?;
        write_without_sync(&file(home, name), serde_json::to_string(self)?.as_bytes())
    }

    /// It has ended.
    pub fn forget(home: &Home, name: &str) {
        // Where it stays, the count of starts tells the next one apart.
        let _ = fs::remove_file(file(home, name));
    }
}

/// Beside the plugins' states, with an ending that those do not have.
fn file(home: &Home, name: &str) -> std::path::PathBuf {
    home.state().join(format!("{name}.server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(count: Option<u64>) -> ServerRun {
        ServerRun::now("http://h".into(), count.map(|count| Starts { created: 1, count }))
    }

    #[test]
    fn the_count_decides_where_both_are_known() {
        assert_eq!(run(Some(7)).after(None, false), RunChange::First);
        for down in [false, true] {
            assert_eq!(run(Some(7)).after(Some(&run(Some(7))), down), RunChange::Same);
            assert_eq!(run(Some(8)).after(Some(&run(Some(7))), down), RunChange::New);
        }
        let mut other = run(Some(7));
        other.starts.as_mut().unwrap().created = 2;
        assert_eq!(run(Some(7)).after(Some(&other), false), RunChange::New, "another installation");
        other = run(Some(7));
        other.url = "http://other".into();
        assert_eq!(run(Some(7)).after(Some(&other), false), RunChange::New, "another OctoPrint");
    }

    #[test]
    fn without_a_count_what_was_seen_does() {
        for (before, now) in [(None, None), (Some(1), None), (None, Some(1))] {
            assert_eq!(run(now).after(Some(&run(before)), false), RunChange::Same);
            assert_eq!(run(now).after(Some(&run(before)), true), RunChange::New);
            let mut booted = run(before);
            booted.boot = Some("another".into());
            assert_eq!(run(now).after(Some(&booted), false), RunChange::New);
        }
    }
}
