//! Whether OctoPrint's server is still the one that we listened to before, or was restarted: by its own count of its
//! starts where that can be read, otherwise by what was seen of it. The last run is kept on disk, in
//! `state/NAME.server`, so that it outlives the host. What plugins are told of it is not decided here.

use crate::home::Home;
use crate::system::Now;
use glassbox_util::files::{make_folder, read_bounded, write_own};
use serde::{Deserialize, Serialize};
use std::fs;

/// The largest file, in bytes.
const LARGEST: usize = 64 << 10;

/// How often the server was started, as OctoPrint's Achievements plugin counts it and never resets it
/// (`stats` in the answer of `plugin/achievements/`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Starts {
    /// Since when it counts, in seconds since 1970, which tells one installation from another.
    pub created: i64,
    /// How often the server was started since then.
    pub count: u64,
}

/// One run of the server, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ServerRun {
    /// Which OctoPrint: its URL, or the broker and base topic where it publishes.
    url: String,
    starts: Option<Starts>,
    /// Which boot of our own machine it was seen in.
    boot: Option<String>,
}

/// How the run that we listen to now relates to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunChange {
    /// No earlier run is known.
    First,
    /// It is the same run.
    Same,
    /// It is a new run; the one before has ended.
    New,
}

impl ServerRun {
    /// The run that we listen to now.
    pub fn now(url: String, starts: Option<Starts>) -> Self {
        Self { url, starts, boot: Now::system().boot.map(|(id, _)| id) }
    }

    /// How this run relates to the one before. `down` is whether the server was seen not to be running in between.
    pub fn after(&self, before: Option<&Self>, down: bool) -> RunChange {
        let Some(before) = before else { return RunChange::First };
        let same = match (&before.starts, &self.starts) {
            _ if before.url != self.url => false,
            (Some(before), Some(now)) => before == now,
            // Without a count it is the same run if nobody saw it end and our own machine was not rebooted.
            _ => !down && before.boot == self.boot,
        };
        if same { RunChange::Same } else { RunChange::New }
    }

    /// The last run of this OctoPrint, if the file is there and can be read.
    pub fn recall(home: &Home, name: &str) -> Option<Self> {
        serde_json::from_slice(&read_bounded(&file(home, name), LARGEST).ok()?).ok()
    }

    /// Keep it for the host's next start. A failure is only logged: then that may take this run for a new one.
    pub fn keep(&self, home: &Home, name: &str) {
        let write = || {
            make_folder(&home.state())?;
            write_own(&file(home, name), serde_json::to_string(self)?.as_bytes())
        };
        if let Err(error) = write() {
            tracing::warn!(
                octoprint = name,
                "after a restart this may be taken for another run of OctoPrint: {error:#}"
            );
        }
    }

    /// The run has ended.
    pub fn forget(home: &Home, name: &str) {
        // If the file cannot be removed, the count of starts tells the next run apart.
        let _ = fs::remove_file(file(home, name));
    }
}

/// The file is next to the plugins' states, whose names never end like this.
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
