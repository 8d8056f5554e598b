//! What a plugin saved, on disk: `state/NAME.json`, so that timers and a started server run carry
//! on when the host is started again.

use crate::home::Home;
use crate::system::Now;
use anyhow::{Context, Result};
use glassbox_sandbox::limits;
use glassbox_util::files::write_without_sync;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::time::Duration;

/// A state as it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The plugin's own text.
    pub state: String,
    /// How long ago that was.
    pub age: Duration,
    /// Whether a server run had begun and not ended.
    pub server_run: bool,
    /// Whether the server run in which it was saved goes on, as far as the host can know.
    pub same_run: bool,
}

#[derive(Deserialize, Serialize)]
struct Stored {
    /// Milliseconds since 1970: of use only where the machine was started again.
    saved_ms: u64,
    /// Which start of the machine, and how long after it: no clock that jumps changes that.
    boot: Option<String>,
    boot_ms: Option<u64>,
    /// Whether a server run had begun and not ended.
    server_run: bool,
    /// The plugin's own document.
    state: Value,
}

/// Keep a state. Cheap: nothing waits for the disk; a crash of the machine may lose it.
///
/// # Errors
/// When it cannot be written; what was there before is still there.
pub fn write(home: &Home, name: &str, state: &str, server_run: bool, now: &Now) -> Result<()> {
    let stored = Stored {
        saved_ms: millis(now.wall),
        boot: now.boot.as_ref().map(|(id, _)| id.clone()),
        boot_ms: now.boot.as_ref().map(|(_, since)| millis(*since)),
        server_run,
        // People can read it; what is not JSON is kept as it is.
        state: serde_json::from_str(state).ok().filter(Value::is_object).unwrap_or_else(|| Value::String(state.into())),
    };
    let file = home.state_file(name);
    fs::create_dir_all(home.state()).with_context(|| format!("making {}", home.state().display()))?;
    write_without_sync(&file, serde_json::to_string(&stored)?.as_bytes())
}

/// What was kept; none if there is none, or it is of no use: then the plugin begins anew.
#[must_use]
pub fn read(home: &Home, name: &str, now: &Now) -> Option<Saved> {
    let file = home.state_file(name);
    let mut bytes = Vec::new();
    // Its text may be escaped once more.
    let most = 2 * limits::HANDOVER as u64 + 4096;
    fs::File::open(&file).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    let stored: Stored = match serde_json::from_slice(&bytes) {
        Ok(stored) => stored,
        Err(error) => {
            tracing::warn!(about = name, "{} is damaged, and the plugin begins anew: {error}", file.display());
            return None;
        }
    };
    let state = match stored.state {
        Value::String(text) => text,
        value => value.to_string(),
    };
    let since_boot = now.boot.as_ref().zip(stored.boot.zip(stored.boot_ms));
    let same_boot = since_boot.filter(|((id, _), (stored_id, _))| id == stored_id);
    let age = match same_boot {
        Some(((_, since), (_, stored))) => since.saturating_sub(Duration::from_millis(stored)),
        // A wall clock that was put back would say less than nothing.
        None => now.wall.saturating_sub(Duration::from_millis(stored.saved_ms)),
    };
    Some(Saved { state, age, server_run: stored.server_run, same_run: stored.server_run && same_boot.is_some() })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(wall: u64, boot: Option<(&str, u64)>) -> Now {
        Now { wall: Duration::from_secs(wall), boot: boot.map(|(id, s)| (id.into(), Duration::from_secs(s))) }
    }

    #[test]
    fn age_is_the_machines_own_time_where_it_did_not_start_again() {
        let folder = std::env::temp_dir().join(format!("glassbox-state-{}", std::process::id()));
        let home = Home::at(&folder);
        write(&home, "p", r#"{"a":1}"#, true, &now(1_000_000, Some(("one", 500)))).unwrap();
        let age = |now: Now| read(&home, "p", &now).map(|saved| (saved.age.as_secs(), saved.same_run));
        assert_eq!(age(now(5, Some(("one", 530)))), Some((30, true)), "the wall clock jumped back");
        assert_eq!(age(now(9_000_000, Some(("one", 530)))), Some((30, true)), "and forth");
        assert_eq!(age(now(1_000_060, Some(("two", 3)))), Some((60, false)), "another start");
        assert_eq!(age(now(1_000_060, None)), Some((60, false)));
        assert_eq!(age(now(5, None)), Some((0, false)));
        assert_eq!(read(&home, "p", &now(5, None)).unwrap().state, r#"{"a":1}"#);
        write(&home, "p", "no json", false, &now(1, Some(("one", 1)))).unwrap();
        let saved = read(&home, "p", &now(2, Some(("one", 2)))).unwrap();
        assert_eq!((saved.state.as_str(), saved.same_run), ("no json", false));
        fs::write(home.state_file("p"), "{").unwrap();
        assert_eq!(read(&home, "p", &now(2, None)), None);
        assert_eq!(read(&home, "q", &now(2, None)), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
